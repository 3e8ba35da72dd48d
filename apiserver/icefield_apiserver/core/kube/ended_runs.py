"""What is kept at hand of a run that has ended, to decide whether it may leave Kubernetes. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from icefield_crds import Run

GITOPS_MARKS = frozenset(
    {
        "argocd.argoproj.io/tracking-id",
        "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/name",
    }
)
"""Labels and annotations of what a repository declares: deleted, it would be created, and run, again."""


@dataclass(frozen=True, order=True)
class EndedRun:
    """What the decision reads of a run that has ended; they sort by when they ended.

    Attributes:
        ended_at: when it ended.
        uid: metadata.uid.
        namespace: metadata.namespace.
        job: name of its Job.
        created_at: when it was created.
        is_ready: whether nothing about it is still to be done (`is_ready_to_leave`).
    """

    ended_at: datetime
    uid: str
    namespace: str
    job: str | None
    created_at: datetime
    is_ready: bool


def ended_run_of(run: Run) -> EndedRun | None:
    """Return what the decision reads of a run; None for one that has not ended."""
    created = run.metadata.creation_timestamp
    if not run.phase.is_terminal or created is None:
        return None
    return EndedRun(
        ended_at=(run.status.completion_time if run.status else None) or created,
        uid=run.metadata.uid,
        namespace=run.metadata.namespace or "",
        job=run.spec.job_ref.name if run.spec.job_ref else None,
        created_at=created,
        is_ready=is_ready_to_leave(run),
    )


def is_ready_to_leave(run: Run) -> bool:
    """Return whether the operator has finished with a run, its logs are archived, and no repository declares it."""
    status, metadata = run.status, run.metadata
    return (
        status is not None
        and metadata.deletion_timestamp is None
        and status.observed_generation == metadata.generation
        and all(attempt.logs_archived for attempt in status.attempts)
        and GITOPS_MARKS.isdisjoint(metadata.labels)
        and GITOPS_MARKS.isdisjoint(metadata.annotations)
    )
