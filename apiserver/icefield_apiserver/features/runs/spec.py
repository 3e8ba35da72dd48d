"""What a new run of a job executes, and the job that a run of its own counts as. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence

from icefield_apiserver.core.execution import build_spec
from icefield_crds import Job, JobReference, RunSpec
from icefield_crds.names import JOB_NAME_ANNOTATION, JOB_NAMESPACE_ANNOTATION, RUN_TAGS_ANNOTATION


def run_of_job(job: Job, params: dict[str, str]) -> RunSpec:
    """Return what a new run of a job executes: the current job, with parameters over the job's.

    Raises:
        BadRequest: a value cannot be stored.
    """
    fields = job.spec.executed_fields()
    merged = {**job.spec.params, **params}
    return build_spec(lambda: RunSpec(**{**fields, "params": merged}, job_ref=JobReference(name=job.metadata.name)))


def job_annotations(namespace: str, name: str, tags: Sequence[dict[str, str]] = ()) -> dict[str, str]:
    """Return the annotations that record on a Run, without a Job, which job it counts as, and its tags.

    Args:
        namespace: of the job, in the submitter's terms.
        name: of the job.
        tags: each with key, value and source.
    """
    annotations = {JOB_NAMESPACE_ANNOTATION: namespace, JOB_NAME_ANNOTATION: name}
    if tags:
        annotations[RUN_TAGS_ANNOTATION] = json.dumps(list(tags), ensure_ascii=False)
    return annotations
