"""Pure: what of an execution can never run, whoever gives it, in words; the same for REST and kubectl."""

from __future__ import annotations

from collections.abc import Iterable

from .environment import environment_problem, parameter_variable
from .execution import MAX_NAME_LENGTH, Execution
from .requirements import MAX_REQUIREMENTS, lock_problem
from .stored_size import files_problem


def execution_problem(execution: Execution, env: str = "env") -> str | None:
    """Return the first thing that is wrong with an execution besides its DAG, or None.

    Args:
        execution: what is to run.
        env: what the reader of the words calls the field `env`.
    """
    return (
        files_problem(execution)
        or _paths_problem(execution)
        or _parameters_problem(execution)
        or environment_problem(execution, env)
        or _requirements_problem(execution)
    )


def _requirements_problem(execution: Execution) -> str | None:
    if problem := _lock_problem(execution.requirements, execution.lock):
        return problem
    for task in execution.tasks or ():
        if problem := _lock_problem(task.requirements, task.lock):
            return f"{problem} (task {task.key})"
        if execution.lock and task.requirements:
            return f"field requirements of task {task.key} cannot be added to the lock of the job; give the task a lock"
        if len(execution.requirements) + len(task.requirements) > MAX_REQUIREMENTS:
            return f"task {task.key} has more than {MAX_REQUIREMENTS} requirements, those of the job included"
    return None


def _lock_problem(requirements: list[str], lock: str | None) -> str | None:
    if lock and requirements:
        return "give either requirements or lock: a lock is complete"
    return lock_problem(lock or "")


def describe_missing_flavor(name: str, known: Iterable[str]) -> str:
    """Return that there is no Flavor of a name, and which there are."""
    return f"there is no flavor {name}; there are: {', '.join(sorted(known)) or 'none'}"


def _paths_problem(execution: Execution) -> str | None:
    paths = {file.path for file in execution.files}
    for path in sorted(paths):
        parts = path.split("/")
        folders = ("/".join(parts[:end]) for end in range(1, len(parts)))
        if folder := next((folder for folder in folders if folder in paths), None):
            return f"field files has {folder} both as a file and, with {path}, as a folder"
    return None


def _parameters_problem(execution: Execution) -> str | None:
    by_variable: dict[str, str] = {}
    for name in execution.params:
        if not 0 < len(name) <= MAX_NAME_LENGTH:
            return f"field params has a name of {len(name)} characters; it may have 1 to {MAX_NAME_LENGTH}"
        variable = parameter_variable(name)
        if variable in by_variable:
            return f"field params has {by_variable[variable]} and {name}, which are both {variable} in a task"
        by_variable[variable] = name
    return None
