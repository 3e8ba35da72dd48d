"""What of an execution can never run, besides what no process can be given."""

from __future__ import annotations

import pytest

from icefield_crds import Execution
from icefield_crds.problems import execution_problem


@pytest.mark.parametrize(
    ("paths", "problem"),
    [
        (["a", "b", "a.py", "lib/a", "lib/b", "a-b/c"], None),
        (["a", "a/b"], "field files has a both as a file and, with a/b, as a folder"),
        (["a/b/c/d", "a/b"], "field files has a/b both as a file and, with a/b/c/d, as a folder"),
    ],
)
def test_a_path_is_a_file_or_a_folder(paths: list[str], problem: str | None) -> None:
    files = [{"path": path, "content": ""} for path in paths]
    assert execution_problem(Execution.model_validate({"command": "x", "files": files})) == problem


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["a", "b", "a_b", "a1", "x" * 253], None),
        (["a", "b", "A"], "field params has a and A, which are both PARAM_A in a task"),
        (["run-day", "run.day"], "field params has run-day and run.day, which are both PARAM_RUN_DAY in a task"),
        ([""], "field params has a name of 0 characters; it may have 1 to 253"),
        (["x" * 254], "field params has a name of 254 characters; it may have 1 to 253"),
    ],
)
def test_each_parameter_has_a_variable_of_its_own(names: list[str], problem: str | None) -> None:
    execution = Execution.model_validate({"command": "x", "params": dict.fromkeys(names, "1")})
    assert execution_problem(execution) == problem
