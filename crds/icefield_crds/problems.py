"""Pure: what of an execution can never run, whoever gives it, in words; the same for REST and kubectl."""

from __future__ import annotations

from .environment import environment_problem, parameter_variable
from .execution import MAX_NAME_LENGTH, Execution
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
    )


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
