"""Jobs of a workspace."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from kubernetes.aio.client.exceptions import ApiException

from icefield_apiserver.errors import BadRequest, Conflict, NotFound
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube import Cluster, Impersonation
from icefield_apiserver.kube.orders import job_group, named_group
from icefield_apiserver.pagination import Page, Window, page_of
from icefield_apiserver.schemas.jobs import JobCreate, JobUpdate
from icefield_crds import Execution, Job, Run
from icefield_crds.names import namespace_of, slugify

from .job_spec import changed, merge_patch, new_job
from .validate import flavors_of, problem_of_job

T = TypeVar("T")

_PUBLIC_ID = re.compile(r"job_[0-9a-f]{12}")
_ATTEMPTS = 5


class JobRepository:
    """Finds and changes jobs, each call inside the caller's workspace.

    Args:
        cluster: where they are.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    async def get(self, principal: Principal, id_or_name: str) -> Job:
        """Return the job with this id, name in Kubernetes, or name that people gave it.

        Raises:
            NotFound: the workspace has none.
        """
        namespace = namespace_of(principal.workspace)
        if _PUBLIC_ID.fullmatch(id_or_name):
            found = await self._cluster.jobs.find_by_public_id(namespace, id_or_name)
        else:
            found = self._named(namespace, id_or_name) or await self._find_live(namespace, id_or_name)
        if found is None:
            raise NotFound(f"There is no job {id_or_name} in workspace {principal.workspace}.")
        return found

    def page(self, principal: Principal, window: Window, name: str | None, shape: Callable[[Job], T]) -> Page[T]:
        """Return a page of the workspace's jobs by name in Kubernetes, or the one of this name."""
        namespace = namespace_of(principal.workspace)

        def matches(job: Job) -> bool:
            return name is None or name in (job.metadata.name, job.spec.display_name)

        return page_of(self._cluster.jobs.store, namespace, window, shape, matches)

    def last_run(self, job: Job) -> Run | None:
        """Return the newest run of a job."""
        group = job_group(job.metadata.namespace or "", job.metadata.name)
        return next((run for _, run in self._cluster.runs.store.walk(group)), None)

    async def create(self, principal: Principal, request: JobCreate) -> Job:
        """Create a job as the caller.

        Raises:
            BadRequest: it could never run.
            Conflict: the workspace has a job of this name.
            Forbidden: the caller's role does not permit it.
        """
        job = new_job(request, namespace_of(principal.workspace))
        if not job.spec.tasks and job.spec.command is None:
            raise BadRequest("A job needs a command or tasks.")
        self._check_name_is_free(principal, request.name)
        await self._check(job)
        return await self._cluster.create(job, Impersonation.of(principal))

    async def update(self, principal: Principal, id_or_name: str, request: JobUpdate) -> Job:
        """Change a job as the caller; runs that exist keep what they run.

        Raises:
            BadRequest: it could not run any more.
            Conflict: another job has the new name, or others change the job without pause.
        """
        job = await self.get(principal, id_or_name)
        for _ in range(_ATTEMPTS):
            wanted = changed(job, request)
            if not (patch := merge_patch(job.spec, wanted)):
                return job
            if "displayName" in patch and request.name:
                self._check_name_is_free(principal, request.name, job)
            await self._check(job.model_copy(update={"spec": wanted}))
            version = {"resourceVersion": job.metadata.resource_version}
            try:
                return await self._cluster.patch(job, {"metadata": version, "spec": patch}, Impersonation.of(principal))
            except ApiException as error:
                if error.status != 409:
                    raise
            job = await self._read_again(principal, job)
        raise Conflict(f"Job {id_or_name} is being changed by others; try again.")

    async def delete(self, principal: Principal, id_or_name: str) -> None:
        """Delete a job as the caller, and with it its runs."""
        await self._cluster.delete(await self.get(principal, id_or_name), Impersonation.of(principal))

    async def check_flavors(self, spec: Execution) -> None:
        """Refuse flavors that the platform does not have.

        Raises:
            BadRequest: names the flavor, and those that there are.
        """
        for name in flavors_of(spec):
            if await self._cluster.flavors.find(None, name) is None:
                known = ", ".join(sorted(f.metadata.name for f in self._cluster.flavors.store.all()))
                raise BadRequest(f"There is no flavor {name}; there are: {known or 'none'}.")

    async def _check(self, job: Job) -> None:
        if problem := problem_of_job(job.spec):
            raise BadRequest(problem)
        await self.check_flavors(job.spec)

    def _check_name_is_free(self, principal: Principal, name: str, renamed: Job | None = None) -> None:
        found = self._named(namespace_of(principal.workspace), name)
        if found and (renamed is None or found.metadata.uid != renamed.metadata.uid):
            raise Conflict(f"A job named {name} already exists in workspace {principal.workspace}.")

    def _named(self, namespace: str, name: str) -> Job | None:
        store = self._cluster.jobs.store
        group = store.walk(named_group(namespace, name))
        return store.get(namespace, name) or next((job for _, job in group), None)

    async def _find_live(self, namespace: str, name: str) -> Job | None:
        try:
            slug = slugify(name)
        except ValueError:
            return None
        found = await self._cluster.jobs.find(namespace, name if slug == name.lower() else slug)
        return found if found and name in (found.metadata.name, found.spec.display_name) else None

    async def _read_again(self, principal: Principal, job: Job) -> Job:
        fresh = await self._cluster.jobs.read(job.metadata.namespace, job.metadata.name)
        if fresh is None or fresh.metadata.uid != job.metadata.uid:
            raise NotFound(f"There is no job {job.metadata.name} in workspace {principal.workspace} any more.")
        return fresh
