"""What a commit of the protocol adds to tables (CommitTableRequest, CommitTransactionRequest). Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.core.catalog.model import Namespace

from .operations import CatalogCall

_WITHOUT_NEW_ROWS = ("delete", "replace")
"""Operations in a snapshot's summary (Iceberg, "Snapshots"): rows are removed, or files rewritten."""


@dataclass(frozen=True)
class AddedSnapshot:
    """A snapshot that a commit adds.

    Attributes:
        id: its id.
        has_new_rows: whether it brings rows, and does not only delete or rewrite some.
    """

    id: int
    has_new_rows: bool


@dataclass(frozen=True)
class Commit:
    """The part of a commit that concerns one table.

    Attributes:
        namespace: the table's.
        name: its name.
        uuid: its `table-uuid`; None where the commit does not tell it.
        snapshots: those that it adds.
    """

    namespace: Namespace
    name: str
    uuid: str | None
    snapshots: tuple[AddedSnapshot, ...]


def commits_in(call: CatalogCall, body: Mapping[str, Any]) -> list[Commit]:
    """Return what a call commits, table by table; those without a name are left out.

    Args:
        call: the call.
        body: its body, which was checked.
    """
    found = (
        Commit(namespace, name, _uuid(change), tuple(_snapshots(change)))
        for namespace, name, change in _changes(call, body)
    )
    return [commit for commit in found if commit.name]


def _changes(call: CatalogCall, body: Mapping[str, Any]) -> Iterator[tuple[Namespace, str, Mapping[str, Any]]]:
    if call.name is not None:
        yield call.namespace, call.name, body
        return
    for change in body.get("table-changes") or ():
        identifier = change.get("identifier") or {}
        yield tuple(identifier.get("namespace", ())), str(identifier.get("name", "")), change


def _uuid(change: Mapping[str, Any]) -> str | None:
    uuids = (
        each.get("uuid")
        for each in (*(change.get("requirements") or ()), *(change.get("updates") or ()))
        if each.get("type") == "assert-table-uuid" or each.get("action") == "assign-uuid"
    )
    return next((str(found) for found in uuids if found), None)


def _snapshots(change: Mapping[str, Any]) -> Iterator[AddedSnapshot]:
    for update in change.get("updates") or ():
        if update.get("action") == "add-snapshot":
            snapshot = update["snapshot"]
            operation = (snapshot.get("summary") or {}).get("operation")
            yield AddedSnapshot(int(snapshot["snapshot-id"]), operation not in _WITHOUT_NEW_ROWS)
