"""Checks that names created through the protocol are valid in REST and SQL as well. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from icefield_apiserver.core.catalog.names import DEFAULT_SCHEMA, check_database_name, check_name
from icefield_apiserver.core.errors import BadRequest

from .operations import CatalogCall


def check_names(call: CatalogCall, body: Mapping[str, Any], catalog_names: Collection[str]) -> None:
    """Reject a request that would create an object with an invalid name.

    Args:
        call: the call.
        body: the request's JSON.
        catalog_names: the catalog's names in SQL, in lower case.

    Raises:
        BadRequest: a name in the body is invalid.
    """
    template = call.operation.template
    if template == "namespaces":
        _check_namespace(body.get("namespace"), catalog_names)
    elif template.endswith("/rename"):
        target = body.get("destination")
        name = target.get("name") if isinstance(target, Mapping) else None
        check_name(template.partition("s/")[0], _text(name))
    elif template == "transactions/commit":
        for change in body.get("table-changes") or ():
            identifier = change.get("identifier") if isinstance(change, Mapping) else None
            check_name("table", _text(identifier.get("name") if isinstance(identifier, Mapping) else None))
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


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
