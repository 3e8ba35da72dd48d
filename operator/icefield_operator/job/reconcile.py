"""The story of a Job: resolve, validate, start what its schedule names, say how it stands."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from icefield_crds import ConcurrencyPolicy, JobStatus, Run
from icefield_crds.names import namespace_of, scheduled_run
from icefield_operator.cluster import Cluster, together
from icefield_operator.controllers import Controllers
from icefield_operator.errors import Conflict
from icefield_operator.queue import Key
from icefield_operator.world import Kind, Manifest

from . import build, resolve, status, validate
from .resolve import Facts
from .schedule import STARTING_DEADLINE, Schedule, minute_of

log = logging.getLogger(__name__)


class JobReconciler:
    """Reconciles Jobs."""

    def __init__(self, cluster: Cluster, controllers: Controllers) -> None:
        """Plug into the controllers."""
        self._cluster = cluster
        self._world = controllers.world
        controllers.register(Kind.JOB, self.reconcile)
        controllers.relate(Kind.RUN, _job_of)
        controllers.relate(Kind.WORKSPACE, self._jobs_of)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Job; return when the next is due though nothing changes."""
        job = self._world.job(key.namespace, key.name)
        if job is None or job.metadata.deletion_timestamp:
            return None
        facts = resolve.facts(job, self._world)
        problem = validate.first_problem(facts)
        before = job.status or JobStatus()
        now = datetime.now(UTC)
        last, upcoming = before.last_schedule_time, None
        if problem is None and job.spec.schedule and not job.spec.suspend:
            schedule = Schedule.parse(job.spec.schedule, job.spec.time_zone)
            if (due := self._due(facts, schedule, now)) and await self._start(facts, due):
                last = due
            upcoming = schedule.after(now)
            facts = resolve.facts(job, self._world)
        written = status.of(facts, problem, last_schedule=last, next_schedule=upcoming, now=now)
        await self._cluster.write_status(job, written)
        return max(upcoming - datetime.now(UTC), timedelta(0)) if upcoming else None

    def _due(self, facts: Facts, schedule: Schedule, now: datetime) -> datetime | None:
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

    async def _start(self, facts: Facts, moment: datetime) -> bool:
        """Start the run for one time of the schedule, as the concurrency policy wants; say whether it is there."""
        job, workspace = facts.job, facts.workspace
        namespace, name = job.metadata.namespace or "", scheduled_run(job.metadata.name, minute_of(moment))
        if workspace is None:
            return False
        if self._world.run(namespace, name):
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

    def _jobs_of(self, workspace: Manifest) -> Iterator[Key]:
        namespace = namespace_of(workspace["metadata"]["name"])
        return (Key(Kind.JOB, namespace, job.metadata.name) for job in self._world.jobs(namespace))


def _job_of(run: Manifest) -> Iterator[Key]:
    if name := run["spec"].get("jobRef", {}).get("name"):
        yield Key(Kind.JOB, run["metadata"]["namespace"], name)
