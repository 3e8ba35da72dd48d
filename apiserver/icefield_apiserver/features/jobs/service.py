"""Jobs of a workspace."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.execution import build_spec
from icefield_apiserver.core.execution_checks import flavors_of
from icefield_apiserver.core.kube import Cluster, NamedResources
from icefield_apiserver.core.kube.flavors import check_flavors_exist
from icefield_apiserver.core.kube.indexes import job_group, maintenance_group
from icefield_apiserver.core.pagination import Page, Window
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Job, JobSpec, Run
from icefield_crds.names import namespace_of

from .next_run import next_run_at
from .spec import JobChange, changed, merge_patch, new_job
from .validate import problem_of_job

T = TypeVar("T")


class JobService:
    """Finds and changes jobs, each call inside the caller's workspace.

    Args:
        cluster: where they are.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._jobs = NamedResources(cluster, Job)

    async def get(self, principal: Principal, id_or_name: str) -> Job:
        """Return the job with this id, name in Kubernetes, or display name.

        Raises:
            NotFound: the workspace has none.
        """
        return await self._jobs.get(principal.workspace, id_or_name)

    def page(self, principal: Principal, window: Window, name: str | None, shape: Callable[[Job], T]) -> Page[T]:
        """Return a page of the workspace's jobs by name in Kubernetes, or the one of this name."""

        def matches(job: Job) -> bool:
            return name is None or name in (job.metadata.name, job.spec.display_name)

        return self._jobs.page(principal.workspace, window, shape, matches)

    def last_run(self, job: Job) -> Run | None:
        """Return the newest run of a job."""
        group = job_group(job.metadata.namespace or "", job.metadata.name)
        return next((run for _, run in self._cluster.runs.store.walk(group)), None)

    def next_run_at(self, job: Job) -> datetime | None:
        """Return when the schedule of a job starts the next run, in UTC; None when it starts none."""
        return next_run_at(job, datetime.now(UTC))

    def maintaining(self, principal: Principal, database: str) -> list[Job]:
        """Return the workspace's jobs that maintain a database or tables of it, by name in Kubernetes."""
        group = maintenance_group(namespace_of(principal.workspace), database)
        return [job for _, job in self._cluster.cache(Job).store.walk(group)]

    async def declare_maintenance(
        self, principal: Principal, job: Job | None, name: str, fields: Mapping[str, Any]
    ) -> Job:
        """Create or change a job that maintains tables, as the caller.

        Args:
            principal: the caller.
            job: the job to change; None for a new one.
            name: the name of a new one.
            fields: of JobSpec; those that are absent keep their value.

        Raises:
            BadRequest: a value cannot be stored, or the schedule is invalid.
            Conflict: the workspace has a job of this name, or others change it at the same time.
            Forbidden: the caller's role does not permit it.
        """
        if job is None:
            return await self.create(principal, name, build_spec(lambda: JobSpec(**fields)))
        return await self.update(principal, job.public_id, JobChange(None, None, False, None, fields))

    async def create(self, principal: Principal, name: str, spec: JobSpec) -> Job:
        """Create a job as the caller.

        Args:
            principal: the caller.
            name: its display name.
            spec: everything else.

        Raises:
            BadRequest: it could never run.
            Conflict: the workspace has a job of this name.
            Forbidden: the caller's role does not permit it.
        """
        job = new_job(name, spec, namespace_of(principal.workspace))
        if not job.spec.has_work:
            raise BadRequest("A job needs a command or tasks.")
        self._jobs.check_name_is_free(principal.workspace, name)
        await self._check(job)
        return await self._jobs.create(job, principal.impersonation)

    async def update(self, principal: Principal, id_or_name: str, change: JobChange) -> Job:
        """Change a job as the caller; runs that exist keep what they run.

        Raises:
            BadRequest: it could no longer run.
            Conflict: another job has the new name, or others change the job at the same time.
        """

        async def spec_patch(job: Job) -> dict[str, Any]:
            wanted = changed(job, change)
            patch = merge_patch(job.spec, wanted)
            if "displayName" in patch and change.name:
                self._jobs.check_name_is_free(principal.workspace, change.name, job)
            if patch:
                await self._check(job.model_copy(update={"spec": wanted}))
            return patch

        job = await self.get(principal, id_or_name)
        return await self._jobs.update(job, spec_patch, principal.impersonation)

    async def delete(self, principal: Principal, id_or_name: str) -> None:
        """Delete a job as the caller, and with it its runs."""
        await self._jobs.delete(await self.get(principal, id_or_name), principal.impersonation)

    async def _check(self, job: Job) -> None:
        if problem := problem_of_job(job.spec):
            raise BadRequest(problem)
        await check_flavors_exist(self._cluster.flavors, flavors_of(job.spec))
