"""Pure: from a Job to the Run that its schedule starts, or to the Event that it starts none."""

from __future__ import annotations

from datetime import datetime

from icefield_crds import Job, JobReference, RunSpec, SkippedSchedule, labels, names
from icefield_crds.schedule import minute_of
from icefield_kube.client import Manifest
from icefield_operator import events


def scheduled_run(job: Job, workspace: str, moment: datetime) -> Manifest:
    """Return the Run for one time of a job's schedule: the job as it is now, fixed for good.

    Args:
        job: what runs.
        workspace: slug of its workspace.
        moment: the time of the schedule, a whole minute; the same moment gives the same name.
    """
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Run",
        "metadata": {
            "name": names.scheduled_run(job.metadata.name, minute_of(moment)),
            "namespace": job.metadata.namespace,
            "labels": labels.of_workspace_child(workspace) | {labels.JOB: job.metadata.name},
            "ownerReferences": [job.owner_reference.to_api()],
        },
        "spec": run_spec(job).to_api(),
    }


def run_spec(job: Job) -> RunSpec:
    """Return what a run of a job executes: the job as it is now."""
    return RunSpec(job_ref=JobReference(name=job.metadata.name), **job.spec.executed_fields())


def skipped_event(job: Job, skipped: SkippedSchedule, now: datetime) -> Manifest:
    """Return the Event that times of a job's schedule started no run.

    Args:
        job: whose schedule.
        skipped: the times; the same give the same name.
        now: the present.
    """
    name = names.skipped_schedule_event(job.metadata.uid, minute_of(skipped.time))
    return events.warning(job, name, skipped.reason, skipped.message, now)
