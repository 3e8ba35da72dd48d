"""The lifecycle of a Job: resolve, validate, start scheduled runs, write the status."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

from icefield_crds import ConcurrencyPolicy, JobStatus, Run
from icefield_crds.names import scheduled_run
from icefield_kube.errors import Conflict
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.queue import Key

from . import build, resolve, status, validate
from .resolve import JobFacts
from .schedule import STARTING_DEADLINE, Schedule, minute_of

log = logging.getLogger(__name__)


class JobReconciler:
    """Reconciles Jobs."""

    def __init__(self, cluster: Cluster, cache: ClusterCache) -> None:
        """Initialize; it acts on this cluster as its snapshot shows it."""
        self._cluster = cluster
        self._cache = cache

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Job; return when the next is due though nothing changes."""
        job = self._cache.job(key.namespace, key.name)
        if job is None or job.metadata.deletion_timestamp:
            return None
        facts = resolve.facts(job, self._cache)
        problem = validate.find_problem(facts)
        before = job.status or JobStatus()
        now = datetime.now(UTC)
        last, upcoming = before.last_schedule_time, None
        if problem is None and job.spec.schedule and not job.spec.suspend:
            schedule = Schedule.parse(job.spec.schedule, job.spec.time_zone)
            if (due := self._due(facts, schedule, now)) and await self._start(facts, due):
                last = due
            upcoming = schedule.after(now)
            facts = resolve.facts(job, self._cache)
        written = status.of(facts, problem, last_schedule=last, next_schedule=upcoming, now=now)
        await self._cluster.write_status(job, written)
        return max(upcoming - datetime.now(UTC), timedelta(0)) if upcoming else None

    def _due(self, facts: JobFacts, schedule: Schedule, now: datetime) -> datetime | None:
        """Return the time of the schedule for which a run is to be started now.

        A time is due that was promised (status.nextScheduleTime) and that the schedule still names. So neither an
        edited schedule nor the end of a suspension starts runs for the past.
        """
        job = facts.job
        created = job.metadata.creation_timestamp or now
        promised = job.status.next_schedule_time if job.status else schedule.after(created)
        if promised is None or promised > now or not schedule.names(promised):
            return None
        latest = schedule.latest(now) or promised
        if now - latest > STARTING_DEADLINE:
            log.warning(
                "Job %s/%s missed its schedule at %s by more than %s",
                job.metadata.namespace,
                job.metadata.name,
                latest,
                STARTING_DEADLINE,
            )
            return None
        return latest

    async def _start(self, facts: JobFacts, moment: datetime) -> bool:
        """Start the run for one time of the schedule, as the concurrency policy wants; return whether it exists."""
        job, workspace = facts.job, facts.workspace
        namespace, name = job.metadata.namespace or "", scheduled_run(job.metadata.name, minute_of(moment))
        if workspace is None:
            return False
        if self._cache.run(namespace, name):
            return True
        earlier = [run for run in facts.active if run.metadata.name != name]
        if earlier and job.spec.concurrency_policy is ConcurrencyPolicy.FORBID:
            log.info(
                "Job %s/%s: %s still runs, so %s is left out",
                namespace,
                job.metadata.name,
                earlier[0].metadata.name,
                moment,
            )
            return False
        if job.spec.concurrency_policy is ConcurrencyPolicy.REPLACE:
            await together(*(self._delete(run) for run in earlier))
        try:
            await self._cluster.create_or_adopt(build.scheduled_run(job, workspace.metadata.name, moment))
        except Conflict as error:
            log.warning("Job %s/%s: %s is left out: %s", namespace, job.metadata.name, moment, error)
            return False
        return True

    async def _delete(self, run: Run) -> None:
        metadata = run.metadata
        await self._cluster.delete(Kind.RUN, metadata.namespace, metadata.name, uid=metadata.uid)
