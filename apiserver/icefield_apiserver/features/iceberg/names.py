"""Checks that names created through the protocol are valid in REST and SQL as well, and that commits name their tables.

Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from icefield_apiserver.core.catalog.names import DEFAULT_SCHEMA, check_database_name, check_name
from icefield_apiserver.core.errors import BadRequest

from .operations import CatalogCall, Effect


def check_names(call: CatalogCall, body: Mapping[str, Any], catalog_names: Collection[str]) -> None:
    """Reject a request that would create an object with an invalid name.

    Args:
        call: the call.
        body: the request's JSON.
        catalog_names: the catalog's names in SQL, in lower case.

    Raises:
        BadRequest: a name in the body is invalid, or a commit has another shape than the protocol's.
    """
    template = call.operation.template
    if template == "namespaces":
        _check_namespace(body.get("namespace"), catalog_names)
    elif template.endswith("/rename"):
        target = body.get("destination")
        name = target.get("name") if isinstance(target, Mapping) else None
        check_name(template.partition("s/")[0], _text(name))
    elif template == "transactions/commit":
        for change in _objects(body.get("table-changes"), "table-changes"):
            identifier = change.get("identifier")
            if not isinstance(identifier, Mapping) or not _is_namespace(identifier.get("namespace")):
                raise BadRequest("Each of table-changes has an identifier: a namespace, which is a list, and a name.")
            check_name("table", _text(identifier.get("name")))
            _check_updates(change)
    elif call.operation.effect is Effect.COMMITS:
        _check_updates(body)
    elif call.name is None:
        check_name("view" if "view" in template else "table", _text(body.get("name")))


def _check_namespace(levels: object, catalog_names: Collection[str]) -> None:
    if not isinstance(levels, list) or not 1 <= len(levels) <= 2:
        raise BadRequest("A namespace has one level, the database, or two: the database and its schema.")
    check_database_name(_text(levels[0]), catalog_names)
    if len(levels) == 2:
        check_name("schema", _text(levels[1]))
        if levels[1].lower() == DEFAULT_SCHEMA:
            raise BadRequest(f"Schema {DEFAULT_SCHEMA} is the database itself; it exists already.")


def _check_updates(commit: Mapping[str, Any]) -> None:
    """Check what is recorded of a commit once the catalog has taken it (CommitTableRequest)."""
    for update in _objects(commit.get("updates"), "updates"):
        if update.get("action") != "add-snapshot":
            continue
        snapshot = update.get("snapshot")
        if not isinstance(snapshot, Mapping) or not isinstance(snapshot.get("snapshot-id"), int):
            raise BadRequest("The update add-snapshot has a snapshot with a snapshot-id, which is an integer.")


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
