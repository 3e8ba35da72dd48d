"""Submits Polars workloads as runs, waits for them, and reads their results."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from icefield_apiserver.core.errors import BadRequest, Forbidden
from icefield_apiserver.core.kube.secrets import WorkspaceSecrets
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.features.runs.service import ResultRows, RunService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import PolarsWorkload, Role, Run, RunSpec, Workspace
from icefield_crds.names import namespace_of
from icefield_crds.polars import polars_cloud_problem
from icefield_crds.requirements import NO_REQUIREMENTS, Requirements

from .workload import new_workload

__all__ = ["PolarsService", "new_workload"]

LONGEST_WAIT_SECONDS = 1790.0
"""A little less than published clients wait for an answer."""


class PolarsService:
    """Polars workloads, each call inside the caller's workspace.

    Args:
        runs: the runs that execute them.
        secrets: where the credentials of Polars Cloud are.
        workspaces: the Workspaces of the platform.
        closing: set when the process receives SIGTERM or SIGINT.
    """

    def __init__(
        self,
        runs: RunService,
        secrets: WorkspaceSecrets,
        workspaces: WorkspaceDirectory,
        closing: asyncio.Event,
    ) -> None:
        self._runs = runs
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
        requirements: Requirements = NO_REQUIREMENTS,
    ) -> Run:
        """Start a workload as the caller; beyond what may run at once, it waits for its turn.

        Args:
            principal: the caller.
            workload: what to run.
            timeout_seconds: how long it may take; polars.DEFAULT_TIMEOUT_SECONDS when None.
            name: prefix of the run's name.
            annotations: further annotations of the run (icefield_crds.names).
            idempotency_key: a second call with the same one answers with the first one's run.
            requirements: Python packages that the workload needs.

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
        spec = RunSpec(
            polars=workload,
            timeout_seconds=timeout_seconds,
            requirements=list(requirements.lines),
            lock=requirements.lock,
        )
        return await self._runs.submit(principal, spec, name or "polars", annotations, idempotency_key)

    async def wait(self, run: Run, seconds: float = LONGEST_WAIT_SECONDS) -> Run:
        """Return the run once it has ended, or its state after these seconds or when the process is stopping.

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
        """Start a workload and wait for it; see `submit` and `wait`. The run may not have ended: check its phase."""
        submitted = await self.submit(principal, workload, timeout_seconds=timeout_seconds, annotations=annotations)
        return await self.wait(submitted)

    async def result(self, principal: Principal, run: Run) -> ResultRows:
        """Return the first rows of the result of a workload; raises as `RunService.result` does."""
        return await self._runs.result(principal, run)

    def _check_catalog(self, principal: Principal, workload: PolarsWorkload) -> None:
        if workload.catalog is None:
            return
        workspace = self._workspace(principal)
        if not workspace.has_catalog(workload.catalog):
            known = ", ".join(workspace.catalog_names)
            raise BadRequest(f"There is no catalog {workload.catalog}; the workspace's catalog has the names {known}.")

    async def _check_polars_cloud(self, principal: Principal) -> None:
        credentials = await self._secrets.polars_cloud(principal.workspace)
        if problem := polars_cloud_problem(namespace_of(principal.workspace), credentials):
            raise BadRequest(f"{problem}.")

    def _workspace(self, principal: Principal) -> Workspace:
        return self._workspaces.existing(principal.workspace)
