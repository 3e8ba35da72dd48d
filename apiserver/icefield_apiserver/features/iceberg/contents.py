"""Checks of what requests of the protocol write into the catalog: names, properties, locations, texts of views.

Pure. What other calls refuse is refused here as well, whatever the catalog behind it would take.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from icefield_apiserver.core.catalog.metadata import text_of_view
from icefield_apiserver.core.catalog.names import DEFAULT_SCHEMA, check_database_name, check_name
from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.locations import StoreRoot
from icefield_sql import Names, SqlError, View, property_problem, read_view

from .operations import CatalogCall

_PROPERTIES = {
    "namespaces": "properties",
    "namespaces/{namespace}/properties": "updates",
    "namespaces/{namespace}/tables": "properties",
    "namespaces/{namespace}/views": "properties",
}
"""Where a body has properties, besides the updates of a commit."""
_LOCATIONS = {
    "namespaces/{namespace}/tables": ("location",),
    "namespaces/{namespace}/views": ("location",),
    "namespaces/{namespace}/register": ("metadata-location",),
}
"""Where a body has a location, besides the updates of a commit."""
_LOCATIONS_OF_UPDATES = {
    "set-location": ("location",),
    "set-statistics": ("statistics", "statistics-path"),
    "set-partition-statistics": ("partition-statistics", "statistics-path"),
    "add-snapshot": ("snapshot", "manifest-list"),
}
"""Where an update of a commit has a location (TableUpdate, ViewUpdate)."""


class Contents:
    """Checks the bodies of requests that write into a workspace's catalog.

    Args:
        workspace: its slug, which is the catalog's name.
        catalog_names: all names that SQL has for it, in lower case.
        root: its part of the object store.
    """

    def __init__(self, workspace: str, catalog_names: Collection[str], root: StoreRoot) -> None:
        self._catalog_names = catalog_names
        self._root = root
        self._names = Names(workspace, frozenset(catalog_names))

    def check(self, call: CatalogCall, body: Mapping[str, Any]) -> None:
        """Reject a request that would write what is not allowed, or has another shape than the protocol's.

        Args:
            call: the call.
            body: the request's JSON.

        Raises:
            BadRequest: a name, a property, a location or the text of a view is not allowed, or the shape is wrong.
        """
        template = call.operation.template
        self._check_names(call, body)
        if field := _PROPERTIES.get(template):
            _check_properties(body.get(field), field)
        if path := _LOCATIONS.get(template):
            self._check_location(body, path)
        if template == "namespaces/{namespace}/views":
            self._check_view_version(body.get("view-version"))
        for commit in _commits(template, body):
            self._check_updates(commit)

    def _check_names(self, call: CatalogCall, body: Mapping[str, Any]) -> None:
        template = call.operation.template
        if template == "namespaces":
            self._check_namespace(body.get("namespace"))
        elif template.endswith("/rename"):
            target = body.get("destination")
            name = target.get("name") if isinstance(target, Mapping) else None
            check_name(template.partition("s/")[0], _text(name))
        elif template == "transactions/commit":
            for change in _objects(body.get("table-changes"), "table-changes"):
                identifier = change.get("identifier")
                if not isinstance(identifier, Mapping) or not _is_namespace(identifier.get("namespace")):
                    raise BadRequest(
                        "Each of table-changes has an identifier: a namespace, which is a list, and a name."
                    )
                check_name("table", _text(identifier.get("name")))
        elif call.operation.creates:
            check_name("view" if "view" in template else "table", _text(body.get("name")))

    def _check_namespace(self, levels: object) -> None:
        if not isinstance(levels, list) or not 1 <= len(levels) <= 2:
            raise BadRequest("A namespace has one level, the database, or two: the database and its schema.")
        check_database_name(_text(levels[0]), self._catalog_names)
        if len(levels) == 2:
            check_name("schema", _text(levels[1]))
            if levels[1].lower() == DEFAULT_SCHEMA:
                raise BadRequest(f"Schema {DEFAULT_SCHEMA} is the database itself; it exists already.")

    def _check_updates(self, commit: Mapping[str, Any]) -> None:
        """Check the updates of a table or a view (CommitTableRequest, CommitViewRequest)."""
        for update in _objects(commit.get("updates"), "updates"):
            action = update.get("action")
            if path := _LOCATIONS_OF_UPDATES.get(_text(action)):
                self._check_location(update, path)
            if action == "set-properties":
                _check_properties(update.get("updates"), "updates")
            elif action == "add-view-version":
                self._check_view_version(update.get("view-version"))
            elif action == "add-snapshot":
                snapshot = update.get("snapshot")
                if not isinstance(snapshot, Mapping) or not isinstance(snapshot.get("snapshot-id"), int):
                    raise BadRequest("The update add-snapshot has a snapshot with a snapshot-id, which is an integer.")
                self._check_manifests(snapshot.get("manifests"))

    def _check_location(self, body: Mapping[str, Any], path: Sequence[str]) -> None:
        """Check the location in a body, if it has one, which is a string below the workspace's part of the store."""
        found: object = body
        for name in path:
            found = found.get(name) if isinstance(found, Mapping) else None
        if found is None:
            return
        if not isinstance(found, str):
            raise BadRequest(f"Field {'.'.join(path)} is a string.")
        if problem := self._root.problem_of(found):
            raise BadRequest(problem)

    def _check_manifests(self, manifests: object) -> None:
        """Check the manifests that a snapshot of the format's first version lists itself."""
        if manifests is None:
            return
        if not isinstance(manifests, list):
            raise BadRequest("Field snapshot.manifests is a list of strings.")
        for manifest in manifests:
            self._check_location({"snapshot.manifests": manifest}, ("snapshot.manifests",))

    def _check_view_version(self, version: object) -> None:
        if not isinstance(version, Mapping):
            raise BadRequest("A view has a view-version, which is an object.")
        texts = [
            each for each in _objects(version.get("representations"), "representations") if each.get("type") == "sql"
        ]
        if not texts or not all(isinstance(each.get(name), str) for each in texts for name in ("sql", "dialect")):
            raise BadRequest("A view has representations of the type sql, each with a sql and a dialect.")
        namespace, catalog = version.get("default-namespace") or [], version.get("default-catalog")
        if not _is_namespace(namespace) or not isinstance(catalog, str | None):
            raise BadRequest("A view's default-namespace is a list of strings, and its default-catalog a string.")
        text, dialect = text_of_view(version)
        try:
            read_view(View(text, dialect, tuple(namespace), catalog), self._names)
        except SqlError as error:
            raise BadRequest(f"The text of the view is not allowed: {error.sentence}") from error


def _commits(template: str, body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the commits of a request, of one table or view or of several tables."""
    if template == "transactions/commit":
        yield from _objects(body.get("table-changes"), "table-changes")
    elif template.endswith(("/{table}", "/{view}")):
        yield body


def _check_properties(properties: object, field: str) -> None:
    if properties is None:
        return
    if not isinstance(properties, Mapping) or not all(isinstance(value, str) for value in properties.values()):
        raise BadRequest(f"Field {field} is an object whose values are strings.")
    for key, value in properties.items():
        if problem := property_problem(key, value):
            raise BadRequest(problem)


def _objects(value: object, field: str) -> list[Mapping[str, Any]]:
    """Return a list of objects; an empty one where there is none."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise BadRequest(f"Field {field} is a list of objects.")
    return value


def _is_namespace(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(level, str) for level in value)


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
