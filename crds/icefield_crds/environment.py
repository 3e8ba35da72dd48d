"""Pure: the variables that a run's parameters become, and what the arguments and environment of a process may hold.

Linux gives a process one string of at most 128 KiB for each argument and variable (MAX_ARG_STRLEN, 32 pages), its name
and the final NUL included, and a quarter of its stack, by default 2 MiB, for all of them (execve(2), "Limits on size of
arguments and environment"). What exceeds it, no container runtime can start; nor can a string have NUL in it, which is
where it ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import chain

from .execution import EnvVar, Execution

PARAMETERS_VARIABLE = "ICEFIELD_PARAMS"
MAX_STRING_BYTES = 128 * 1024 - 1
"""One argument, or one variable as `NAME=value`, without its NUL."""
MAX_TOTAL_BYTES = 1024 * 1024
"""The command and all variables of a task that its author gives: the platform's own, and those of Secrets, come on top,
and Kubernetes stores no pod of more than about 1.5 MiB."""

_RESERVED_FOR_COMMAND = 1024
"""What the platform puts before a command."""
_NOT_IN_VARIABLE = re.compile(r"[^A-Z0-9_]")


def parameter_variable(name: str) -> str:
    """Return the name of the variable that a parameter becomes; several may become the same one."""
    return f"PARAM_{_NOT_IN_VARIABLE.sub('_', name.upper())}"


def parameter_variables(params: dict[str, str]) -> dict[str, str]:
    """Return a run's parameters as variables: each by its name, and all of them as JSON."""
    variables = {parameter_variable(name): value for name, value in params.items()}
    return variables | {PARAMETERS_VARIABLE: json.dumps(params, sort_keys=True)}


def environment_problem(execution: Execution, env: str = "env") -> str | None:
    """Return what of an execution no process can be given, in words; None when there is nothing.

    Args:
        execution: what is to run.
        env: what the reader of the words calls the field `env`.
    """
    return _nul_problem(execution, env) or _size_problem(execution, env)


def _nul_problem(execution: Execution, env: str) -> str | None:
    """Return which field has a NUL; the text of files may, and of a parameter's name the variable does not have it."""
    texts = chain(
        ((f"params.{name}", value) for name, value in execution.params.items()),
        _texts_of("", execution.command, execution.env, env),
        *(_texts_of(f" of task {task.key}", task.command, task.env, env) for task in execution.tasks or ()),
    )
    field = next((field for field, text in texts if "\0" in text), None)
    return field and f"field {field} has a NUL character in it, which no process can be given"


def _texts_of(of_task: str, command: str | None, variables: Iterable[EnvVar], env: str) -> Iterator[tuple[str, str]]:
    yield f"command{of_task}", command or ""
    for variable in variables:
        yield f"{env}.{variable.name}{of_task}", variable.value or ""


def _size_problem(execution: Execution, env: str) -> str | None:
    for name, value in execution.params.items():
        if _size(parameter_variable(name), value) > MAX_STRING_BYTES:
            return f"field params.{name} is longer than {_MOST}; {_INTO_FILES}"
    variables = parameter_variables(execution.params)
    if _size(PARAMETERS_VARIABLE, variables[PARAMETERS_VARIABLE]) > MAX_STRING_BYTES:
        return f"field params is as JSON longer than {_MOST}; {_INTO_FILES}"
    shared = sum(_size(name, value) for name, value in variables.items())
    return _size_problem_of("", execution.command, execution.env, shared, env) or next(
        (
            problem
            for task in execution.tasks or ()
            if (
                problem := _size_problem_of(
                    f" of task {task.key}", task.command, [*execution.env, *task.env], shared, env
                )
            )
        ),
        None,
    )


def _size_problem_of(
    of_task: str, command: str | None, variables: Iterable[EnvVar], shared: int, env: str
) -> str | None:
    length = len((command or "").encode())
    if length + _RESERVED_FOR_COMMAND > MAX_STRING_BYTES:
        return f"field command{of_task} is longer than {_MOST}; put it into a file"
    values = {variable.name: variable.value or "" for variable in variables}
    for name, value in values.items():
        if _size(name, value) > MAX_STRING_BYTES:
            return f"field {env}.{name}{of_task} is longer than {_MOST}; {_INTO_FILES}"
    total = length + shared + sum(_size(name, value) for name, value in values.items())
    if total > MAX_TOTAL_BYTES:
        return (
            f"fields command, {env} and params{of_task} have {total} bytes together, more than the "
            f"{MAX_TOTAL_BYTES} that are allowed; put large values into files or the object store"
        )
    return None


def _size(name: str, value: str) -> int:
    return len(f"{name}={value}".encode())


_MOST = f"{(MAX_STRING_BYTES + 1) // 1024} KiB, the most that a process can be given"
_INTO_FILES = "put large values into a file"
