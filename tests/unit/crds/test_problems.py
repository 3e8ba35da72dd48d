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
