"""What read and wrote together, and the edges between tables that follow from it. Pure.

A statement read what it names and wrote its target, so each edge is known. Of a process that calls the catalog only the
order of its calls is known: what it loaded before it committed may be a source of what it committed.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from .columns import ColumnSet

MAX_FLOWS = 2000
"""Most edges that one statement, or one commit, is recorded with."""
_NAMESPACE = uuid.UUID("5a7c2f0e-7a2b-5d0c-9c53-0c9f8a1d6e44")


@dataclass(frozen=True)
class Dataset:
    """A table or view.

    Attributes:
        uuid: `table-uuid` or `view-uuid`, which a rename keeps; `uuid_of_name` where the catalog has none.
        name: its name with the catalog, such as `acme.sales.orders`.
        is_view: whether it is a view.
    """

    uuid: str
    name: str
    is_view: bool = False


@dataclass(frozen=True)
class ReadDataset:
    """What a statement reads.

    Attributes:
        dataset: the table or view.
        reader: name of the view whose text names it; None where the statement itself does.
    """

    dataset: Dataset
    reader: str | None = None


@dataclass(frozen=True)
class Flow:
    """One unit's edge between two tables.

    Attributes:
        source: UUID of what was read.
        target: UUID of what was written.
        through: UUID of the view through which it was read; None where it was read directly.
        inferred: whether only the order of a process's calls tells it.
    """

    source: str
    target: str
    through: str | None = None
    inferred: bool = False


@dataclass(frozen=True)
class CatalogUnit:
    """What calls the catalog: an attempt of a task, a Polars workload or a Spark application.

    Attributes:
        id: a UUID.
        workspace: slug.
        run_uid: metadata.uid of its Run.
        is_one_workload: whether it does one thing, so that what it loads and commits belongs together.
    """

    id: str
    workspace: str
    run_uid: str
    is_one_workload: bool


@dataclass(frozen=True)
class StatementAccess:
    """What a statement that succeeded read and changed.

    Attributes:
        statement_id: its id.
        workspace_uid: metadata.uid of its workspace.
        run_uid: metadata.uid of the Run to which it belongs.
        read: name and snapshot of each table that it read.
        written: name and snapshot of each table that it wrote.
        sources: what it and the views in it read; empty for what only reads.
        seen_at: when the sources were looked up.
        targets: the tables and views that are there now, of those that it writes.
        changed: UUIDs of those targets that it changed.
        gone: UUIDs of what it dropped.
        dropped_namespace: name, with the catalog, of the database or schema that it dropped.
        columns: what it makes the columns of what it changed of; None where that is not known.
    """

    statement_id: str
    workspace_uid: str
    run_uid: str | None
    read: tuple[tuple[str, int | None], ...] = ()
    written: tuple[tuple[str, int | None], ...] = ()
    sources: tuple[ReadDataset, ...] = ()
    seen_at: datetime | None = None
    targets: tuple[Dataset, ...] = ()
    changed: frozenset[str] = frozenset()
    gone: frozenset[str] = frozenset()
    dropped_namespace: str | None = None
    columns: ColumnSet | None = None


def uuid_of_name(workspace_uid: str, name: str) -> str:
    """Return the identity of a table of which only the name is known.

    Args:
        workspace_uid: metadata.uid of the workspace.
        name: the table's name with the catalog.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{workspace_uid}/{name}"))


def unit_id(run_uid: str, task: str | None, attempt: int) -> str:
    """Return the id of what calls the catalog with a run's token.

    Args:
        run_uid: metadata.uid of the Run.
        task: key of the task; None for a token of the whole run.
        attempt: number of the task's attempt.
    """
    return run_uid if task is None else str(uuid.uuid5(_NAMESPACE, f"{run_uid}/{task}/{attempt}"))


def flows_of_statement(access: StatementAccess) -> list[Flow]:
    """Return the edges that a statement makes: to what it changed, and to the views in it from what they name."""
    direct = {each.dataset.uuid for each in access.sources if each.reader is None}
    views = {each.dataset.name: each.dataset.uuid for each in access.sources if each.dataset.is_view}
    changed = [target for target in access.targets if target.uuid in access.changed]
    return _distinct(_flows_of_statement(access.sources, direct, views, changed))


def _flows_of_statement(
    sources: Sequence[ReadDataset], direct: set[str], views: dict[str, str], changed: Sequence[Dataset]
) -> Iterator[Flow]:
    for target in changed:
        yield from (Flow(source, target.uuid) for source in direct)
    for each in sources:
        view = views.get(each.reader or "")
        if view is None:
            continue
        yield Flow(each.dataset.uuid, view)
        if each.dataset.uuid not in direct:
            yield from (Flow(each.dataset.uuid, target.uuid, view) for target in changed)


def flows_of_commit(unit: CatalogUnit, loaded_before: Iterable[str], written: Iterable[str]) -> list[Flow]:
    """Return the edges that a commit of a process makes.

    Args:
        unit: the process.
        loaded_before: UUIDs of the tables that it loaded before the commit.
        written: UUIDs of the tables to which the commit brought rows.
    """
    sources, inferred = list(loaded_before), not unit.is_one_workload
    return _distinct(Flow(source, target, None, inferred) for target in written for source in sources)


def flows_of_view(view: Dataset, sources: Iterable[Dataset]) -> list[Flow]:
    """Return the edges from what the text of a view names to the view."""
    return _distinct(Flow(each.uuid, view.uuid) for each in sources)


def _distinct(flows: Iterable[Flow]) -> list[Flow]:
    """Return at most so many, each pair once, none from a table to itself, in the order of their tables."""
    found: dict[tuple[str, str], Flow] = {}
    for flow in flows:
        if flow.source != flow.target:
            found.setdefault((flow.source, flow.target), flow)
        if len(found) >= MAX_FLOWS:
            break
    return [found[pair] for pair in sorted(found)]
