"""The INSERTs and UPDATEs that record lineage. Pure.

Rows of one statement are in the order of their keys, so that two transactions lock them in the same order.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, Update, and_, case, func, update
from sqlalchemy.ext.asyncio import AsyncEngine

from icefield_apiserver.core.db.upserts import insert_into

from .columns import ColumnSet
from .models import LineageAccess, LineageColumns, LineageEdge, LineageFlow, LineageTable
from .summary import TableAccess
from .units import Dataset, Flow

MAX_NAME = 512


@dataclass(frozen=True)
class Unit:
    """What read and wrote together.

    Attributes:
        id: of the statement, or of the CatalogUnit.
        workspace_uid: metadata.uid of its workspace.
        run_uid: metadata.uid of the Run to which it belongs.
        statement_id: its id, where it is a statement.
    """

    id: str
    workspace_uid: str
    run_uid: str | None
    statement_id: str | None = None


class LineageWriter:
    """Makes the statements that store lineage.

    Args:
        engine: of the database.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine

    def accesses(
        self,
        unit: Unit,
        direction: str,
        accesses: Iterable[TableAccess],
        uuids: Mapping[str, str],
        at: datetime,
    ) -> list[Executable]:
        """Return the INSERT of what a unit read or wrote, with the UUIDs of tables by their names.

        What is stored already stays as it is.
        """
        rows = [
            {
                "source": unit.id,
                "direction": direction,
                "table_name": name[:MAX_NAME],
                "snapshot_id": snapshot or 0,
                "workspace_uid": unit.workspace_uid,
                "run_uid": unit.run_uid,
                "table_uuid": uuids.get(name),
                "at": at,
            }
            for name, snapshot in dict.fromkeys(accesses)
        ]
        return [insert_into(self._engine, LineageAccess).values(rows).on_conflict_do_nothing()] if rows else []

    def tables_seen(self, workspace_uid: str, datasets: Iterable[Dataset], at: datetime) -> list[Executable]:
        """Return what stores that tables were there under these names, and no others under the same names."""
        by_uuid = {each.uuid: each for each in datasets}
        if not by_uuid:
            return []
        rows = [
            {
                "workspace_uid": workspace_uid,
                "uuid": each.uuid,
                "name": each.name[:MAX_NAME],
                "is_view": each.is_view,
                "is_name_only": False,
                "seen_at": at,
                "gone_at": None,
            }
            for _, each in sorted(by_uuid.items())
        ]
        insert = insert_into(self._engine, LineageTable).values(rows)
        new = insert.excluded
        names = sorted({each.name[:MAX_NAME] for each in by_uuid.values()})
        others = _known(workspace_uid, at).where(LineageTable.name.in_(names), LineageTable.uuid.not_in(by_uuid))
        return [
            insert.on_conflict_do_update(
                index_elements=["workspace_uid", "uuid"],
                set_={"name": new.name, "is_view": new.is_view, "seen_at": new.seen_at, "gone_at": None},
                where=LineageTable.seen_at <= new.seen_at,
            ),
            others.values(gone_at=at, seen_at=at),
        ]

    def tables_gone(self, workspace_uid: str, uuids: Collection[str], at: datetime) -> list[Executable]:
        """Return what stores that tables are not there any more."""
        change = _known(workspace_uid, at).where(LineageTable.uuid.in_(sorted(uuids)))
        return [change.values(gone_at=at, seen_at=at)] if uuids else []

    def name_gone(self, workspace_uid: str, name: str, at: datetime) -> list[Executable]:
        """Return what stores that no table of this name is there any more."""
        return [_known(workspace_uid, at).where(LineageTable.name == name[:MAX_NAME]).values(gone_at=at, seen_at=at)]

    def namespace_gone(self, workspace_uid: str, name: str | None, at: datetime) -> list[Executable]:
        """Return what stores that nothing in a namespace is there any more; nothing where there is none."""
        if name is None:
            return []
        inside = LineageTable.name.startswith(f"{name}.", autoescape=True)
        return [_known(workspace_uid, at).where(inside).values(gone_at=at, seen_at=at)]

    def table_renamed(self, workspace_uid: str, old: str, new: str, at: datetime) -> list[Executable]:
        """Return what stores that a table has another name."""
        named = _known(workspace_uid, at).where(LineageTable.name == old[:MAX_NAME])
        return [*self.name_gone(workspace_uid, new, at), named.values(name=new[:MAX_NAME], seen_at=at)]

    def flows(self, unit: Unit, flows: Sequence[Flow], at: datetime) -> list[Executable]:
        """Return what stores a unit's edges, and those that are direct as edges of the graph."""
        rows = [
            {
                **_pair(unit, flow),
                "unit": unit.id,
                "run_uid": unit.run_uid,
                "through_uuid": flow.through,
                "inferred": flow.inferred,
                "at": at,
            }
            for flow in flows
        ]
        edges = [
            {
                **_pair(unit, flow),
                "inferred": flow.inferred,
                "last_at": at,
                "last_run_uid": unit.run_uid,
                "last_statement_id": unit.statement_id,
            }
            for flow in flows
            if flow.through is None
        ]
        return [*self._insert_flows(rows), *self._insert_edges(edges)]

    def columns(self, unit: Unit, targets: Iterable[str], columns: ColumnSet | None, at: datetime) -> list[Executable]:
        """Return what stores what a statement makes the columns of its targets of, given their UUIDs."""
        rows = [
            {
                "workspace_uid": unit.workspace_uid,
                "target_uuid": target,
                "digest": columns.digest,
                "columns": columns.to_json(),
                "last_statement_id": unit.id,
                "last_at": at,
            }
            for target in sorted(targets)
            if columns
        ]
        if not rows:
            return []
        insert = insert_into(self._engine, LineageColumns).values(rows)
        new = insert.excluded
        return [
            insert.on_conflict_do_update(
                index_elements=["workspace_uid", "target_uuid", "digest"],
                set_={"last_statement_id": new.last_statement_id, "last_at": new.last_at},
            )
        ]

    def _insert_flows(self, rows: list[dict[str, Any]]) -> list[Executable]:
        if not rows:
            return []
        insert = insert_into(self._engine, LineageFlow).values(rows)
        return [
            insert.on_conflict_do_update(
                index_elements=["workspace_uid", "source_uuid", "target_uuid", "unit"],
                set_={"at": insert.excluded.at},
            )
        ]

    def _insert_edges(self, rows: list[dict[str, Any]]) -> list[Executable]:
        if not rows:
            return []
        insert = insert_into(self._engine, LineageEdge).values(rows)
        new = insert.excluded
        is_newer = new.last_at > LineageEdge.last_at
        return [
            insert.on_conflict_do_update(
                index_elements=["workspace_uid", "source_uuid", "target_uuid"],
                set_={
                    "inferred": and_(LineageEdge.inferred, new.inferred),
                    "last_at": case((is_newer, new.last_at), else_=LineageEdge.last_at),
                    "last_run_uid": func.coalesce(new.last_run_uid, LineageEdge.last_run_uid),
                    "last_statement_id": func.coalesce(new.last_statement_id, LineageEdge.last_statement_id),
                },
            )
        ]


def _pair(unit: Unit, flow: Flow) -> dict[str, Any]:
    return {"workspace_uid": unit.workspace_uid, "source_uuid": flow.source, "target_uuid": flow.target}


def _known(workspace_uid: str, at: datetime) -> Update:
    """Return the UPDATE of the tables that are there as far as was known until a moment."""
    return update(LineageTable).where(
        LineageTable.workspace_uid == workspace_uid,
        LineageTable.gone_at.is_(None),
        LineageTable.is_name_only.is_(False),
        LineageTable.seen_at <= at,
    )
