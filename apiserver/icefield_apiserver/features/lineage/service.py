"""Lineage of runs and tables: what other features record and what REST reads."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import Any

from icefield_apiserver.core.catalog import Catalogs, Namespace
from icefield_apiserver.core.catalog.model import full_name
from icefield_apiserver.core.errors import NotFound
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Privilege
from icefield_sql import TableName

from .identities import current_dataset, mark_gone
from .neighbours import LineageNeighbour
from .recorder import CommittedTable, LineageRecorder
from .store import LineageStore
from .summary import Lineage, TableAccess, accesses_in, lineage_of
from .units import CatalogUnit, Dataset, ReadDataset, StatementAccess, unit_id, uuid_of_name

__all__ = [
    "CatalogUnit",
    "CommittedTable",
    "Dataset",
    "Lineage",
    "LineageNeighbour",
    "LineageOfTable",
    "LineageRecorder",
    "LineageService",
    "ReadDataset",
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


class LineageService:
    """Reads lineage in the caller's workspace.

    Args:
        store: the recorded lineage.
        workspaces: the Workspaces.
        runs: the runs.
        catalogs: the workspaces' catalogs.
    """

    def __init__(
        self, store: LineageStore, workspaces: WorkspaceDirectory, runs: RunService, catalogs: Catalogs
    ) -> None:
        self._store = store
        self._workspaces = workspaces
        self._runs = runs
        self._catalogs = catalogs

    async def of_table(self, principal: Principal, namespace: Namespace, table: str) -> LineageOfTable:
        """Return the direct neighbours of a table or view; what is gone keeps its lineage until its name is taken.

        Raises:
            NotFound: there is none of this name, and none that had it has lineage.
        """
        uid = self._workspaces.existing(principal.workspace).metadata.uid
        principal.access.require(Privilege.SELECT, namespace, table)
        catalog = self._catalogs.of(principal.workspace)
        current = await current_dataset(catalog, uid, namespace, table)
        dataset = current or await self._last(principal, uid, namespace, table)
        # What was recorded before identities were has only a name.
        uuids = {dataset.uuid, uuid_of_name(uid, dataset.name)}
        upstream, downstream = await asyncio.gather(
            self._store.upstream(uid, uuids), self._store.downstream(uid, uuids)
        )
        await mark_gone(catalog, uid, [*upstream, *downstream])
        return LineageOfTable(dataset, current is None, _shown(principal, upstream), _shown(principal, downstream))

    async def _last(self, principal: Principal, uid: str, namespace: Namespace, table: str) -> Dataset:
        """Return the table that had a name last."""
        found = await self._store.last_of_name(uid, TableName(namespace, table).qualified(principal.workspace))
        if found is None:
            raise NotFound(f"There is no table {full_name(namespace, table)}.")
        return found

    async def of_run(self, principal: Principal, run: str) -> dict[str, Any]:
        """Return the JSON of the `Lineage` of a run.

        Raises:
            NotFound: the run does not exist.
        """
        found = await self._runs.get(principal, run)
        uid = self._workspaces.existing(principal.workspace).metadata.uid
        lineage = await self._store.of_run(uid, found.metadata.uid)
        accesses = (accesses_in(lineage, direction) for direction in ("read", "written"))
        return lineage_of(*([each for each in some if _may_see(principal, each[0])] for some in accesses))


def _shown(principal: Principal, neighbours: list[LineageNeighbour]) -> list[LineageNeighbour]:
    """Return the neighbours that the caller may see, without the views between that the caller may not."""
    return [
        replace(each, through=[view for view in each.through if _may_see(principal, view)])
        for each in neighbours
        if _may_see(principal, each.table)
    ]


def _may_see(principal: Principal, table: str) -> bool:
    """Return whether the caller may see a table, given its name with the catalog."""
    _, *namespace, name = table.split(".")
    return principal.access.may(Privilege.SELECT, tuple(namespace), name)
