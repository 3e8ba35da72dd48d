"""Pure: what of an execution can never run, whoever gives it, in words; the same for REST and kubectl."""

from __future__ import annotations

from .environment import environment_problem
from .execution import Execution
from .stored_size import files_problem


def execution_problem(execution: Execution, env: str = "env") -> str | None:
    """Return the first thing that is wrong with an execution besides its DAG, or None.

    Args:
        execution: what is to run.
        env: what the reader of the words calls the field `env`.
    """
    return files_problem(execution) or _paths_problem(execution) or environment_problem(execution, env)


def _paths_problem(execution: Execution) -> str | None:
    paths = {file.path for file in execution.files}
    for path in sorted(paths):
        parts = path.split("/")
        folders = ("/".join(parts[:end]) for end in range(1, len(parts)))
        if folder := next((folder for folder in folders if folder in paths), None):
            return f"field files has {folder} both as a file and, with {path}, as a folder"
    return None
