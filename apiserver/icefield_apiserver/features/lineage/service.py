"""Lineage of runs and tables: what other features record and what REST reads."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.core.catalog import Catalogs, Namespace
from icefield_apiserver.core.catalog.model import full_name
from icefield_apiserver.core.errors import BadRequest, NotFound
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Privilege
from icefield_sql import Names, SqlError, TableName

from .columns import ColumnSet, SourceColumn
from .granted import may_see, shown_graph, shown_lineage, shown_neighbours
from .graph import Direction, GraphNode, LineageGraph
from .graph_store import LineageGraphStore
from .identities import current_dataset, mark_gone
from .neighbours import LineageNeighbour
from .recorder import CommittedTable, LineageRecorder
from .store import LineageStore
from .summary import Lineage, TableAccess, accesses_in, lineage_of
from .units import CatalogUnit, Dataset, ReadDataset, StatementAccess, unit_id, uuid_of_name

__all__ = [
    "CatalogUnit",
    "ColumnSet",
    "ColumnsOfTable",
    "CommittedTable",
    "Dataset",
    "Lineage",
    "LineageNeighbour",
    "LineageOfTable",
    "LineageRecorder",
    "LineageService",
    "ReadDataset",
    "SourceColumn",
    "StatementAccess",
    "TableAccess",
    "accesses_in",
    "lineage_of",
    "unit_id",
    "uuid_of_name",
]


@dataclass(frozen=True)
class LineageOfTable:
    """The direct neighbours of a table or view.

    Attributes:
        dataset: the table or view.
        is_gone: whether it is not there any more.
        upstream: what it was written from, latest first.
        downstream: what was written from it, latest first.
    """

    dataset: Dataset
    is_gone: bool
    upstream: list[LineageNeighbour]
    downstream: list[LineageNeighbour]


@dataclass(frozen=True)
class ColumnsOfTable:
    """What the columns of a table are made of.

    Attributes:
        columns: the columns.
        tables: the tables of the columns that they are made of, by their identities.
    """

    columns: ColumnSet
    tables: Mapping[str, Dataset]


class LineageService:
    """Reads lineage in the caller's workspace.

    Args:
        store: the recorded lineage.
        graphs: the recorded graph.
        workspaces: the Workspaces.
        runs: the runs.
        catalogs: the workspaces' catalogs.
    """

    def __init__(
        self,
        store: LineageStore,
        graphs: LineageGraphStore,
        workspaces: WorkspaceDirectory,
        runs: RunService,
        catalogs: Catalogs,
    ) -> None:
        self._store = store
        self._graphs = graphs
        self._workspaces = workspaces
        self._runs = runs
        self._catalogs = catalogs

    async def of_table(self, principal: Principal, namespace: Namespace, table: str) -> LineageOfTable:
        """Return the direct neighbours of a table or view; what is gone keeps its lineage until its name is taken.

        Raises:
            NotFound: there is none of this name, and none that had it has lineage.
        """
        uid = self._workspaces.existing(principal.workspace).metadata.uid
        dataset, is_gone = await self._dataset(principal, uid, namespace, table)
        uuids = _identities(uid, dataset)
        upstream, downstream = await asyncio.gather(
            self._store.upstream(uid, uuids), self._store.downstream(uid, uuids)
        )
        await mark_gone(self._catalogs.of(principal.workspace), uid, [*upstream, *downstream])
        shown = (shown_neighbours(principal.access, each) for each in (upstream, downstream))
        return LineageOfTable(dataset, is_gone, *shown)

    async def columns(self, principal: Principal, dataset: Dataset) -> ColumnsOfTable:
        """Return what the columns of a table are made of, as far as statements tell it."""
        uid = self._workspaces.existing(principal.workspace).metadata.uid
        columns, tables = await self._store.columns(uid, dataset.uuid)
        shown = {uuid: table for uuid, table in tables.items() if may_see(principal.access, table.name)}
        return ColumnsOfTable(columns if len(shown) == len(tables) else columns.of_tables(shown), shown)

    async def graph(self, principal: Principal, table: str, direction: Direction, depth: int) -> LineageGraph:
        """Return the graph around a table or view.

        Args:
            principal: the caller.
            table: its name, such as `sales.orders`, with or without the catalog.
            direction: which way the graph is followed.
            depth: how many edges away.

        Raises:
            BadRequest: the name can mean no table of the workspace.
            NotFound: there is none of this name, and none that had it has lineage.
        """
        workspace = self._workspaces.existing(principal.workspace)
        uid, names = workspace.metadata.uid, Names(workspace.metadata.name, frozenset(workspace.spec.catalog.aliases))
        try:
            name = names.table(table.split("."))
        except SqlError as error:
            raise BadRequest(f"Parameter table: {error.sentence}") from error
        dataset, is_gone = await self._dataset(principal, uid, name.namespace, name.name)
        start = GraphNode(dataset.uuid, dataset.name, dataset.is_view, is_gone)
        graph = await self._graphs.around(uid, start, sorted(_identities(uid, dataset)), direction, depth)
        return shown_graph(principal.access, graph)

    async def _dataset(self, principal: Principal, uid: str, namespace: Namespace, table: str) -> tuple[Dataset, bool]:
        """Return the table or view that has a name, or had it last, and whether it is gone."""
        principal.access.require(Privilege.SELECT, namespace, table)
        current = await current_dataset(self._catalogs.of(principal.workspace), uid, namespace, table)
        if current is not None:
            return current, False
        found = await self._store.last_of_name(uid, TableName(namespace, table).qualified(principal.workspace))
        if found is None:
            raise NotFound(f"There is no table {full_name(namespace, table)}.")
        return found, True

    async def of_run(self, principal: Principal, run: str) -> dict[str, Any]:
        """Return the JSON of the `Lineage` of a run.

        Raises:
            NotFound: the run does not exist.
        """
        found = await self._runs.get(principal, run)
        uid = self._workspaces.existing(principal.workspace).metadata.uid
        return shown_lineage(principal.access, await self._store.of_run(uid, found.metadata.uid))


def _identities(workspace_uid: str, dataset: Dataset) -> set[str]:
    """Return all that a table is known by: what was recorded before identities were has only a name."""
    return {dataset.uuid, uuid_of_name(workspace_uid, dataset.name)}
