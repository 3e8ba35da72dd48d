"""The tables directly upstream or downstream of a table, from the flows between them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from .models import LineageFlow, LineageTable

MAX_SHOWN = 20
"""Most runs, and statements, that are named between two tables."""


@dataclass(frozen=True)
class FlowRow:
    """A flow between a table and a neighbour.

    Attributes:
        uuid: the neighbour.
        table: its name with the catalog.
        is_view: whether it is a view.
        is_gone: whether it is known to be gone.
        through: name of the view through which the source was read.
        statement_id: the statement, where the unit is one.
    """

    uuid: str
    table: str
    is_view: bool
    is_gone: bool
    at: datetime
    inferred: bool
    through: str | None
    run_uid: str | None
    statement_id: str | None

    @classmethod
    def of(cls, flow: LineageFlow, table: LineageTable, through: str | None) -> Self:
        """Return a row of the database, given the neighbour and the name of the view between."""
        return cls(
            uuid=table.uuid,
            table=table.name,
            is_view=table.is_view,
            is_gone=table.gone_at is not None,
            at=flow.at,
            inferred=flow.inferred,
            through=through,
            run_uid=flow.run_uid,
            statement_id=flow.unit if flow.unit.startswith("stmt_") else None,
        )


@dataclass
class LineageNeighbour:
    """A table or view directly upstream or downstream of another.

    Attributes:
        uuid: its identity.
        table: its name with the catalog: the current one, or the last that it had.
        is_view: whether it is a view.
        is_gone: whether it is not there any more.
        last_at: when data last flowed between the two.
        inferred: whether only the order of a process's calls tells it.
        through: names of the views through which it is reached; empty where it is reached directly.
        run_uids: metadata.uid of the runs that connect them, newest first.
        statement_ids: the statements that connect them, newest first.
    """

    uuid: str
    table: str
    is_view: bool
    is_gone: bool
    last_at: datetime
    inferred: bool
    through: list[str] = field(default_factory=list)
    run_uids: list[str] = field(default_factory=list)
    statement_ids: list[str] = field(default_factory=list)


def neighbours_of(flows: Iterable[FlowRow]) -> list[LineageNeighbour]:
    """Return the neighbours that flows connect with a table, latest first.

    Args:
        flows: between the table and each of its neighbours, newest first.
    """
    found: dict[tuple[str, bool], LineageNeighbour] = {}
    direct: set[tuple[str, bool]] = set()
    for flow in flows:
        # By name, not by identity: of what was recorded before identities were, only the name is known.
        key = (flow.uuid, True) if flow.is_gone else (flow.table, False)
        neighbour = found.get(key)
        if neighbour is None:
            neighbour = LineageNeighbour(flow.uuid, flow.table, flow.is_view, flow.is_gone, flow.at, flow.inferred)
            found[key] = neighbour
        neighbour.inferred = neighbour.inferred and flow.inferred
        _append(neighbour.run_uids, flow.run_uid)
        _append(neighbour.statement_ids, flow.statement_id)
        if flow.through is None:
            direct.add(key)
        else:
            _append(neighbour.through, flow.through)
    for key in direct:
        found[key].through.clear()
    return list(found.values())


def _append(known: list[str], value: str | None) -> None:
    if value and value not in known and len(known) < MAX_SHOWN:
        known.append(value)
