"""What no process can be given, at the limits of Linux."""

from __future__ import annotations

import subprocess
from typing import Any

import pytest

from icefield_crds import Execution
from icefield_crds.environment import MAX_STRING_BYTES, environment_problem, parameter_variables

LONG = 32768


@pytest.mark.parametrize(
    ("execution", "problem"),
    [
        ({"command": "true"}, None),
        ({"command": "true", "params": {"a": "x" * LONG, "b": "x" * LONG, "c": "x" * LONG}}, None),
        ({"command": "true", "params": {f"p{n}": "x" * 30000 for n in range(5)}}, "field params is as JSON longer"),
        ({"command": "true", "params": {"a": "\u20ac" * 20000}}, None),
        ({"command": "true", "params": {"a": "\u20ac" * 25000}}, "field params is as JSON longer"),
        ({"command": "true", "params": {"a": "\U0001f600" * LONG}}, "field params.a is longer than 128 KiB"),
        ({"command": "\U0001f600" * LONG}, "field command is longer than 128 KiB"),
        (
            {"command": "true", "env": [{"name": "A", "value": "\U0001f600" * LONG}]},
            "field env.A is longer than 128 KiB",
        ),
        (
            {"command": "true", "env": [{"name": f"V{n}", "value": "x" * 30000} for n in range(60)]},
            "fields command, env and params have 1800",
        ),
        (
            {
                "tasks": [{"key": "t", "command": "true", "env": [{"name": "A", "value": "x" * 30000}]}],
                "env": [{"name": f"V{n}", "value": "x" * 30000} for n in range(34)],
            },
            "fields command, env and params of task t have",
        ),
        ({"tasks": [{"key": "t", "command": "\U0001f600" * LONG}]}, "field command of task t is longer"),
        (
            {
                "tasks": [{"key": "t", "command": "true", "env": [{"name": "V0", "value": ""}]}],
                "env": [{"name": f"V{n}", "value": "x" * 30000} for n in range(34)],
            },
            None,
        ),
    ],
)
def test_what_is_too_large(execution: dict[str, Any], problem: str | None) -> None:
    found = environment_problem(Execution.model_validate(execution))
    assert found is None if problem is None else (found or "").startswith(problem)


@pytest.mark.parametrize(
    ("execution", "field"),
    [
        ({"command": "a\0b"}, "command"),
        ({"command": "x", "params": {"day": "\0"}}, "params.day"),
        ({"command": "x", "env": [{"name": "A", "value": "a\0"}]}, "env.A"),
        ({"tasks": [{"key": "t", "command": "\0a"}]}, "command of task t"),
        ({"tasks": [{"key": "t", "command": "x", "env": [{"name": "A", "value": "\0"}]}]}, "env.A of task t"),
    ],
)
def test_no_process_can_be_given_nul(execution: dict[str, Any], field: str) -> None:
    problem = environment_problem(Execution.model_validate(execution))
    assert problem == f"field {field} has a NUL character in it, which no process can be given"
    with pytest.raises(ValueError, match="embedded null byte"):
        subprocess.run(["/bin/true", "a\0b"], check=True)


def test_the_text_of_a_file_and_the_name_of_a_parameter_may_have_nul() -> None:
    execution = {"command": "x", "files": [{"path": "a", "content": "a\0b"}], "params": {"a\0b": "1"}}
    assert environment_problem(Execution.model_validate(execution)) is None
    assert not any("\0" in text for pair in parameter_variables({"a\0b": "1"}).items() for text in pair)


def test_linux_takes_the_longest_variable_and_no_longer_one() -> None:
    value = "x" * (MAX_STRING_BYTES - len("PARAM_A="))
    subprocess.run(["/bin/true"], env={"PARAM_A": value}, check=True)
    with pytest.raises(OSError, match="Argument list too long"):
        subprocess.run(["/bin/true"], env={"PARAM_A": value + "x"}, check=True)


def test_parameters_become_variables() -> None:
    assert parameter_variables({"run-day": "1"}) == {"PARAM_RUN_DAY": "1", "ICEFIELD_PARAMS": '{"run-day": "1"}'}
