"""Pure: what a pass over a Job needs of the cached snapshot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from icefield_crds import Job, Run, Workspace
from icefield_operator.cluster_cache import ClusterCache

_LATEST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class JobFacts:
    """A Job, its Workspace and its Runs."""

    job: Job
    workspace: Workspace | None
    runs: Sequence[Run]
    """Its runs that have not ended, and the newest that has; oldest first."""

    @property
    def active(self) -> list[Run]:
        """Its runs that have not ended and are not being deleted."""
        return [run for run in self.runs if not run.phase.is_terminal and not run.metadata.deletion_timestamp]


def facts(job: Job, cache: ClusterCache) -> JobFacts:
    """Return a Job with its Workspace and its Runs."""
    namespace = job.metadata.namespace or ""
    runs = [run for run in cache.unfinished_runs(namespace) if _belongs(run, job)]
    if (ended := _newest_ended(job, cache)) is not None:
        runs.append(ended)
    return JobFacts(job, cache.workspace_of_namespace(namespace), sorted(runs, key=_age))


def _newest_ended(job: Job, cache: ClusterCache) -> Run | None:
    namespace, name = job.metadata.namespace or "", job.metadata.name
    ended = [run for run in cache.ended_runs_of_job(namespace, name) if run.controller in (None, job.metadata.uid)]
    newest = max(ended, key=lambda run: (run.created or _LATEST, run.name), default=None)
    return cache.run(namespace, newest.name) if newest else None


def _age(run: Run) -> tuple[datetime, str]:
    # Creation has whole seconds: the name decides between equals.
    return run.metadata.creation_timestamp or _LATEST, run.metadata.name


def _belongs(run: Run, job: Job) -> bool:
    if run.spec.job_ref is None or run.spec.job_ref.name != job.metadata.name:
        return False
    owner = next((owner for owner in run.metadata.owner_references if owner.controller), None)
    # A run of an earlier job of the same name does not belong to this one.
    return owner is None or owner.uid == job.metadata.uid
