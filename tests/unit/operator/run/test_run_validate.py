"""What keeps a run from starting its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_crds import Flavor, Reason, Run, Workspace
from icefield_crds.names import API_VERSION
from icefield_operator.run import resolve, validate
from icefield_operator.run.resolve import RunFacts

WORKSPACE = Workspace.model_validate(
    {"apiVersion": API_VERSION, "kind": "Workspace", "metadata": {"name": "demo", "uid": "w"}, "spec": {}}
)
SMALL = Flavor.model_validate({"metadata": {"name": "small"}, "spec": {"cpu": "1", "memory": "1Gi"}})
TASKS = [
    {"key": "a", "command": "true", "flavor": "large"},
    {"key": "b", "command": "true", "flavor": "small", "dependsOn": ["a"]},
]


def _facts(status: dict[str, Any] | None) -> RunFacts:
    metadata = {"name": "r", "namespace": "icefield-demo", "uid": "u"}
    run = Run.model_validate({"metadata": metadata, "spec": {"tasks": TASKS}, "status": status})
    tasks = resolve.tasks_of(run.spec, WORKSPACE)
    return RunFacts(run, WORKSPACE, None, run.spec, tasks, {"small": SMALL})


@pytest.mark.parametrize(
    ("phase", "is_missed"), [(None, True), ("pending", True), ("running", True), ("success", False), ("failed", False)]
)
def test_a_flavor_is_needed_until_its_task_has_ended(phase: str | None, is_missed: bool) -> None:
    """One that is deleted while a run goes on must not keep the rest of the run from starting."""
    tasks = [{"key": "a", "status": phase}, {"key": "b", "status": "pending"}]
    problem = validate.find_problem(_facts({"phase": "running", "tasks": tasks} if phase else None))
    assert (problem is not None and problem.reason is Reason.FLAVOR_NOT_FOUND) is is_missed


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"tasks": [{"key": "a", "command": "x", "flavor": "small", "env": [{"name": "A", "value": "\0"}]}]},
            "field env.A of task a has a NUL character in it, which no process can be given",
        ),
        (
            {"command": "x", "flavor": "small", "files": [{"path": path, "content": ""} for path in ("a", "a/b")]},
            "field files has a both as a file and, with a/b, as a folder",
        ),
    ],
)
def test_what_can_never_start_has_failed(spec: dict[str, Any], message: str) -> None:
    run = Run.model_validate({"metadata": {"name": "r", "namespace": "icefield-demo", "uid": "u"}, "spec": spec})
    tasks = resolve.tasks_of(run.spec, WORKSPACE)
    problem = validate.find_problem(RunFacts(run, WORKSPACE, None, run.spec, tasks, {"small": SMALL}))
    assert problem == validate.RunProblem(Reason.INVALID_SPEC, message, final=True)


def test_a_run_without_room_for_its_status_cannot_start_and_goes_on_once_it_has() -> None:
    tasks = [{"key": f"t{n}", "command": "x" * 30_000} for n in range(44)]
    started = {"phase": "running", "tasks": [{"key": "t0", "status": "running"}]}
    problems = []
    for status in (None, started):
        metadata = {"name": "r", "namespace": "icefield-demo", "uid": "u"}
        run = Run.model_validate({"metadata": metadata, "spec": {"tasks": tasks, "flavor": "small"}, "status": status})
        found = resolve.tasks_of(run.spec, WORKSPACE)
        problems.append(validate.find_problem(RunFacts(run, WORKSPACE, None, run.spec, found, {"small": SMALL})))
    assert problems[0]
    assert problems[0].final
    assert "more than the 1310720 that are allowed" in problems[0].message
    assert problems[1] is None
