"""Lineage of runs and tables: what other features record and what REST reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from icefield_apiserver.core.catalog import Namespace
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.tables.service import TableService
from icefield_apiserver.identity.principal import Principal
from icefield_sql import TableName

from .recorder import LineageRecorder
from .store import LineageNeighbour, LineageStore
from .summary import Lineage, TableAccess, accesses_in, lineage_of

__all__ = [
    "Lineage",
    "LineageNeighbour",
    "LineageOfTable",
    "LineageRecorder",
    "LineageService",
    "TableAccess",
    "accesses_in",
    "lineage_of",
]


@dataclass(frozen=True)
class LineageOfTable:
    """The direct neighbours of a table.

    Attributes:
        table: its name with the catalog, such as `acme.sales.orders`.
        upstream: the tables that it was written from, latest first.
        downstream: the tables that were written from it, latest first.
    """

    table: str
    upstream: list[LineageNeighbour]
    downstream: list[LineageNeighbour]


class LineageService:
    """Reads lineage in the caller's workspace.

    Args:
        store: the recorded lineage.
        workspaces: the Workspaces.
        runs: the runs.
        tables: the tables.
    """

    def __init__(
        self, store: LineageStore, workspaces: WorkspaceDirectory, runs: RunService, tables: TableService
    ) -> None:
        self._store = store
        self._workspaces = workspaces
        self._runs = runs
        self._tables = tables

    async def of_table(self, principal: Principal, namespace: Namespace, table: str) -> LineageOfTable:
        """Return the direct neighbours of a table; a dropped table keeps its lineage.

        Raises:
            NotFound: the table does not exist and has no lineage.
        """
        name = TableName(namespace, table).qualified(principal.workspace)
        uid = self._workspaces.existing(principal.workspace).metadata.uid
        upstream, downstream = await self._store.upstream(uid, name), await self._store.downstream(uid, name)
        if not upstream and not downstream:
            await self._tables.get(principal, namespace, table)
        return LineageOfTable(name, upstream, downstream)

    async def of_run(self, principal: Principal, run: str) -> dict[str, Any]:
        """Return the JSON of the `Lineage` of a run.

        Raises:
            NotFound: the run does not exist.
        """
        found = await self._runs.get(principal, run)
        uid = self._workspaces.existing(principal.workspace).metadata.uid
        return await self._store.of_run(uid, found.metadata.uid)
