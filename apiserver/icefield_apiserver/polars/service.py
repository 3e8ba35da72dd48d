"""Takes in Polars workloads of callers, waits for them, and reads what they came to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping

from icefield_apiserver.errors import BadRequest, Forbidden, NotFound
from icefield_apiserver.identity.membership import WorkspaceDirectory
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube.secrets import WorkspaceSecrets
from icefield_apiserver.repositories.runs import RunRepository
from icefield_crds import PolarsWorkload, Role, Run, RunSpec, Workspace
from icefield_crds.names import namespace_of
from icefield_crds.polars import polars_cloud_problem

from .outcome import check_result
from .results import Result, RunResults

LONGEST_WAIT_SECONDS = 1790.0
"""A little less than published clients wait for an answer."""
INLINE_ROWS = 10_000
"""Most rows that an answer carries."""


class PolarsService:
    """Polars workloads, each call inside the caller's workspace.

    Args:
        runs: the runs that execute them.
        results: their results.
        secrets: where the credentials of Polars Cloud are.
        workspaces: the Workspaces there are.
        closing: set when the process is told to stop.
    """

    def __init__(
        self,
        runs: RunRepository,
        results: RunResults,
        secrets: WorkspaceSecrets,
        workspaces: WorkspaceDirectory,
        closing: asyncio.Event,
    ) -> None:
        self._runs = runs
        self._results = results
        self._secrets = secrets
        self._workspaces = workspaces
        self._closing = closing

    async def submit(
        self,
        principal: Principal,
        workload: PolarsWorkload,
        *,
        timeout_seconds: int | None = None,
        name: str | None = None,
        annotations: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Start a workload as the caller; beyond what may run at once, it waits for its turn.

        Args:
            principal: the caller.
            workload: what to run.
            timeout_seconds: how long it may take; polars.DEFAULT_TIMEOUT_SECONDS when None.
            name: what the run's name begins with.
            annotations: what else is noted of the run (icefield_crds.names).
            idempotency_key: a second call with the same one answers with the first one's run.

        Raises:
            BadRequest: it could never run.
            Forbidden: the caller may only read.
            QuotaExceeded: as many workloads wait as may.
        """
        if not principal.may(Role.EDITOR):
            raise Forbidden(f"This needs the role {Role.EDITOR.value}; yours is {principal.role.value}.")
        self._check_catalog(principal, workload)
        if workload.distributed:
            await self._check_polars_cloud(principal)
        spec = RunSpec(polars=workload, timeout_seconds=timeout_seconds)
        return await self._runs.submit(principal, spec, name or "polars", annotations, idempotency_key)

    async def wait(self, run: Run, seconds: float = LONGEST_WAIT_SECONDS) -> Run:
        """Return the run once it has ended; or as it stands after these seconds, or when the process is to stop.

        Raises:
            Conflict: it was deleted meanwhile.
        """
        return await self._runs.ended(run, self._closing, seconds)

    async def run(
        self,
        principal: Principal,
        workload: PolarsWorkload,
        timeout_seconds: int | None = None,
        *,
        annotations: Mapping[str, str] | None = None,
    ) -> Run:
        """Start a workload and wait for it; see `submit` and `wait`. The run may not have ended: look at its phase."""
        submitted = await self.submit(principal, workload, timeout_seconds=timeout_seconds, annotations=annotations)
        return await self.wait(submitted)

    async def result(self, principal: Principal, run: Run, limit: int = INLINE_ROWS) -> Result:
        """Return the first rows of the result of a run.

        Raises:
            NotFound: it has none, or no longer.
            Conflict: it has not succeeded.
            Unavailable: the object store cannot be reached.
        """
        check_result(run)
        return await self._results.first_rows(principal.workspace, run, limit)

    async def arrow(self, principal: Principal, run: Run) -> AsyncIterator[bytes]:
        """Begin to read the result of a run as an Arrow IPC stream; raises as `result` does."""
        check_result(run)
        return await self._results.stream(principal.workspace, run)

    async def delete_result(self, principal: Principal, run: Run) -> None:
        """Delete the result of a run that was deleted, where it may have one."""
        if run.spec.polars:
            await self._results.delete(principal.workspace, run)

    def _check_catalog(self, principal: Principal, workload: PolarsWorkload) -> None:
        if workload.catalog is None:
            return
        workspace = self._workspace(principal)
        if not workspace.has_catalog(workload.catalog):
            known = ", ".join(workspace.catalog_names)
            raise BadRequest(f"There is no catalog {workload.catalog} here; the workspace's is called: {known}.")

    async def _check_polars_cloud(self, principal: Principal) -> None:
        credentials = await self._secrets.polars_cloud(principal.workspace)
        if problem := polars_cloud_problem(namespace_of(principal.workspace), credentials):
            raise BadRequest(f"{problem}.")

    def _workspace(self, principal: Principal) -> Workspace:
        workspace = self._workspaces.get(principal.workspace)
        if workspace is None:
            raise NotFound(f"There is no workspace called {principal.workspace}.")
        return workspace
