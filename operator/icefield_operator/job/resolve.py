"""Pure: what a pass over a Job needs of the cached snapshot."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from icefield_crds import Job, Run, Workspace
from icefield_crds.workspace import DEFAULT_FLAVOR
from icefield_kube.store import OrderedGroups
from icefield_operator.cluster_cache import ClusterCache, Entry, Kind, RunRecord


@dataclass(frozen=True)
class JobFacts:
    """A Job, its Workspace, and how its Runs stand."""

    job: Job
    workspace: Workspace | None
    newest_run: Run | None = None
    active_runs: int = 0
    """How many of its runs have not ended and are not being deleted."""
    missing_flavor: str | None = None
    """A Flavor that its tasks would have and that does not exist."""
    known_flavors: Sequence[str] = ()
    """The names of all Flavors, where one is missing."""
    maintained_by: str | None = None
    """An older Job that declares maintenance of what this one maintains."""


class JobRuns:
    """The Runs of each Job, in the order of their creation, kept with each change of the snapshot."""

    def __init__(self, cache: ClusterCache) -> None:
        """Follow this snapshot."""
        self._cache = cache
        self._all: OrderedGroups[Entry] = OrderedGroups(_order_of, _groups_of)
        self._active: OrderedGroups[Entry] = OrderedGroups(_order_of, _groups_of_active)
        for index in (self._all, self._active):
            cache.add_index(Kind.RUN, index)

    def newest(self, job: Job) -> Run | None:
        """Return the newest run of a job, or None."""
        last = max((key for group in _groups_for(job) if (key := self._all.last(group))), default=None)
        return self._cache.run(job.metadata.namespace or "", last[1]) if last else None

    def count_active(self, job: Job) -> int:
        """Return how many runs of a job have not ended and are not being deleted."""
        return sum(self._active.count(group) for group in _groups_for(job))

    def active(self, job: Job) -> list[Run]:
        """Return the runs of a job that have not ended and are not being deleted, oldest first."""
        keys = sorted(key for group in _groups_for(job) for key in self._active.keys(group))
        found = (self._cache.run(job.metadata.namespace or "", name) for _, name, _ in keys)
        return [run for run in found if run]


def facts(job: Job, cache: ClusterCache, runs: JobRuns) -> JobFacts:
    """Return a Job with its Workspace and how its Runs stand."""
    workspace = cache.workspace_of_namespace(job.metadata.namespace or "")
    names = job.spec.flavors(workspace.spec.default_flavor if workspace else DEFAULT_FLAVOR)
    missing = next((name for name in sorted(names) if cache.flavor(name) is None), None)
    return JobFacts(
        job=job,
        workspace=workspace,
        newest_run=runs.newest(job),
        missing_flavor=missing,
        known_flavors=cache.flavor_names() if missing else (),
        active_runs=runs.count_active(job),
        maintained_by=_older_declaration(job, cache),
    )


def _older_declaration(job: Job, cache: ClusterCache) -> str | None:
    """Return the oldest Job before this one that maintains the table or the database that it maintains."""
    if job.spec.maintenance is None:
        return None
    subject = job.spec.maintenance.subject
    rivals = (each for each in cache.jobs(job.metadata.namespace) if _age_of(each) < _age_of(job))
    same = [each for each in rivals if each.spec.maintenance and each.spec.maintenance.subject == subject]
    return min(same, key=_age_of).metadata.name if same else None


def _age_of(job: Job) -> tuple[datetime, str]:
    return job.metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC), job.metadata.name


def _order_of(run: Entry) -> tuple[datetime, str]:
    return _record(run).order


def _groups_of_active(run: Entry) -> Iterator[str]:
    if _record(run).is_unfinished and "deletionTimestamp" not in run.manifest["metadata"]:
        yield from _groups_of(run)


def _groups_of(run: Entry) -> Iterator[str]:
    """Yield the job of a run, with its controller's uid: a run of an earlier job of the same name is not this one's."""
    record = _record(run)
    if record.job:
        yield f"{record.namespace}/{record.job}/{record.controller or _NOBODY}"


def _record(run: Entry) -> RunRecord:
    assert run.run, "an index of Runs"  # noqa: S101
    return run.run


def _groups_for(job: Job) -> tuple[str, str]:
    """Return the groups of a job's runs: its own, and those that nobody owns (yet)."""
    prefix = f"{job.metadata.namespace}/{job.metadata.name}"
    return f"{prefix}/{job.metadata.uid}", f"{prefix}/{_NOBODY}"


_NOBODY = ""
