"""The lifecycle of a Job: resolve, validate, start scheduled runs, write the status."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from icefield_crds import ConcurrencyPolicy, Job, JobStatus, Reason, Run
from icefield_crds.names import scheduled_run
from icefield_crds.run import REPLACED_BY_ANNOTATION
from icefield_crds.schedule import Schedule, minute_of
from icefield_kube.errors import AlreadyExists, Conflict, KubernetesError, NotFound
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.problem import Problem
from icefield_operator.queue import Key

from . import build, resolve, status, validate
from .due import Skip, due, forbidden, name_taken, promised_time
from .resolve import JobFacts, JobRuns

log = logging.getLogger(__name__)

RUNS_PAUSE = timedelta(seconds=2)
"""How often at most a status is written of which nothing but the job's runs has changed."""


class Outcome(NamedTuple):
    """What a pass did about a schedule."""

    started: datetime | None = None
    """The time for which a run exists now."""
    skipped: Sequence[Skip] = ()
    """The times that started none, oldest first."""


class JobReconciler:
    """Reconciles Jobs."""

    def __init__(self, cluster: Cluster, cache: ClusterCache) -> None:
        """Initialize; it acts on this cluster as its snapshot shows it."""
        self._cluster = cluster
        self._cache = cache
        self._runs = JobRuns(cache)
        self._written: dict[tuple[str, str], datetime] = {}
        """When the status of each job was last written."""

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Job; return when the next is due though nothing changes.

        Raises:
            KubernetesError: a run that is due was refused, as the status tells, or the status itself.
        """
        job = self._cache.job(key.namespace, key.name)
        if job is None or job.metadata.deletion_timestamp:
            self._written.pop((key.namespace, key.name), None)
            return None
        facts = resolve.facts(job, self._cache, self._runs)
        problem = validate.find_problem(facts)
        now = datetime.now(UTC)
        outcome, upcoming, refusal = Outcome(), None, None
        if problem is None and job.spec.schedule and not job.spec.suspend:
            schedule = Schedule.parse(job.spec.schedule, job.spec.time_zone)
            try:
                outcome, upcoming = await self._follow(facts, schedule, now), schedule.after(now)
            except KubernetesError as error:
                refusal, problem = error, _refused(error)
                upcoming = promised_time(job, schedule, now)
            facts = resolve.facts(job, self._cache, self._runs)
        before = job.status or JobStatus()
        written = status.of(
            facts,
            problem,
            last_schedule=outcome.started or before.last_schedule_time,
            next_schedule=upcoming,
            skipped=outcome.skipped,
            now=now,
        )
        await together(*(self._report(job, skip, now) for skip in outcome.skipped))
        later = await self._write(job, written, now)
        if refusal:
            raise refusal
        times = [time for time in (upcoming, later) if time is not None]
        return max(min(times) - datetime.now(UTC), timedelta(0)) if times else None

    async def _write(self, job: Job, newest: JobStatus, now: datetime) -> datetime | None:
        """Write the status of a job, or return when to: its runs may be many, and each changes it."""
        key = job.metadata.namespace or "", job.metadata.name
        last = self._written.get(key)
        earliest = last + RUNS_PAUSE if last and last <= now else now  # the clock may have been set back
        if now < earliest and status.is_only_about_runs(job.status, newest):
            return earliest
        if await self._cluster.write_status(job, newest):
            self._written[key] = now
        return None

    async def _follow(self, facts: JobFacts, schedule: Schedule, now: datetime) -> Outcome:
        """Do what the schedule requires now."""
        required = due(facts.job, schedule, now)
        missed = [required.missed] if required.missed else []
        if required.start is None:
            return Outcome(None, missed)
        if skip := await self._start(facts, required.start):
            return Outcome(None, [*missed, skip])
        return Outcome(required.start, missed)

    async def _start(self, facts: JobFacts, moment: datetime) -> Skip | None:
        """Start the run for one time of the schedule, as the concurrency policy wants; return why it is left out."""
        job, workspace = facts.job, facts.workspace
        assert workspace, "without a workspace a job has a problem"  # noqa: S101
        namespace, name = job.metadata.namespace or "", scheduled_run(job.metadata.name, minute_of(moment))
        if present := self._cache.run(namespace, name):
            return None if _is_of(present, job) else name_taken(moment, name)
        policy = job.spec.effective_concurrency_policy
        earlier = [] if policy is ConcurrencyPolicy.ALLOW else self._runs.active(job)
        if earlier and policy is ConcurrencyPolicy.FORBID:
            return forbidden(moment, earlier)
        # First: the new run must know from its first pass on whose end it waits for.
        await together(*(self._replace(run, name) for run in earlier))
        try:
            await self._cluster.create_or_adopt(build.scheduled_run(job, workspace.metadata.name, moment))
        except Conflict:
            return name_taken(moment, name)
        return None

    async def _replace(self, run: Run, by: str) -> None:
        """Have a run cancelled, and the run that replaces it wait for its end."""
        metadata = run.metadata
        if run.replaced_by == by:
            return
        patch = {"metadata": {"uid": metadata.uid, "annotations": {REPLACED_BY_ANNOTATION: by}}}
        try:
            await self._cluster.merge_patch(Kind.RUN, metadata.namespace, metadata.name, patch)
        except NotFound as error:
            self._cache.forget_not_found(error, Kind.RUN, metadata.namespace, metadata.name, metadata.uid)

    async def _report(self, job: Job, skip: Skip, now: datetime) -> None:
        """Report times that started no run; a pass that is repeated reports them once."""
        log.warning("Job %s/%s %s", job.metadata.namespace, job.metadata.name, skip.schedule.message)
        try:
            await self._cluster.create(build.skipped_event(job, skip.schedule, now))
        except AlreadyExists:
            return
        except KubernetesError as error:
            # The status has it too: that must not wait for an Event.
            log.warning("Cannot report it as an Event: %s", error)


def _refused(error: KubernetesError) -> Problem:
    message = f"a run that is due cannot be started: {error.message}; it is tried again"
    return Problem(Reason.RUN_REFUSED, message, stalled=not error.retryable)


def _is_of(run: Run, job: Job) -> bool:
    return any(owner.uid == job.metadata.uid for owner in run.metadata.owner_references)
