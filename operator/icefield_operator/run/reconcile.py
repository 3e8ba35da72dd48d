"""The lifecycle of a Run: resolve, validate, admit, start and end its pods, write its status once, clean up."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from icefield_crds import AttemptStatus, Reason, Run, RunStatus
from icefield_kube.errors import KubernetesError
from icefield_operator.cluster import Cluster, together
from icefield_operator.controllers import Controllers
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.metrics import RUN_START_SECONDS
from icefield_operator.queue import Key

from . import dag, job_handover, resolve, status, unwritten, validate
from .admission import TIMED_OUT, Admission, Admissions, is_told
from .attempt_starter import AttemptStarter
from .dag import Stop
from .environments import NOTHING_UNPREPARED
from .events import RunEvents
from .job_handover import JobTooLargeError
from .leftovers import Leftovers
from .log_archiving import record_archived_logs
from .pods import PodObserver
from .provisioner import PodProvisioners
from .refusals import Backoff, Rejections, describe, refused_end
from .resolve import RunFacts
from .run_pods import RunPods
from .run_type import RunType, run_type_of
from .unwritten import Background, Unwritten
from .validate import RunProblem

log = logging.getLogger(__name__)

LAST_WRITES_SECONDS = 5.0
"""For all statuses that wait when the operator is stopped, whose pod is killed 15 s later."""
LOOK_AGAIN = timedelta(seconds=15)
"""When to look again for what an attempt waits for, should nothing tell that it is there."""
LOG_MARKS_A_SECOND = 2.0
"""How many ended runs a second get their logs marked as archived, which is looked at when their pods are deleted."""


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
        leftovers = Leftovers(cluster, self._cache)
        controllers.serve(leftovers.run)
        controllers.serve(self.write_when_stopped)
        self._starter = AttemptStarter(cluster, provisioners, leftovers)
        self._pods = RunPods(cluster, self._cache, logs)
        self._logs = logs
        self._admissions = Admissions(self._cache)
        self._backoff = Backoff()
        self._unwritten = Unwritten()
        self._marks = Background(LOG_MARKS_A_SECOND)
        self._events = RunEvents(cluster)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Run; return when the next is due though nothing changes."""
        run = self._cache.run(key.namespace, key.name)
        if run is None or run.metadata.deletion_timestamp:
            self._forget(key.namespace, key.name)
            return None
        if run.phase.is_terminal:
            return await self._clean_up(run)
        now = datetime.now(UTC)
        if self._keeps_waiting(run, now):
            return _until(now, status.run_deadline(run, now))
        try:
            run = await self._with_snapshot(run)
        except JobTooLargeError as error:
            facts = resolve.facts(run, run.status, self._cache)
            too_large = RunProblem(Reason.INVALID_SPEC, str(error), final=True)
            await self._write(facts, status.failed(run, [], too_large, now))
            return None
        facts = resolve.facts(self._unwritten.on(run), run.status, self._cache)
        run = facts.run
        problem = await self._validate(facts)
        if not self._admissions.holds(run):
            if problem and problem.final:
                await self._write(facts, status.failed(facts.run, facts.tasks, problem, now))
                return None
            deadline = status.run_deadline(run, now)
            if _stop(run, deadline, now) is None:
                admission = self._admit(facts, problem)
                if not admission.admitted:
                    written = status.waiting(facts.run, facts.tasks, problem, admission, now)
                    due = await self._write(facts, written)
                    return _until(now, due, deadline, self._retry(run, problem, now))
        return await self._advance(facts, problem, now)

    def _keeps_waiting(self, run: Run, now: datetime) -> bool:
        """Return whether a run stands in line as its status says; what else is wrong with it matters in its turn."""
        workspace = self._cache.workspace_of_namespace(run.metadata.namespace or "")
        refusal = self._admissions.refusal(run, workspace) if workspace else None
        return (
            refusal is not None
            and is_told(run, refusal)
            and self._unwritten.due(run) is None
            and _stop(run, status.run_deadline(run, now), now) is None
            and (run.spec.job_ref is None or bool(run.metadata.owner_references))
        )

    async def _with_snapshot(self, run: Run) -> Run:
        """Return a run with what it executes recorded, and with it the newest status."""
        if run.execution is not None:
            return run
        recorded = await job_handover.take_snapshot(self._unwritten.on(run), self._cluster, self._cache)
        if recorded.metadata.resource_version == run.metadata.resource_version:
            return run
        self._unwritten.forget(run.metadata.namespace or "", run.metadata.name)
        return recorded

    async def _validate(self, facts: RunFacts) -> RunProblem | None:
        problem = validate.find_problem(facts)
        if problem is None and not self._admissions.holds(facts.run):
            try:
                problem = await self._provisioners.of(facts.run).validate(facts)
            except KubernetesError as error:
                problem = RunProblem(Reason.PENDING, f"the run cannot start: {describe(error)}", final=False)
        return problem

    def _retry(self, run: Run, problem: RunProblem | None, now: datetime) -> datetime | None:
        """Return when to try again what Kubernetes refused of a run; None when it refused nothing."""
        if problem is not None and problem.reason in (Reason.POD_REFUSED, Reason.PENDING):
            return now + self._backoff.next_delay(run.metadata.uid)
        self._backoff.reset(run.metadata.uid)
        return None

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
        next_events = await self._pods.read_events(run, now)
        not_deleted, next_check = await self._pods.delete_overdue(run, now)
        observer = self._observer(facts)
        decision, attempts = self._decide(facts, observer, stop, now)
        start = [] if problem else decision.start
        unprepared = await self._provisioners.of(run).prepare(facts, start) if start else NOTHING_UNPREPARED
        start = unprepared.prepared(start)
        if start:
            facts = await self._record_starts(facts, decision, status.with_starts(attempts, run, start), now)
        unstartable, next_give_up = self._pods.find_unstartable(run, now)
        lingering, next_lingering = self._pods.find_lingering(run, attempts, now)
        not_ended, rejections = await together(
            self._pods.end([*unstartable, *lingering, *self._pods.of_attempts(run, decision.end)]),
            self._starter.start(facts, start, deadline, now),
        )
        rejections = rejections.with_failures(unprepared.failures)
        if start or decision.end or unstartable or unprepared.failures:
            observer = self._observer(facts)
            decision, attempts = self._decide(facts, observer, stop, now, rejections)
        refusal = rejections.as_problem() or refused_end(not_ended or not_deleted)
        written = status.of(
            run,
            decision,
            attempts,
            stop=stop,
            admission=TIMED_OUT if self._is_too_late(run, stop) else self._admissions.current(run),
            problem=problem or refusal,
            now=now,
            waits=unprepared.waits,
        )
        written = record_archived_logs(observer.complete(written), run.metadata.uid, self._logs)
        due = await self._write(facts, written)
        if written.phase.is_terminal:
            return await self._clean_up(self._newest(run))
        if stop is None:
            self._provisioners.of(run).on_status_written(facts, status.pods_not_ended(written, self._pods.of(run)))
        # What was lost is started again by the next pass, after the loss is recorded.
        times = [
            now if rejections.lost else None,
            now + LOOK_AGAIN if unprepared.waits else None,
            due,
            decision.next_deadline,
            next_events,
            next_check,
            next_give_up,
            next_lingering,
            observer.due(self._pods.of(run), now),
        ]
        return _until(now, *times, None if stop else deadline, self._retry(run, refusal, now))

    async def _record_starts(
        self, facts: RunFacts, decision: dag.Decision, attempts: dag.Attempts, now: datetime
    ) -> RunFacts:
        """Write that attempts start, where nothing else would show it; return the facts with what is written now."""
        run = facts.run
        admission = self._admissions.current(run)
        refusal = status.recorded_refusal(run)
        starting = status.of(run, decision, attempts, stop=None, admission=admission, problem=refusal, now=now)
        if not unwritten.must_precede_pods(facts.written, starting):
            return facts
        # Should this be written without an answer, the next pass goes on from what was: no pod has been created yet.
        self._unwritten.keep(run, run.status or RunStatus(), now)
        await self._cluster.write_status(run.model_copy(update={"status": facts.written}), starting)
        self._unwritten.forget(run.metadata.namespace or "", run.metadata.name)
        recorded = self._newest(run)
        # Decided upon is what was before: an attempt whose pod is refused has not been one.
        return replace(facts, run=recorded.model_copy(update={"status": run.status}), written=starting)

    def _newest(self, run: Run) -> Run:
        """Return the newest version of a run: by now another one may have its name."""
        found = self._cache.run(run.metadata.namespace or "", run.metadata.name)
        return found if found and found.metadata.uid == run.metadata.uid else run

    def _is_too_late(self, run: Run, stop: Stop | None) -> bool:
        return stop is Stop.TIMED_OUT and not self._admissions.holds(run)

    def _observer(self, facts: RunFacts) -> PodObserver:
        run_pods = status.pods_not_ended(facts.run.status, self._pods.of(facts.run))
        return self._provisioners.of(facts.run).observer(facts, run_pods)

    def _decide(
        self,
        facts: RunFacts,
        observer: PodObserver,
        stop: Stop | None,
        now: datetime,
        rejections: Rejections | None = None,
    ) -> tuple[dag.Decision, dict[str, list[AttemptStatus]]]:
        run, tasks = facts.run, facts.tasks
        attempts = status.attempts_of(
            run,
            tasks,
            self._pods.of(run),
            stop=stop,
            now=now,
            observer=observer,
            start_problems=self._pods.start_problems(run),
            last_seen=self._pods.last_seen(run),
            lost=rejections.lost if rejections else (),
        )
        for key, rejected in rejections.as_attempts(run, now) if rejections else ():
            attempts[key].append(rejected)
        return dag.decide(tasks, attempts, now=now, stop=stop, settled=status.settled(run)), attempts

    async def _write(self, facts: RunFacts, written: RunStatus) -> datetime | None:
        """Write the status, or return when to; then admit other runs when this one no longer occupies its place."""
        run = facts.run
        due = self._due(facts, written, datetime.now(UTC))
        first_start = written.start_time if run.status is None or run.status.start_time is None else None
        if due:
            self._unwritten.keep(run, written, due)
        else:
            if run.status != facts.written:
                # Should this fail, the next pass goes on from it: which pods were refused is recorded nowhere else.
                self._unwritten.keep(run, written, datetime.now(UTC))
            # Compared with what is written: it may equal what was only kept, of a run that has changed meanwhile.
            await self._cluster.write_status(run.model_copy(update={"status": facts.written}), written)
            self._unwritten.forget(run.metadata.namespace or "", run.metadata.name)
            await self._events.report(run, facts.written, written, datetime.now(UTC))
        if written.phase.is_terminal:
            self._starter.discard(run)
        if first_start and run.metadata.creation_timestamp:
            RUN_START_SECONDS.observe(max((first_start - run.metadata.creation_timestamp).total_seconds(), 0))
        if written.phase.is_terminal or not self._admissions.holds(run):
            self._admit_next(run.metadata.namespace or "", run.metadata.name)
        await job_handover.set_owner(facts, self._cluster)
        return due

    async def write_when_stopped(self) -> None:
        """Run until cancelled; then write every status that waits, so that the next operator goes on from it."""
        try:
            await asyncio.Event().wait()
        finally:
            with suppress(TimeoutError):
                async with asyncio.timeout(LAST_WRITES_SECONDS):
                    await asyncio.gather(*(self._write_kept(*key) for key in self._unwritten.all()))

    async def _write_kept(self, namespace: str, name: str) -> None:
        run = self._cache.run(namespace, name)
        newest = self._unwritten.on(run).status if run else None
        if run is None or newest is None:
            return
        try:
            await self._cluster.write_status(run, newest)
        except KubernetesError as error:
            log.info("The newest status of run %s/%s is not written: %s", namespace, name, error)

    def _due(self, facts: RunFacts, newest: RunStatus, now: datetime) -> datetime | None:
        """Return when to write the newest status of a run; None for now, and when nothing has changed."""
        if newest == facts.written or run_type_of(facts.run) is not RunType.COMMAND:
            return None
        wait = unwritten.delay(facts.written, newest, self._cache.count_unfinished_runs())
        due = min(self._unwritten.due(facts.run) or now + wait, now + wait)
        return due if due > now else None

    def _forget(self, namespace: str, name: str) -> None:
        self._starter.forget(namespace, name)
        self._pods.forget(namespace, name)
        self._unwritten.forget(namespace, name)
        self._marks.forget(namespace, name)
        for provisioner in self._provisioners:
            provisioner.on_deleted(namespace, name)
        self._admit_next(namespace, name)

    def _admit_next(self, namespace: str, name: str) -> None:
        """Enqueue the next runs after one that ended, was deleted, or cannot start for now."""
        for key in self._admissions.next_in_line(namespace):
            if key.name != name:
                self._controllers.enqueue(key)

    async def _clean_up(self, run: Run) -> timedelta | None:
        """Record which logs are archived, and delete the pods that are no longer needed."""
        self._provisioners.of(run).on_ended(run)
        self._backoff.reset(run.metadata.uid)
        if run.status is None:
            return None
        now = datetime.now(UTC)
        recorded = record_archived_logs(status.ended(run, run.status), run.metadata.uid, self._logs)
        due = self._marked_at(run, recorded, now)
        if due is None:
            await self._cluster.write_status(run, recorded)
            self._marks.forget(run.metadata.namespace or "", run.metadata.name)
        return _earliest(_until(now, due), await self._pods.clean_up(run, recorded, now))

    def _marked_at(self, run: Run, recorded: RunStatus, now: datetime) -> datetime | None:
        """Return when to write that logs of an ended run are archived; None for now, and when nothing has changed."""
        before = run.status
        if recorded == before or (before and recorded.observed_generation != before.observed_generation):
            return None
        due = self._marks.due(run, now, self._pods.kept_until(recorded, now))
        return due if due > now else None


def _stop(run: Run, deadline: datetime | None, now: datetime) -> Stop | None:
    if run.cancellation_requested:
        return Stop.CANCELLED
    return Stop.TIMED_OUT if deadline is not None and deadline <= now else None


def _earliest(*delays: timedelta | None) -> timedelta | None:
    return min((delay for delay in delays if delay is not None), default=None)


def _until(now: datetime, *times: datetime | None) -> timedelta | None:
    return _earliest(*(max(time - now, timedelta(0)) for time in times if time is not None))
