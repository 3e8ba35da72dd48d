"""Which privileges an operation of the protocol needs, and which names of an answer a caller may see. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from icefield_apiserver.core.catalog import DataAccess, Namespace
from icefield_apiserver.core.errors import BadRequest
from icefield_crds import Privilege

from .operations import CatalogCall
from .shapes import at, fields, is_namespace, objects, text

_LISTS = {
    "namespaces": "namespaces",
    "namespaces/{namespace}/tables": "identifiers",
    "namespaces/{namespace}/views": "identifiers",
}
"""Where the answer of a list has its names."""


def check_call(access: DataAccess, call: CatalogCall, body: Mapping[str, Any]) -> None:
    """Check that a caller may make a call.

    Args:
        access: the caller's.
        call: the call.
        body: the request's JSON.

    Raises:
        NotFound: it names something that the caller may not see.
        Forbidden: the caller may see that only.
    """
    if not access.is_limited:
        return
    operation, namespace, body = call.operation, call.namespace, fields(body)
    if call.name is not None:
        access.require(_needed_on_object(call, body), namespace, call.name)
    elif operation.creates:
        access.require_to_create(namespace, text(body.get("name")))
    elif operation.template == "transactions/commit":
        for change in objects(body.get("table-changes"), "table-changes"):
            access.require(_privilege_of(change), *_identifier(change.get("identifier")))
    elif operation.template.endswith("/rename"):
        access.require(Privilege.OWN, *_identifier(body.get("source")))
        access.require_to_create(*_identifier(body.get("destination")))
    elif operation.method in ("GET", "HEAD"):
        access.require_sight(namespace)
    else:
        access.require_in(Privilege.OWN, namespace or _namespace(body.get("namespace")))


def list_field(call: CatalogCall) -> str | None:
    """Return the field of the answer that lists namespaces, tables or views; None where it lists nothing."""
    return _LISTS.get(call.operation.template) if call.operation.method == "GET" else None


def seen(access: DataAccess, answer: Mapping[str, Any], field: str) -> dict[str, Any]:
    """Return the answer of a list without the names that a caller may not see."""
    return {**answer, field: [each for each in answer.get(field) or () if _is_seen(access, each)]}


def _is_seen(access: DataAccess, listed: Any) -> bool:
    if isinstance(listed, list):
        return access.sees(tuple(listed))
    return access.may(Privilege.SELECT, *_identifier(listed))


def _needed_on_object(call: CatalogCall, body: Mapping[str, Any]) -> Privilege:
    """Return what a call needs on the table or view in its path."""
    method, template = call.operation.method, call.operation.template
    if method in ("GET", "HEAD") or "/{table}/" in template:
        return Privilege.SELECT
    return _privilege_of(body) if method == "POST" and template.endswith("{table}") else Privilege.OWN


def _privilege_of(commit: Mapping[str, Any]) -> Privilege:
    """Return what a commit needs: INSERT where it says that it only appends to the main branch."""
    return Privilege.INSERT if all(map(_is_append, _updates(commit))) else Privilege.OWN


def _is_append(update: Mapping[str, Any]) -> bool:
    action = update.get("action")
    if action == "set-snapshot-ref":
        return update.get("ref-name") == "main"
    return action == "add-snapshot" and at(update, ("snapshot", "summary", "operation")) == "append"


def _updates(commit: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from objects(commit.get("updates"), "updates")


def _identifier(identifier: Any) -> tuple[Namespace, str]:
    """Return (namespace, name) of a TableIdentifier.

    Raises:
        BadRequest: it is none.
    """
    name = at({"identifier": identifier}, ("identifier", "name"))
    if not isinstance(name, str):
        raise BadRequest("A table or view is named by a namespace, which is a list, and a name.")
    return _namespace(at({"identifier": identifier}, ("identifier", "namespace"))), name


def _namespace(levels: object) -> Namespace:
    if not isinstance(levels, list) or not levels or not is_namespace(levels):
        raise BadRequest("A namespace is a list of names.")
    return tuple(levels)
