"""Pure: from a Job and its Runs to its status and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from icefield_crds import ConditionType, JobStatus, LastRun, Reason, merge_conditions
from icefield_operator.problem import Problem

from .due import Skip
from .resolve import JobFacts


def of(
    facts: JobFacts,
    problem: Problem | None,
    *,
    last_schedule: datetime | None,
    next_schedule: datetime | None,
    skipped: Sequence[Skip] = (),
    now: datetime,
) -> JobStatus:
    """Return the status of a Job.

    Args:
        facts: the Job and its Runs.
        problem: what is wrong with it, if anything.
        last_schedule: the last time for which its schedule started a run.
        next_schedule: the next time for which it will start one.
        skipped: the times that started none, as found since its status was last written, oldest first.
        now: the transition time of what changes.
    """
    job = facts.job
    before = job.status or JobStatus()
    generation = job.metadata.generation
    reason = problem.reason if problem else Reason.AS_WANTED
    message = problem.message if problem else "the job can run"
    newest = facts.newest_run
    return JobStatus(
        observed_generation=generation,
        conditions=merge_conditions(
            before.conditions,
            [
                (ConditionType.READY, problem is None, reason, message),
                (ConditionType.RECONCILING, False, reason, message),
                (ConditionType.STALLED, problem is not None and problem.stalled, reason, message),
            ],
            generation=generation,
            now=now,
        ),
        # The last run may be in the archive only, where no pass sees it.
        last_run=LastRun(name=newest.metadata.name, phase=newest.phase) if newest else before.last_run,
        active_runs=facts.active_runs,
        last_schedule_time=last_schedule,
        last_skipped_schedule=skipped[-1].schedule if skipped else before.last_skipped_schedule,
        skipped_schedules=before.skipped_schedules + sum(skip.times for skip in skipped),
        next_schedule_time=next_schedule,
    )


def is_only_about_runs(written: JobStatus | None, newest: JobStatus) -> bool:
    """Return whether a status differs from the written one in nothing but what it tells of the job's runs."""
    if written is None:
        return False
    runs = {"last_run": newest.last_run, "active_runs": newest.active_runs}
    return written.model_copy(update=runs) == newest
