"""Runs of a workspace."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager, suppress
from typing import TypeVar

from icefield_apiserver.core.errors import BadRequest, Conflict, Forbidden
from icefield_apiserver.core.execution_checks import flavors_of, problem_of_execution
from icefield_apiserver.core.kube import Cluster, NamedResources
from icefield_apiserver.core.kube.flavors import check_flavors_exist
from icefield_apiserver.core.kube.named_resources import slug_for
from icefield_apiserver.core.on_quota import OnQuota
from icefield_apiserver.core.pagination import Page, Window
from icefield_apiserver.identity.principal import Principal
from icefield_crds import DesiredState, Job, ObjectMeta, Role, Run, RunPhase, RunSpec
from icefield_crds.labels import JOB
from icefield_crds.names import PERSON_ANNOTATION, namespace_of
from icefield_kube.errors import Conflict as KubernetesConflict

from .archive import RunFilter
from .outcome import RunKind, check_result, execution_time, has_result, kind_of
from .quota import RunQuota
from .results import INLINE_ROWS, ResultRows, RunResults
from .spec import job_annotations, run_of_job
from .store import RunStore

__all__ = [
    "INLINE_ROWS",
    "ResultRows",
    "RunKind",
    "RunService",
    "execution_time",
    "has_result",
    "job_annotations",
    "kind_of",
]

T = TypeVar("T")

_MAX_LABEL = 63


class RunService:
    """Finds, starts and stops runs, each call inside the caller's workspace.

    Args:
        cluster: where they are started, stopped and deleted.
        store: finds and lists them, archived ones too.
        results: the results of Polars workloads.
    """

    def __init__(self, cluster: Cluster, store: RunStore, results: RunResults) -> None:
        self._cluster = cluster
        self._store = store
        self._runs = NamedResources(cluster, Run)
        self._results = results
        self._quota = RunQuota(cluster)

    async def get(self, principal: Principal, id_or_name: str) -> Run:
        """Return the run with this id or name.

        Raises:
            NotFound: the workspace has none.
        """
        return await self._store.get(principal.workspace, id_or_name)

    def latest(self, run: Run) -> Run | None:
        """Return the newest known version of a run; None when it was deleted before it had ended."""
        return self._store.latest(run)

    def listening(self, run: Run) -> AbstractContextManager[asyncio.Event]:
        """Give an event that is set whenever a run changes or is deleted; clear it yourself."""
        return self._cluster.runs.store.listening(run.metadata.uid)

    async def ended(self, run: Run, closing: asyncio.Event, seconds: float) -> Run:
        """Return the run once it has ended, or its state after some seconds or when the process is stopping.

        Args:
            run: the run.
            closing: set when the process receives SIGTERM.
            seconds: how long to wait at most.

        Raises:
            Conflict: it was deleted meanwhile.
        """
        stopping = asyncio.ensure_future(closing.wait())
        try:
            with self.listening(run) as changed, suppress(TimeoutError):
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

    async def page(
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
            window: the requested part.
            shape: returns the REST schema of a run.
            job: only runs of this job.
            status: only runs with this status.
        """
        return await self._store.page(principal.workspace, RunFilter(job, status), window, shape)

    def job_of(self, run: Run) -> tuple[str | None, str | None]:
        """Return the public id and the name of a run's job."""
        if run.spec.job_ref is None:
            return None, None
        job = self._cluster.cache(Job).store.get(run.metadata.namespace, run.spec.job_ref.name)
        return (job.public_id, job.spec.display_name or job.metadata.name) if job else (None, run.spec.job_ref.name)

    async def start(
        self,
        principal: Principal,
        job: Job,
        params: dict[str, str],
        idempotency_key: str | None,
        on_quota: OnQuota = OnQuota.REFUSE,
    ) -> Run:
        """Start a run of a job as the caller.

        Args:
            principal: the caller.
            job: what to run; its current spec is fixed in the run.
            params: parameters over the job's.
            idempotency_key: a second call with the same key returns the first run.
            on_quota: what happens when the maximum number of runs is running.

        Raises:
            BadRequest: the job has nothing to run.
            QuotaExceeded: the maximum number of runs is running.
            Forbidden: the caller's role does not permit it.
        """
        if not job.spec.has_work:
            raise BadRequest(f"Job {job.metadata.name} has nothing to run: its tasks were cleared.")
        name = _name_for(job, idempotency_key) if idempotency_key else ""
        if name and (existing := await self._store.find(principal.workspace, name)):
            return existing
        meta = ObjectMeta(
            name=name,
            generate_name=None if name else f"{job.metadata.name}-",
            namespace=job.metadata.namespace,
            labels={JOB: job.metadata.name} if len(job.metadata.name) <= _MAX_LABEL else {},
            owner_references=[job.owner_reference],
        )
        return await self._create(principal, Run(metadata=meta, spec=run_of_job(job, params)), on_quota)

    async def submit(
        self,
        principal: Principal,
        spec: RunSpec,
        name: str | None,
        annotations: Mapping[str, str] | None = None,
        idempotency_key: str | None = None,
        on_quota: OnQuota = OnQuota.REFUSE,
    ) -> Run:
        """Start a run of its own, without a job, as the caller.

        Args:
            principal: the caller.
            spec: what it executes.
            name: prefix of its name.
            annotations: further annotations (icefield_crds.names), such as `job_annotations`.
            idempotency_key: a second call of the same caller with the same key returns the first run.
            on_quota: what happens when the maximum number of runs is running; a Polars workload waits.

        Raises:
            BadRequest: it could never run, or names a flavor that does not exist.
            Conflict: the key was used for another run.
            QuotaExceeded: the maximum number of runs is running; or, for a Polars workload, waiting.
            Forbidden: the caller's role does not permit it.
        """
        await check_flavors_exist(self._cluster.flavors, flavors_of(spec))
        prefix = slug_for(name) if name else "run"
        namespace = namespace_of(principal.workspace)
        meta = ObjectMeta(generate_name=f"{prefix}-", namespace=namespace, annotations=dict(annotations or {}))
        if not idempotency_key:
            return await self._create(principal, Run(metadata=meta, spec=spec), on_quota)
        exact = f"{prefix}-{_digest(principal.person, idempotency_key)}"
        found = await self._store.find(principal.workspace, exact)
        if found is None:
            named = meta.model_copy(update={"name": exact, "generate_name": None})
            try:
                return await self._create(principal, Run(metadata=named, spec=spec), on_quota)
            except Conflict:  # the same request, at the same time
                if (found := await self._cluster.runs.read(namespace, exact)) is None:
                    raise
        if found.spec.to_api() != spec.model_copy(update={"desired_state": found.spec.desired_state}).to_api():
            raise Conflict("The idempotency key was used for another run.")
        return found

    async def cancel(self, principal: Principal, id_or_name: str) -> Run:
        """Ask for a run to be stopped, as the caller; no effect on a run that is being or was cancelled.

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
        return await self._runs.patch(run, patch, principal.impersonation)

    async def delete(self, principal: Principal, id_or_name: str) -> None:
        """Delete an ended run, and its result, as the caller.

        Raises:
            Conflict: it has not ended.
            Forbidden: the caller's role does not permit it.
        """
        run = await self.get(principal, id_or_name)
        if not run.phase.is_terminal:
            raise Conflict(f"Run {id_or_name} is {run.phase.value}; cancel it before deleting it.")
        if not principal.may(Role.EDITOR):  # the archive has no role bindings that would refuse
            where = f"in workspace {principal.workspace}"
            raise Forbidden(f"Your role {principal.role.value} may not delete {Run.PLURAL} {where}.")
        # Also one that seems to be in the archive only: the janitor may not have come to delete it.
        with suppress(KubernetesConflict):  # its name is another run's by now
            await self._runs.delete(run, principal.impersonation)
        await self._store.forget(principal.workspace, run)
        if run.spec.polars:
            await self._results.delete(principal.workspace, run)

    async def result(self, principal: Principal, run: Run, limit: int = INLINE_ROWS) -> ResultRows:
        """Return the first rows of the result of a run.

        Raises:
            NotFound: it has none, or no longer.
            Conflict: it has not succeeded.
            Forbidden: grants limit the caller, and somebody else started it.
            Unavailable: the object store cannot be reached.
        """
        _check_reader(principal, run)
        check_result(run)
        return await self._results.first_rows(principal.workspace, run, limit)

    async def stream_result(self, principal: Principal, run: Run) -> AsyncIterator[bytes]:
        """Start reading the result of a run as an Arrow IPC stream; raises as `result` does."""
        _check_reader(principal, run)
        check_result(run)
        return await self._results.stream(principal.workspace, run)

    def _now_or_deleted(self, run: Run) -> Run:
        now = self.latest(run)
        if now is None:
            raise Conflict(f"Run {run.public_id} was deleted before it had ended.")
        return now

    async def _create(self, principal: Principal, run: Run, on_quota: OnQuota) -> Run:
        if problem := problem_of_execution(run.spec):
            raise BadRequest(problem)
        async with self._reserving(run, on_quota)(principal.workspace):
            return await self._runs.create(_started_by(principal, run), principal.impersonation)

    def _reserving(self, run: Run, on_quota: OnQuota) -> Callable[[str], AbstractAsyncContextManager[None]]:
        if run.spec.polars:
            return self._quota.reserve_workload
        return self._quota.reserve_place_in_line if on_quota is OnQuota.QUEUE else self._quota.reserve_run


def _check_reader(principal: Principal, run: Run) -> None:
    """Refuse a result that may be made of tables which the caller may not read."""
    is_own = run.metadata.uid == principal.run_uid or (
        bool(principal.subject) and run.metadata.annotations.get(PERSON_ANNOTATION) == principal.subject
    )
    if principal.access.is_limited and not is_own:
        raise Forbidden("Grants limit what you may read here, so you read the results of your own runs only.")


def _started_by(principal: Principal, run: Run) -> Run:
    """Return a run with the person whose grants it has; one that a run starts has nobody's."""
    if principal.kind == "run":
        return run
    metadata = run.metadata.model_copy(
        update={"annotations": {**run.metadata.annotations, PERSON_ANNOTATION: principal.person}}
    )
    return run.model_copy(update={"metadata": metadata})


def _name_for(job: Job, idempotency_key: str) -> str:
    return f"{job.metadata.name[:50].rstrip('-.')}-{_digest(job.metadata.uid, idempotency_key)}"


def _digest(scope: str, idempotency_key: str) -> str:
    return hashlib.sha256(f"{scope}/{idempotency_key}".encode()).hexdigest()[:12]
