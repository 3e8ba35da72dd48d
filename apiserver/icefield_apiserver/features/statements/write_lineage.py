"""What a write is recorded with for its lineage, and the lineage that it has once it was applied. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from icefield_apiserver.core.catalog.model import LoadedTable, LoadedView
from icefield_apiserver.features.lineage.service import (
    ColumnSet,
    Dataset,
    ReadDataset,
    SourceColumn,
    StatementAccess,
    uuid_of_name,
)
from icefield_sql import ColumnLineage, ColumnUse, Compiled, TableName
from icefield_sql import Statement as ParsedStatement

from .models import Statement
from .table_states import BeforeWrite, TableState


@dataclass(frozen=True)
class WriteLineage:
    """What is known of a write's lineage when it is sent.

    Attributes:
        sources: the tables and views that it, and the views in it, read.
        seen_at: until when they were looked up, and not after.
        renamed_to: the new name, with the catalog, of what it renames.
        dropped_namespace: name, with the catalog, of the database or schema that it drops.
        columns: what it makes the columns of its target of, with names of tables in place of UUIDs.
    """

    sources: tuple[ReadDataset, ...] = ()
    seen_at: datetime | None = None
    renamed_to: str | None = None
    dropped_namespace: str | None = None
    columns: ColumnSet | None = None

    @classmethod
    def of(cls, compiled: Compiled, parsed: ParsedStatement, workspace_uid: str, seen_at: datetime) -> Self:
        """Return that of a write.

        Args:
            compiled: the write.
            parsed: its parse, or the outline of that.
            workspace_uid: metadata.uid of its workspace.
            seen_at: when its tables were looked up, or before.
        """
        catalog = parsed.names.catalog
        sources = tuple(
            ReadDataset(
                _dataset(each.name.qualified(catalog), each.uuid, workspace_uid, is_view=each.is_view),
                each.reader.qualified(catalog) if each.reader else None,
            )
            for each in compiled.sources
        )
        dropped = parsed.dropped_namespace
        return cls(
            sources,
            seen_at,
            parsed.renamed_to.qualified(catalog) if parsed.renamed_to else None,
            ".".join((catalog, *dropped)) if dropped else None,
            _columns(compiled.columns, catalog) if compiled.columns else None,
        )

    def to_json(self) -> dict[str, Any]:
        """Return this as a JSON object."""
        sources = [[each.dataset.uuid, each.dataset.name, each.dataset.is_view, each.reader] for each in self.sources]
        return {
            "sources": sources,
            "seen_at": self.seen_at.isoformat() if self.seen_at else None,
            "renamed_to": self.renamed_to,
            "dropped_namespace": self.dropped_namespace,
            "columns": self.columns.to_json() if self.columns else None,
        }

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> Self:
        """Return what is in a JSON object of `to_json`."""
        sources = (
            ReadDataset(Dataset(uuid, name, is_view), reader) for uuid, name, is_view, reader in fields["sources"]
        )
        seen_at, renamed_to = fields["seen_at"], fields["renamed_to"]
        moment = datetime.fromisoformat(seen_at) if seen_at else None
        columns = ColumnSet.from_json(fields["columns"]) if fields.get("columns") else None
        return cls(tuple(sources), moment, renamed_to, fields["dropped_namespace"], columns)


@dataclass(frozen=True)
class WrittenObject:
    """A table or view that a statement writes, before it and after.

    Attributes:
        name: its name with the catalog.
        uuid: its UUID now; None where it is not there.
        former_uuid: its UUID before; None where it was not there.
        is_view: whether it is a view.
        is_changed: whether anything was written to it meanwhile.
    """

    name: str
    uuid: str | None
    former_uuid: str | None
    is_view: bool
    is_changed: bool


def written_objects(
    before: BeforeWrite | None, after: Mapping[TableName, LoadedTable | LoadedView | None], catalog: str
) -> tuple[WrittenObject, ...]:
    """Return what a statement writes.

    Args:
        before: as it was when the statement was sent; None where that was not recorded.
        after: as it is now.
        catalog: the catalog's name.
    """
    former = before.tables if before else {}
    return tuple(
        _written(name.qualified(catalog), former.get(name), TableState.of(found) if found else None)
        for name, found in after.items()
    )


def unchecked_objects(before: BeforeWrite | None, catalog: str) -> tuple[WrittenObject, ...]:
    """Return what a statement wrote whose tables cannot be read now: those that were there before."""
    known = ((name, state) for name, state in (before.tables if before else {}).items() if state)
    return tuple(
        WrittenObject(name.qualified(catalog), state.uuid, state.uuid, state.is_view, is_changed=True)
        for name, state in known
    )


def access_of(
    statement: Statement,
    read: tuple[tuple[str, int | None], ...],
    written: tuple[tuple[str, int | None], ...],
    objects: tuple[WrittenObject, ...],
) -> StatementAccess:
    """Return what a statement that succeeded read and changed.

    Args:
        statement: its record.
        read: name and snapshot of each table that it read.
        written: name and snapshot of each table that it wrote.
        objects: the tables and views that it writes.
    """
    known = WriteLineage.from_json(statement.write_lineage) if statement.write_lineage else WriteLineage()
    renamed = [
        Dataset(each.former_uuid, known.renamed_to, each.is_view)
        for each in objects
        if known.renamed_to and each.former_uuid
    ]
    here = [Dataset(each.uuid, each.name, each.is_view) for each in objects if each.uuid]
    former = {each.former_uuid for each in objects if each.former_uuid}
    uuids = {each.name: each.uuid for each in (*here, *(source.dataset for source in known.sources))}
    return StatementAccess(
        statement.id,
        statement.workspace_uid,
        statement.run_uid,
        read,
        written,
        known.sources,
        known.seen_at,
        tuple(renamed or here),
        frozenset(each.uuid for each in objects if each.uuid and each.is_changed),
        frozenset() if renamed else frozenset(former - {each.uuid for each in here}),
        known.dropped_namespace,
        _identified(known.columns, uuids) if known.columns else None,
    )


def _columns(lineage: ColumnLineage, catalog: str) -> ColumnSet:
    def sources(uses: Iterable[ColumnUse]) -> tuple[SourceColumn, ...]:
        return tuple(SourceColumn(use.table.qualified(catalog), use.column, use.subtype) for use in uses)

    return ColumnSet({name: sources(uses) for name, uses in lineage.fields}, sources(lineage.deciding))


def _identified(columns: ColumnSet, uuids: Mapping[str, str]) -> ColumnSet:
    """Return columns with the UUIDs of their tables in place of names; of tables without one, nothing."""

    def sources(named: Iterable[SourceColumn]) -> tuple[SourceColumn, ...]:
        return tuple(each._replace(uuid=uuids[each.uuid]) for each in named if each.uuid in uuids)

    return ColumnSet({name: sources(each) for name, each in columns.fields.items()}, sources(columns.dataset))


def _written(name: str, before: TableState | None, after: TableState | None) -> WrittenObject:
    state = after or before
    return WrittenObject(
        name,
        after.uuid if after else None,
        before.uuid if before else None,
        bool(state and state.is_view),
        before != after,
    )


def _dataset(name: str, uuid: str, workspace_uid: str, *, is_view: bool) -> Dataset:
    return Dataset(uuid or uuid_of_name(workspace_uid, name), name, is_view)
