"""The lifecycle of a Run: resolve, validate, admit, start and end its pods, write its status once, clean up."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta

from icefield_crds import AttemptStatus, DesiredState, Reason, Run, RunStatus
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import Kind
from icefield_operator.controllers import Controllers
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.metrics import RUN_START_SECONDS
from icefield_operator.queue import Key

from . import dag, job_handover, resolve, status, validate
from .admission import Admission, Admissions
from .attempt_starter import AttemptStarter, Rejections
from .dag import Stop
from .log_archiving import record_archived_logs
from .pods import PodObserver
from .provisioner import PodProvisioners
from .resolve import RunFacts
from .run_pods import RunPods
from .validate import RunProblem

REFUSED_AGAIN = timedelta(seconds=15)
"""When to retry a pod that a quota or a policy of the namespace rejected."""


class RunReconciler:
    """Reconciles Runs."""

    def __init__(
        self, cluster: Cluster, controllers: Controllers, provisioners: PodProvisioners, logs: LogArchive
    ) -> None:
        """Initialize.

        Args:
            cluster: where pods are.
            controllers: the queue of passes.
            provisioners: what provides the pods of each type of run.
            logs: which logs are archived.
        """
        self._cluster = cluster
        self._controllers = controllers
        self._cache = controllers.cache
        self._provisioners = provisioners
        self._starter = AttemptStarter(cluster, provisioners)
        self._pods = RunPods(cluster, self._cache, logs)
        self._logs = logs
        self._admissions = Admissions(self._cache)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Run; return when the next is due though nothing changes."""
        run = self._cache.run(key.namespace, key.name)
        if run is None or run.metadata.deletion_timestamp:
            self._forget(key.namespace, key.name)
            return None
        if run.phase.is_terminal:
            return await self._clean_up(run)
        run = await job_handover.take_snapshot(run, self._cluster, self._cache)
        facts = resolve.facts(run, self._cache)
        now = datetime.now(UTC)
        problem = await self._validate(facts)
        if not self._admissions.holds(run):
            if problem and problem.final:
                await self._write(facts, status.failed(facts.run, facts.tasks, problem, now))
                return None
            if run.spec.desired_state is DesiredState.RUNNING:
                admission = self._admit(facts, problem)
                if not admission.admitted:
                    await self._write(facts, status.waiting(facts.run, facts.tasks, problem, admission, now))
                    return None
        return await self._advance(facts, problem, now)

    async def _validate(self, facts: RunFacts) -> RunProblem | None:
        problem = validate.find_problem(facts)
        if problem is None and not self._admissions.holds(facts.run):
            problem = await self._provisioners.of(facts.run).validate(facts)
        return problem

    def _admit(self, facts: RunFacts, problem: RunProblem | None) -> Admission:
        if problem or facts.workspace is None:
            return Admission(False, problem.reason if problem else Reason.WORKSPACE_NOT_FOUND, "")
        return self._admissions.admit(facts.run, facts.workspace)

    async def _advance(self, facts: RunFacts, problem: RunProblem | None, now: datetime) -> timedelta | None:
        """Start and end attempts as the DAG requires, then write the status."""
        run = facts.run
        deadline = status.run_deadline(run, now)
        stop = _stop(run, deadline, now)
        await self._pods.look_up_missing(run)
        observer = self._observer(facts)
        decision, attempts = self._decide(facts, observer, stop, now)
        start = [] if problem else decision.start
        unstartable, next_give_up = self._pods.find_unstartable(run, now)
        _, rejections = await together(
            self._pods.end([*unstartable, *self._pods.of_attempts(run, decision.end)]),
            self._starter.start(facts, start, deadline, now),
        )
        if start or decision.end or unstartable:
            observer = self._observer(facts)
            decision, attempts = self._decide(facts, observer, stop, now, rejections)
        written = status.of(
            run,
            decision,
            attempts,
            stop=stop,
            admission=self._admissions.current(run),
            problem=problem or rejections.as_problem(),
            now=now,
        )
        await self._write(facts, observer.complete(written))
        if written.phase.is_terminal:
            return await self._clean_up(self._cache.run(run.metadata.namespace or "", run.metadata.name) or run)
        if stop is None:
            self._provisioners.of(run).on_status_written(facts, self._pods.of(run))
        retry = now + REFUSED_AGAIN if rejections.temporary else None
        return _until(now, decision.next_deadline, None if stop else deadline, next_give_up, retry)

    def _observer(self, facts: RunFacts) -> PodObserver:
        return self._provisioners.of(facts.run).observer(facts, self._pods.of(facts.run))

    def _decide(
        self,
        facts: RunFacts,
        observer: PodObserver,
        stop: Stop | None,
        now: datetime,
        rejections: Rejections | None = None,
    ) -> tuple[dag.Decision, dict[str, list[AttemptStatus]]]:
        run, tasks = facts.run, facts.tasks
        attempts = status.attempts_of(run, tasks, self._pods.of(run), stop=stop, now=now, observer=observer)
        for key, rejected in rejections.as_attempts(run, now) if rejections else ():
            attempts[key].append(rejected)
        return dag.decide(tasks, attempts, now=now, stop=stop, settled=status.settled(run)), attempts

    async def _write(self, facts: RunFacts, written: RunStatus) -> None:
        """Write the status; then admit other runs when this one no longer occupies its place."""
        run = facts.run
        first_start = written.start_time if run.status is None or run.status.start_time is None else None
        calls: list[Awaitable[object]] = [self._cluster.write_status(run, written)]
        if written.phase.is_terminal:
            calls.append(self._starter.delete_prerequisites(facts, datetime.now(UTC)))
        await together(*calls)
        if first_start and run.metadata.creation_timestamp:
            RUN_START_SECONDS.observe(max((first_start - run.metadata.creation_timestamp).total_seconds(), 0))
        if written.phase.is_terminal or not self._admissions.holds(run):
            self._admit_next(run.metadata.namespace or "", run.metadata.name, ended=written.phase.is_terminal)
        await job_handover.set_owner(facts, self._cluster)

    def _forget(self, namespace: str, name: str) -> None:
        for provisioner in self._provisioners:
            provisioner.on_deleted(namespace, name)
        self._admit_next(namespace, name, ended=True)

    def _admit_next(self, namespace: str, name: str, *, ended: bool) -> None:
        """Enqueue the next runs after one that ended, was deleted, or cannot start for now."""
        if ended:
            self._admissions.release(namespace, name)
        for run in self._admissions.next_in_line(namespace):
            if run.metadata.name != name:
                self._controllers.enqueue(Key(Kind.RUN, namespace, run.metadata.name))

    async def _clean_up(self, run: Run) -> timedelta | None:
        """Record which logs are archived, and delete the pods that are no longer needed."""
        self._provisioners.of(run).on_ended(run)
        if run.status is None:
            return None
        recorded = record_archived_logs(run.status, run.metadata.uid, self._logs.is_complete)
        await self._cluster.write_status(run, recorded)
        return await self._pods.clean_up(run, recorded, datetime.now(UTC))


def _stop(run: Run, deadline: datetime | None, now: datetime) -> Stop | None:
    if run.spec.desired_state is DesiredState.CANCELLED:
        return Stop.CANCELLED
    return Stop.TIMED_OUT if deadline is not None and deadline <= now else None


def _until(now: datetime, *times: datetime | None) -> timedelta | None:
    return min((max(time - now, timedelta(0)) for time in times if time is not None), default=None)
