"""Checks of what a job or a run executes, each problem as one sentence for the caller. Pure.

Kubernetes refuses most of it too (the schema's CEL rules), and the operator the rest (cycles); but a caller of the REST
API gets the answer at once, and in the words of the REST API.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from icefield_crds import Execution, Task
from icefield_crds.dag import cycle, unknown_dependency
from icefield_crds.problems import execution_problem


def problem_of_execution(spec: Execution) -> str | None:
    """Return what is wrong with an execution, or None."""
    if problem := execution_problem(spec, "env_vars"):
        return f"{problem[0].upper()}{problem[1:]}."
    return problem_of_tasks(spec.tasks or [])


def problem_of_tasks(tasks: Sequence[Task]) -> str | None:
    """Return what is wrong with a DAG (a duplicate key, an unknown dependency, a cycle), or None."""
    keys = Counter(task.key for task in tasks)
    if twice := next((key for key, count in keys.items() if count > 1), None):
        return f"Two tasks have the key {twice}."
    for task in tasks:
        if task.key in task.depends_on:
            return f"Task {task.key} depends on itself."
    if unknown := unknown_dependency(tasks):
        return f"Task {unknown[0]} depends on {unknown[1]}, which is not a task of this job."
    if path := cycle(tasks):
        return f"The tasks depend on each other in a cycle: {' -> '.join(path)}."
    return None


def flavors_of(spec: Execution) -> set[str]:
    """Return the names of the flavors that an execution requests."""
    return {flavor for flavor in (spec.flavor, *(task.flavor for task in spec.tasks or ())) if flavor}
