"""The story of a Run: resolve, validate, admit, decide, start and end pods, write the status once."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Protocol

from icefield_crds import AttemptStatus, DesiredState, Reason, Run, RunStatus, names
from icefield_operator import waiting
from icefield_operator.cluster import Cluster, together
from icefield_operator.controllers import Controllers
from icefield_operator.errors import Conflict, Forbidden
from icefield_operator.logs.attempt import Attempt
from icefield_operator.metrics import RUN_START_SECONDS
from icefield_operator.queue import Key
from icefield_operator.world import Kind, Manifest

from . import dag, resolve, status, validate
from .admission import Admission, Admissions
from .dag import Stop
from .maker import Maker
from .pods import Told
from .resolve import Facts
from .starting import Refusals, Starter
from .work import Work

log = logging.getLogger(__name__)

PODS_KEPT = timedelta(minutes=10)
"""How long the pods of a run stay after its end (for `kubectl logs`), their logs being archived."""

ENDED_AFTER = timedelta(minutes=1)
"""How long after its run a pod may go on that was to end by itself."""

REFUSED_AGAIN = timedelta(seconds=15)
"""When to ask again for a pod that a quota or a policy of the namespace refused."""


class Logs(Protocol):
    """What knows of archived logs; logs.archiver.LogArchiver."""

    def is_complete(self, run_uid: str, task: str, attempt: int) -> bool:
        """Say whether the whole log of an attempt is in the object store."""
        ...

    def observe_gone(self, attempt: Attempt) -> None:
        """Take in that the pod of an attempt is no more."""
        ...


class RunReconciler:
    """Reconciles Runs."""

    def __init__(
        self,
        cluster: Cluster,
        controllers: Controllers,
        makers: Mapping[Work, Maker],
        logs: Logs,
    ) -> None:
        """Plug into the controllers.

        Args:
            cluster: where pods are.
            controllers: what to plug into.
            makers: who makes the pods of each sort of work.
            logs: what knows of archived logs.
        """
        self._cluster = cluster
        self._controllers = controllers
        self._world = controllers.world
        self._starter = Starter(cluster, makers)
        self._logs = logs
        self._admissions = Admissions(self._world)
        controllers.register(Kind.RUN, self.reconcile)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Run; return when the next is due though nothing changes."""
        run = self._world.run(key.namespace, key.name)
        if run is None or run.metadata.deletion_timestamp:
            self._starter.note_gone(key.namespace, key.name)
            self._leave(key.namespace, key.name)
            return None
        if run.phase.is_terminal:
            return await self._after_end(run)
        facts = resolve.facts(await self._with_snapshot(run), self._world)
        now = datetime.now(UTC)
        problem = validate.first_problem(facts)
        if problem is None and not self._admissions.holds(run):
            problem = await self._starter.maker_of(run).first_problem(facts)
        if problem and problem.final and not self._admissions.holds(run):
            await self._write(facts, status.failed(facts.run, facts.tasks, problem, now))
            return None
        if not self._admissions.holds(run) and run.spec.desired_state is DesiredState.RUNNING:
            admission = self._ask(facts, problem)
            if not admission.admitted:
                await self._write(facts, status.waiting(facts.run, facts.tasks, problem, admission, now))
                return None
        return await self._advance(facts, problem, now)

    def _ask(self, facts: Facts, problem: validate.Problem | None) -> Admission:
        if problem or facts.workspace is None:
            return Admission(False, problem.reason if problem else Reason.WORKSPACE_NOT_FOUND, "")
        return self._admissions.ask(facts.run, facts.workspace)

    async def _advance(self, facts: Facts, problem: validate.Problem | None, now: datetime) -> timedelta | None:
        """Start and end what must be, then say how the run stands."""
        run = facts.run
        deadline = status.run_deadline(run, now)
        stop = _stop(run, deadline, now)
        await self._find_missing_pods(run)
        told = self._look(facts)
        decision, attempts = self._decide(facts, stop, now, told)
        start = [] if problem else decision.start
        doomed, next_doom = self._doomed(run, now)
        _, refusals = await together(
            self._end([*doomed, *self._pods_of(run, decision.end)]), self._starter.start(facts, start, deadline, now)
        )
        if start or decision.end or doomed:
            told = self._look(facts)
            decision, attempts = self._decide(facts, stop, now, told, refusals)
        problem = problem or refusals.as_problem()
        written = status.of(
            run, decision, attempts, stop=stop, admission=self._standing(run), problem=problem, now=now, told=told
        )
        await self._write(facts, written)
        if written.phase.is_terminal:
            return await self._after_end(self._world.run(run.metadata.namespace or "", run.metadata.name) or run)
        if stop is None:
            self._starter.maker_of(run).carry_on(facts, self._world.pods_of(run.metadata.uid))
        return _until(now, decision.next_deadline, None if stop else deadline, next_doom, _refused_until(refusals, now))

    def _look(self, facts: Facts) -> Told | None:
        return self._starter.maker_of(facts.run).look(facts, self._world.pods_of(facts.run.metadata.uid))

    def _decide(
        self, facts: Facts, stop: Stop | None, now: datetime, told: Told | None, refusals: Refusals | None = None
    ) -> tuple[dag.Decision, dict[str, list[AttemptStatus]]]:
        run_pods = self._world.pods_of(facts.run.metadata.uid)
        attempts = status.attempts_of(facts.run, facts.tasks, run_pods, stop=stop, now=now, told=told)
        for key, refused in refusals.as_attempts(facts.run, now) if refusals else ():
            attempts[key].append(refused)
        return dag.decide(facts.tasks, attempts, now=now, stop=stop, settled=status.settled(facts.run)), attempts

    async def _end(self, run_pods: list[Manifest]) -> None:
        await together(*(self._cluster.end_pod(pod) for pod in run_pods))

    def _pods_of(self, run: Run, attempts: list[AttemptStatus]) -> list[Manifest]:
        found = (self._world.pod(run.metadata.namespace or "", attempt.pod_name) for attempt in attempts)
        return [pod for pod in found if pod is not None and "deletionTimestamp" not in pod["metadata"]]

    def _doomed(self, run: Run, now: datetime) -> tuple[list[Manifest], datetime | None]:
        """Return the pods whose container will never start, and when to look again."""
        times = [(waiting.give_up_time(pod), pod) for pod in self._world.pods_of(run.metadata.uid)]
        doomed = [pod for time, pod in times if time is not None and time <= now]
        return doomed, min((time for time, _ in times if time is not None and time > now), default=None)

    async def _find_missing_pods(self, run: Run) -> None:
        """Look for real after pods that should be there: the cache must not make a pod count as deleted."""
        for attempt in status.unaccounted(run, self._world.pods_of(run.metadata.uid)):
            found = await self._cluster.get(Kind.POD, run.metadata.namespace, attempt.pod_name)
            if found is not None and found["metadata"]["uid"] == attempt.pod_uid:
                self._world.record(found)

    def _standing(self, run: Run) -> Admission:
        if self._admissions.holds(run):
            return Admission(True, Reason.WITHIN_QUOTA, "the quota of the workspace allows it")
        return Admission(False, Reason.CANCELLED, "the run was cancelled before it was admitted")

    async def _with_snapshot(self, run: Run) -> Run:
        """Fix what a Run executes that names only a job, before anything of it starts."""
        namespace = run.metadata.namespace or ""
        job = self._world.job(namespace, run.spec.job_ref.name) if run.spec.job_ref else None
        if run.execution is not None or job is None:
            return run
        taken = (run.status or RunStatus()).model_copy(update={"snapshot": resolve.snapshot(run, job)})
        await self._cluster.write_status(run, taken)
        return self._world.run(namespace, run.metadata.name) or run

    async def _write(self, facts: Facts, written: RunStatus) -> None:
        """Write the status; then let others in when the run no longer stands in their way."""
        run = facts.run
        namespace, name = run.metadata.namespace or "", run.metadata.name
        first_start = written.start_time if run.status is None or run.status.start_time is None else None
        calls: list[Awaitable[object]] = [self._cluster.write_status(run, written)]
        if written.phase.is_terminal:
            calls.append(self._starter.clear(facts, datetime.now(UTC)))
        await together(*calls)
        if first_start and run.metadata.creation_timestamp:
            RUN_START_SECONDS.observe(max((first_start - run.metadata.creation_timestamp).total_seconds(), 0))
        if written.phase.is_terminal or not self._admissions.holds(run):
            self._leave(namespace, name, ended=written.phase.is_terminal)
        await self._give_to_job(facts)

    async def _give_to_job(self, facts: Facts) -> None:
        """Have a Run that was applied without an owner go when its Job goes."""
        run, job = facts.run, facts.job
        if job is None or any(owner.controller for owner in run.metadata.owner_references):
            return
        if not run.metadata.owner_references:
            try:
                await self._cluster.apply_owner(run, job)
            except (Conflict, Forbidden) as error:
                log.warning(
                    "Run %s/%s stays without its job as owner: %s", job.metadata.namespace, job.metadata.name, error
                )

    def _leave(self, namespace: str, name: str, ended: bool = True) -> None:
        """Let the next runs in, after one that ended, is gone, or cannot start for now."""
        if ended:
            self._admissions.release(namespace, name)
        for run in self._admissions.next_in_line(namespace):
            if run.metadata.name != name:
                self._controllers.enqueue(Key(Kind.RUN, namespace, run.metadata.name))

    async def _after_end(self, run: Run) -> timedelta | None:
        """Note which logs are archived, and delete the pods when nobody needs them any more."""
        self._starter.maker_of(run).note_end(run)
        if run.status is None:
            return None
        noted = status.with_archives(run.status, run.metadata.uid, self._logs.is_complete)
        await self._cluster.write_status(run, noted)
        left = self._world.pods_of(run.metadata.uid)
        missing = self._unarchived(run, noted, {pod["metadata"]["name"] for pod in left})
        for attempt in missing:
            self._logs.observe_gone(attempt)
        now = datetime.now(UTC)
        end = noted.completion_time or now
        running = [pod for pod in left if not _is_over(pod)]
        if running and end + ENDED_AFTER <= now:
            await self._end(running)
        if not left or not all(attempt.logs_archived for task in noted.tasks for attempt in task.attempts):
            return max(end + ENDED_AFTER - now, timedelta(0)) if running and end + ENDED_AFTER > now else None
        until = end + PODS_KEPT
        if until > now:
            return until - now
        await together(*(self._delete(pod) for pod in left))
        return None

    def _unarchived(self, run: Run, noted: RunStatus, present: set[str]) -> list[Attempt]:
        """Return the attempts whose pod went before their log was archived."""
        namespace = run.metadata.namespace or ""
        return [
            Attempt(
                namespace=namespace,
                pod=attempt.pod_name,
                workspace=names.workspace_of(namespace) or "",
                run=run.metadata.name,
                run_uid=run.metadata.uid,
                task=task.key,
                attempt=attempt.attempt,
            )
            for task in noted.tasks
            for attempt in task.attempts
            if not attempt.logs_archived and attempt.pod_name not in present
        ]

    async def _delete(self, pod: Manifest) -> None:
        metadata = pod["metadata"]
        await self._cluster.delete(Kind.POD, metadata["namespace"], metadata["name"], uid=metadata["uid"])


def _stop(run: Run, deadline: datetime | None, now: datetime) -> Stop | None:
    if run.spec.desired_state is DesiredState.CANCELLED:
        return Stop.CANCELLED
    return Stop.TIMED_OUT if deadline is not None and deadline <= now else None


def _is_over(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"] or pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def _refused_until(refusals: Refusals, now: datetime) -> datetime | None:
    return now + REFUSED_AGAIN if refusals.for_now else None


def _until(now: datetime, *times: datetime | None) -> timedelta | None:
    return min((max(time - now, timedelta(0)) for time in times if time is not None), default=None)
