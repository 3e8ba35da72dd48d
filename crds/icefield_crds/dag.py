"""What makes a DAG of tasks one: known dependencies, and no cycle. Pure, and the same for REST and kubectl."""

from __future__ import annotations

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from .execution import Task


def unknown_dependency(tasks: Sequence[Task]) -> tuple[str, str] | None:
    """Return (key of a task, what it depends on) for a dependency that is no task; None when all are known."""
    keys = {task.key for task in tasks}
    return next(((task.key, key) for task in tasks for key in task.depends_on if key not in keys), None)


def cycle(tasks: Sequence[Task]) -> list[str] | None:
    """Return the keys along one cycle of dependencies, its first key again at the end; None when there is none.

    `a -> b` reads: a depends on b.
    """
    try:
        TopologicalSorter({task.key: task.depends_on for task in tasks}).prepare()
    except CycleError as error:
        path: list[str] = error.args[1]
        return path[::-1]
    return None


def in_order(tasks: Sequence[Task]) -> list[Task]:
    """Return every task after all that it depends on.

    Raises:
        graphlib.CycleError: the tasks depend on each other.
    """
    by_key = {task.key: task for task in tasks}
    sorter = TopologicalSorter({task.key: task.depends_on for task in tasks})
    return [by_key[key] for key in sorter.static_order()]
