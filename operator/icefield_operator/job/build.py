"""Pure: from a Job to the Run that its schedule starts."""

from __future__ import annotations

from datetime import datetime

from icefield_crds import Execution, Job, JobReference, RunSpec, labels, names
from icefield_kube.client import Manifest

from .schedule import minute_of


def scheduled_run(job: Job, workspace: str, moment: datetime) -> Manifest:
    """Return the Run for one time of a job's schedule: the job as it is now, fixed for good.

    Args:
        job: what runs.
        workspace: slug of its workspace.
        moment: the time of the schedule, a whole minute; the same moment gives the same name.
    """
    spec = RunSpec(
        job_ref=JobReference(name=job.metadata.name),
        **{field: getattr(job.spec, field) for field in Execution.model_fields},
    )
    return {
        "apiVersion": names.API_VERSION,
        "kind": "Run",
        "metadata": {
            "name": names.scheduled_run(job.metadata.name, minute_of(moment)),
            "namespace": job.metadata.namespace,
            "labels": labels.of_workspace_child(workspace) | {labels.JOB: job.metadata.name},
            "ownerReferences": [job.owner_reference.to_api()],
        },
        "spec": spec.to_api(),
    }
