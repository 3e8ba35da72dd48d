"""Rules for parts of requests and of metadata files: properties, and locations in the object store. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.locations import StoreRoot
from icefield_sql import property_problem

from .shapes import at, objects


def check_properties(properties: object, field: str) -> None:
    """Check properties, if there are any.

    Args:
        properties: what the field has.
        field: its name.

    Raises:
        BadRequest: one cannot be set, or the field has another shape.
    """
    if properties is None:
        return
    if not isinstance(properties, Mapping) or not all(isinstance(value, str) for value in properties.values()):
        raise BadRequest(f"Field {field} is an object whose values are strings.")
    for key, value in properties.items():
        if problem := property_problem(key, value):
            raise BadRequest(problem)


def check_location(root: StoreRoot, body: Mapping[str, Any], path: Sequence[str]) -> None:
    """Check the location in an object, if it has one.

    Args:
        root: the workspace's part of the object store, where it must be.
        body: the object.
        path: fields that lead to it.

    Raises:
        BadRequest: it is elsewhere, or no string.
    """
    found = at(body, path)
    if found is None:
        return
    if not isinstance(found, str):
        raise BadRequest(f"Field {'.'.join(path)} is a string.")
    if problem := root.problem_of(found):
        raise BadRequest(problem)


def check_manifests(root: StoreRoot, manifests: object) -> None:
    """Check the manifests that a snapshot of the format's first version lists itself, if it does.

    Args:
        root: the workspace's part of the object store.
        manifests: their locations.

    Raises:
        BadRequest: one is elsewhere, or they are no list of strings.
    """
    if manifests is None:
        return
    if not isinstance(manifests, list):
        raise BadRequest("Field snapshot.manifests is a list of strings.")
    for manifest in manifests:
        check_location(root, {"manifests": manifest}, ("manifests",))


def check_table_metadata(root: StoreRoot, metadata: Mapping[str, Any]) -> None:
    """Check what the metadata of a table (Iceberg, "Table Metadata Fields") names: no way round the checks of commits.

    Args:
        root: the workspace's part of the object store.
        metadata: the metadata file's JSON.

    Raises:
        BadRequest: a property cannot be set, a location is elsewhere, or a field has another shape.
    """
    check_location(root, metadata, ("location",))
    check_properties(metadata.get("properties"), "properties")
    for snapshot in objects(metadata.get("snapshots"), "snapshots"):
        check_location(root, snapshot, ("manifest-list",))
        check_manifests(root, snapshot.get("manifests"))
    for field in ("statistics", "partition-statistics"):
        for each in objects(metadata.get(field), field):
            check_location(root, each, ("statistics-path",))
    # Engines delete what the log has, once it is long (write.metadata.delete-after-commit.enabled).
    for entry in objects(metadata.get("metadata-log"), "metadata-log"):
        check_location(root, entry, ("metadata-file",))
