"""The sort order of each kind, and the groups in which its resources are found."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from icefield_crds import Flavor, Run, Workspace
from icefield_crds.meta import Resource

from .store import Indexing, WatchedKind


def job_group(namespace: str, job: str) -> str:
    """Return the group of a job's runs."""
    return f"{namespace}/job/{job}"


def display_name_group(namespace: str, display_name: str) -> str:
    """Return the group of a namespace's resources with this spec.displayName."""
    return f"{namespace}/display-name/{display_name}"


def unfinished_group(namespace: str) -> str:
    """Return the group of a namespace's runs that have not ended."""
    return f"{namespace}/unfinished"


def _by_name(resource: Resource[Any, Any]) -> tuple[str]:
    return (resource.metadata.name,)


def _newest_first(run: Run) -> tuple[int]:
    created = run.metadata.creation_timestamp
    return (-int(created.timestamp()) if created else 0,)


def _groups_of_run(run: Run) -> Iterator[str]:
    namespace = run.metadata.namespace or ""
    if run.spec.job_ref:
        yield job_group(namespace, run.spec.job_ref.name)
    if not run.phase.is_terminal:
        yield unfinished_group(namespace)


def _display_name_groups(resource: Resource[Any, Any]) -> Iterator[str]:
    if name := display_name_of(resource):
        yield display_name_group(resource.metadata.namespace or "", name)


def display_name_of(resource: Resource[Any, Any]) -> str | None:
    """Return spec.displayName; None where it is not set or the kind has none."""
    name: str | None = getattr(resource.spec, "display_name", None)
    return name


BY_NAME: Indexing[Any] = Indexing(sort_key=_by_name, groups=_display_name_groups)
"""In order of metadata.name, with a group per display name."""

RUNS: Indexing[Run] = Indexing(sort_key=_newest_first, groups=_groups_of_run)

CORE_KINDS: tuple[WatchedKind[Any], ...] = (
    WatchedKind(Workspace, BY_NAME),
    WatchedKind(Flavor, BY_NAME),
    WatchedKind(Run, RUNS),
)
"""Kinds that the API server itself needs: for membership, sizes and run tokens. Features watch further ones."""
