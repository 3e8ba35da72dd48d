"""The sort order of each kind, and the groups in which its resources are found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from icefield_crds import ConditionType, Flavor, Job, Run, RunPhase, Workspace
from icefield_crds.meta import Resource

from .ended_runs import ended_run_of
from .store import Indexing, WatchedKind


def job_group(namespace: str, job: str) -> str:
    """Return the group of a job's runs."""
    return f"{namespace}/job/{job}"


def phase_group(group: str, phase: RunPhase) -> str:
    """Return the group of those runs of a namespace, or of a job's group, that have a status."""
    return f"{group}/phase/{phase.value}"


def display_name_group(namespace: str, display_name: str) -> str:
    """Return the group of a namespace's resources with this spec.displayName."""
    return f"{namespace}/display-name/{display_name}"


def maintenance_group(namespace: str, database: str) -> str:
    """Return the group of a namespace's jobs that maintain a database or tables of it."""
    return f"{namespace}/maintenance/{database.lower()}"


def unfinished_group(namespace: str) -> str:
    """Return the group of a namespace's runs that have not ended."""
    return f"{namespace}/unfinished"


def waiting_group(namespace: str) -> str:
    """Return the group of the runs that the operator keeps waiting for a slot."""
    return f"{namespace}/unfinished/waiting"


def without_slot_group(namespace: str) -> str:
    """Return the group of the unfinished runs that have no slot, whether they wait for one or were not seen yet."""
    return f"{namespace}/unfinished/without-slot"


def workloads_without_slot_group(namespace: str) -> str:
    """Return the group of those Polars workloads among `without_slot_group`."""
    return f"{namespace}/unfinished/without-slot/polars"


def _by_name(resource: Resource[Any, Any]) -> tuple[str]:
    return (resource.metadata.name,)


def _newest_first(run: Run) -> tuple[int]:
    created = run.metadata.creation_timestamp
    return (-int(created.timestamp()) if created else 0,)


def _groups_of_run(run: Run) -> Iterator[str]:
    namespace = run.metadata.namespace or ""
    yield phase_group(namespace, run.phase)
    if run.spec.job_ref:
        of_job = job_group(namespace, run.spec.job_ref.name)
        yield of_job
        yield phase_group(of_job, run.phase)
    if not run.phase.is_terminal:
        yield unfinished_group(namespace)
        yield from _groups_without_slot(run, namespace)


def _groups_without_slot(run: Run, namespace: str) -> Iterator[str]:
    if run.status is not None and run.status.holds_place:
        return
    yield without_slot_group(namespace)
    if run.spec.polars is not None:
        yield workloads_without_slot_group(namespace)
    if run.status is not None and run.status.condition(ConditionType.ADMITTED):
        yield waiting_group(namespace)


def _display_name_groups(resource: Resource[Any, Any]) -> Iterator[str]:
    if name := display_name_of(resource):
        yield display_name_group(resource.metadata.namespace or "", name)


def _groups_of_job(job: Job) -> Iterator[str]:
    yield from _display_name_groups(job)
    if job.spec.maintenance:
        yield maintenance_group(job.metadata.namespace or "", job.spec.maintenance.database)


def display_name_of(resource: Resource[Any, Any]) -> str | None:
    """Return spec.displayName; None where it is not set or the kind has none."""
    name: str | None = getattr(resource.spec, "display_name", None)
    return name


BY_NAME: Indexing[Any] = Indexing(sort_key=_by_name, groups=_display_name_groups)
"""In order of metadata.name, with a group per display name."""

JOBS: Indexing[Job] = Indexing(sort_key=_by_name, groups=_groups_of_job)
"""As BY_NAME, with a group per database that is maintained."""

RUNS: Indexing[Run] = Indexing(sort_key=_newest_first, groups=_groups_of_run, summary=ended_run_of)

CORE_KINDS: tuple[WatchedKind[Any], ...] = (
    WatchedKind(Workspace, BY_NAME),
    WatchedKind(Flavor, BY_NAME),
    WatchedKind(Run, RUNS),
)
"""Kinds that the API server itself needs: for membership, sizes and run tokens. Features watch further ones."""
