"""The statements of a workspace, listed by what a caller names."""

from __future__ import annotations

from datetime import datetime

from icefield_apiserver.core.errors import Forbidden, NotFound
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.core.pagination import Window
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.warehouses.service import WarehouseService
from icefield_apiserver.identity.principal import Principal

from . import identifiers
from .models import Statement
from .store import Filters, StatementRepository


class StatementHistory:
    """Lists statements, each call inside the caller's workspace.

    Args:
        repository: stores their records.
        warehouses: where they ran.
        runs: the runs that they were executed for.
        workspaces: the Workspaces.
    """

    def __init__(
        self,
        repository: StatementRepository,
        warehouses: WarehouseService,
        runs: RunService,
        workspaces: WorkspaceDirectory,
    ) -> None:
        self._repository = repository
        self._warehouses = warehouses
        self._runs = runs
        self._workspaces = workspaces

    async def filters(
        self,
        principal: Principal,
        *,
        status: str | None,
        warehouse: str | None,
        person: str | None,
        since: datetime | None,
        run: str | None,
    ) -> Filters:
        """Return the filters that a caller named; warehouses and runs may have been deleted.

        Raises:
            Forbidden: grants limit the caller, who asks for another's.
        """
        if principal.access.is_limited:
            if person not in (None, principal.person):
                raise Forbidden("Grants limit what you may read here, so you see your own statements only.")
            person = principal.person
        return Filters(
            status=status,
            warehouse=await self._warehouse_uid(principal, warehouse) if warehouse else None,
            person=person,
            first_id=identifiers.first_id(since) if since else None,
            run_uid=await self._run_prefix(principal, run) if run else None,
        )

    async def page(self, principal: Principal, filters: Filters, window: Window, before: str | None) -> list[Statement]:
        """Return statements, newest first, and one more than the window's limit where there are more."""
        workspace = self._workspaces.existing(principal.workspace)
        return list(await self._repository.page(workspace.metadata.uid, filters, window, before))

    async def _warehouse_uid(self, principal: Principal, id_or_name: str) -> tuple[str | None, str]:
        try:
            return (await self._warehouses.get(principal, id_or_name)).metadata.uid, id_or_name
        except NotFound:
            return None, id_or_name

    async def _run_prefix(self, principal: Principal, id_or_name: str) -> str:
        """Return the beginning of a run's uid: of a deleted run only its public id is known."""
        try:
            return (await self._runs.get(principal, id_or_name)).metadata.uid
        except NotFound:
            hexes = id_or_name.removeprefix("run_")
            return f"{hexes[:8]}-{hexes[8:12]}"
