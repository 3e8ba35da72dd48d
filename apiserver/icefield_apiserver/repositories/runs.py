"""Runs of a workspace."""

from __future__ import annotations

import asyncio
import hashlib
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TypeVar

from icefield_apiserver.errors import BadRequest, Conflict, NotFound
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube import Cluster, Impersonation
from icefield_apiserver.kube.orders import job_group
from icefield_apiserver.pagination import Page, Window, page_of
from icefield_crds import DesiredState, Job, ObjectMeta, Run, RunPhase, RunSpec
from icefield_crds.labels import JOB
from icefield_crds.names import namespace_of, slugify

from .job_spec import run_of_job
from .quota import RunQuota
from .validate import problem_of_execution

T = TypeVar("T")

_PUBLIC_ID = re.compile(r"run_[0-9a-f]{12}")
_MAX_LABEL = 63


class RunRepository:
    """Finds, starts and stops runs, each call inside the caller's workspace.

    Args:
        cluster: where they are.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._quota = RunQuota(cluster)

    async def get(self, principal: Principal, id_or_name: str) -> Run:
        """Return the run with this id or name.

        Raises:
            NotFound: the workspace has none.
        """
        namespace = namespace_of(principal.workspace)
        if _PUBLIC_ID.fullmatch(id_or_name):
            found = await self._cluster.runs.find_by_public_id(namespace, id_or_name)
        else:
            found = await self._cluster.runs.find(namespace, id_or_name)
        if found is None:
            raise NotFound(f"There is no run {id_or_name} in workspace {principal.workspace}.")
        return found

    def now(self, run: Run) -> Run | None:
        """Return the run as it stands by now; None when it was deleted."""
        return self._cluster.runs.store.by_uid(run.metadata.uid)

    async def ended(self, run: Run, closing: asyncio.Event, seconds: float) -> Run:
        """Return the run once it has ended, or as it stands after some seconds or when the process is told to stop.

        Args:
            run: the run.
            closing: set when the process is told to stop.
            seconds: how long to wait at most.

        Raises:
            Conflict: it was deleted meanwhile.
        """
        stopping = asyncio.ensure_future(closing.wait())
        try:
            with self._cluster.runs.store.listening(run.metadata.uid) as changed, suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    while not self._now_or_deleted(run).phase.is_terminal and not closing.is_set():
                        changed.clear()
                        change = asyncio.ensure_future(changed.wait())
                        try:
                            await asyncio.wait((change, stopping), return_when=asyncio.FIRST_COMPLETED)
                        finally:
                            change.cancel()
        finally:
            stopping.cancel()
        return self._now_or_deleted(run)

    def page(
        self,
        principal: Principal,
        window: Window,
        shape: Callable[[Run], T],
        job: Job | None = None,
        status: RunPhase | None = None,
    ) -> Page[T]:
        """Return a page of the workspace's runs, newest first.

        Args:
            principal: the caller.
            window: which part.
            shape: makes a row of a run.
            job: only runs of this job.
            status: only runs that stand so.
        """
        namespace = namespace_of(principal.workspace)
        group = job_group(namespace, job.metadata.name) if job else namespace
        return page_of(self._cluster.runs.store, group, window, shape, lambda run: status in (None, run.phase))

    def job_of(self, run: Run) -> tuple[str | None, str | None]:
        """Return the public id and the name of a run's job."""
        if run.spec.job_ref is None:
            return None, None
        job = self._cluster.jobs.store.get(run.metadata.namespace, run.spec.job_ref.name)
        return (job.public_id, job.spec.display_name or job.metadata.name) if job else (None, run.spec.job_ref.name)

    async def start(self, principal: Principal, job: Job, params: dict[str, str], idempotency_key: str | None) -> Run:
        """Start a run of a job as the caller.

        Args:
            principal: the caller.
            job: what to run; what it says now is fixed in the run.
            params: parameters over the job's.
            idempotency_key: a second call with the same one answers with the first one's run.

        Raises:
            BadRequest: the job has nothing to run.
            QuotaExceeded: as many runs as the workspace may have are running.
            Forbidden: the caller's role does not permit it.
        """
        if job.spec.command is None and not job.spec.tasks:
            raise BadRequest(f"Job {job.metadata.name} has nothing to run: its tasks were cleared.")
        name = _name_for(job, idempotency_key) if idempotency_key else ""
        if name and (existing := await self._cluster.runs.find(job.metadata.namespace, name)):
            return existing
        meta = ObjectMeta(
            name=name,
            generate_name=None if name else f"{job.metadata.name}-",
            namespace=job.metadata.namespace,
            labels={JOB: job.metadata.name} if len(job.metadata.name) <= _MAX_LABEL else {},
            owner_references=[job.owner_reference],
        )
        return await self._create(principal, Run(metadata=meta, spec=run_of_job(job, params)))

    async def submit(
        self,
        principal: Principal,
        spec: RunSpec,
        name: str | None,
        annotations: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
    ) -> Run:
        """Start a run of its own, without a job, as the caller.

        Args:
            principal: the caller.
            spec: what it executes.
            name: what its name begins with.
            annotations: what else is noted of it (icefield_crds.names).
            idempotency_key: a second call of this person with the same one answers with the first one's run.

        Raises:
            BadRequest: it could never run.
            Conflict: the key was used for something else.
            QuotaExceeded: as many runs as the workspace may have are running; or, of a Polars workload, waiting.
            Forbidden: the caller's role does not permit it.
        """
        try:
            prefix = slugify(name) if name else "run"
        except ValueError as error:
            raise BadRequest(f"Field name: {error}.") from error
        namespace = namespace_of(principal.workspace)
        meta = ObjectMeta(generate_name=f"{prefix}-", namespace=namespace, annotations=dict(annotations or {}))
        if not idempotency_key:
            return await self._create(principal, Run(metadata=meta, spec=spec))
        exact = f"{prefix}-{_digest(principal.person, idempotency_key)}"
        found = await self._cluster.runs.find(namespace, exact)
        if found is None:
            named = meta.model_copy(update={"name": exact, "generate_name": None})
            try:
                return await self._create(principal, Run(metadata=named, spec=spec))
            except Conflict:  # the same request, at the same time
                if (found := await self._cluster.runs.read(namespace, exact)) is None:
                    raise
        if found.spec.to_api() != spec.model_copy(update={"desired_state": found.spec.desired_state}).to_api():
            raise Conflict("The idempotency key was used for another run.")
        return found

    async def cancel(self, principal: Principal, id_or_name: str) -> Run:
        """Ask for a run to be stopped, as the caller; a run that is being or was cancelled stays as it is.

        Raises:
            Conflict: it has ended otherwise.
        """
        run = await self.get(principal, id_or_name)
        if run.phase is RunPhase.CANCELLED:
            return run
        if run.phase.is_terminal:
            raise Conflict(f"Run {id_or_name} has already ended with status {run.phase.value}.")
        if run.spec.desired_state is DesiredState.CANCELLED:
            return run
        patch = {"spec": {"desiredState": DesiredState.CANCELLED.value}}
        return await self._cluster.patch(run, patch, Impersonation.of(principal))

    async def delete(self, principal: Principal, id_or_name: str) -> Run:
        """Delete an ended run as the caller, and return what it was.

        Raises:
            Conflict: it has not ended.
        """
        run = await self.get(principal, id_or_name)
        if not run.phase.is_terminal:
            raise Conflict(f"Run {id_or_name} is {run.phase.value}; cancel it before deleting it.")
        await self._cluster.delete(run, Impersonation.of(principal))
        return run

    def _now_or_deleted(self, run: Run) -> Run:
        now = self.now(run)
        if now is None:
            raise Conflict(f"Run {run.public_id} was deleted before it had ended.")
        return now

    async def _create(self, principal: Principal, run: Run) -> Run:
        if problem := problem_of_execution(run.spec):
            raise BadRequest(problem)
        quota = self._quota
        place = quota.place_in_queue if run.spec.polars else quota.place
        async with place(principal.workspace):
            return await self._cluster.create(run, Impersonation.of(principal))


def _name_for(job: Job, idempotency_key: str) -> str:
    return f"{job.metadata.name[:50].rstrip('-.')}-{_digest(job.metadata.uid, idempotency_key)}"


def _digest(scope: str, idempotency_key: str) -> str:
    return hashlib.sha256(f"{scope}/{idempotency_key}".encode()).hexdigest()[:12]
