"""What can be asked for, and what is refused in words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from icefield_crds import Execution
from icefield_crds.problems import execution_problem
from icefield_crds.requirements import Requirement, requirements_of

ADAPTER: TypeAdapter[str] = TypeAdapter(Requirement)
HASHED = "humanize==4.15.0 \\\n    --hash=sha256:" + "a" * 64 + "\n    # via -r requirements.in\n"


@pytest.mark.parametrize(
    "line",
    [
        "humanize",
        "humanize>=4,<5",
        "scikit-learn [alldeps] ~=1.7 ; python_version >= '3.11'",
        "polars[numpy,pandas]==2.*",
        "a (>=1)",
        "mine @ https://files.example/mine-1-py3-none-any.whl",
    ],
)
def test_a_requirement(line: str) -> None:
    assert ADAPTER.validate_python(line) == line


@pytest.mark.parametrize(
    "line",
    [
        "",
        "-r more.txt",
        "--index-url https://files.example",
        "-e .",
        "./mine",
        "/etc/mine",
        "mine @ file:///etc/mine",
        "mine @ https://me:secret@files.example/mine.whl",
        "git+https://files.example/mine",
        "a\nb",
        "a; b\nc",
        "a --hash=sha256:0",
    ],
)
def test_what_is_none(line: str) -> None:
    with pytest.raises(ValidationError):
        ADAPTER.validate_python(line)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"requirements": ["a"], "lock": HASHED}, "either requirements or lock"),
        ({"lock": "a==1"}, "should be a pylock.toml, or requirements with hashes"),
        ({"lock": 'version = 1\n[[package]]\nname = "a"\n'}, "uv export --format pylock.toml"),
        ({"lock": HASHED + "--index-url x\n"}, "has the option --index-url"),
        ({"lock": HASHED + "-e .\n"}, "has the option -e"),
        ({"lock": HASHED, "tasks": [{"key": "t", "command": "x", "requirements": ["a"]}]}, "of task t cannot be added"),
        (
            {
                "requirements": ["a"] * 60,
                "tasks": [{"key": "t", "command": "x", "requirements": ["a"] * 60}],
            },
            "task t has more than 100 requirements",
        ),
        ({"lock": HASHED}, None),
        ({"lock": 'lock-version = "1.0"\n'}, None),
        ({"lock": HASHED, "tasks": [{"key": "t", "command": "x", "lock": HASHED}]}, None),
        ({"requirements": ["a"], "tasks": [{"key": "t", "command": "x", "requirements": ["b"]}]}, None),
    ],
)
def test_what_of_an_execution_cannot_be_built(spec: dict[str, Any], words: str | None) -> None:
    problem = execution_problem(Execution.model_validate(spec))
    assert problem is None if words is None else words in (problem or "")


def test_the_order_of_requirements_means_nothing() -> None:
    assert requirements_of(["b", "a", "b"], None) == requirements_of(["a", "b"], None)
    assert requirements_of([], None) is None
    assert requirements_of([], "") is None
