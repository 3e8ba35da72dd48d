"""Where REST shows the attempts of a run."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.features.runs.schemas import detail_of, tasks_of
from icefield_crds import Run
from icefield_crds.names import API_VERSION

LOST = {"attempt": 0, "podName": "p0", "status": "failed", "error": "the pod was deleted", "disrupted": True}
DONE = {"attempt": 1, "podName": "p1", "status": "success", "exitCode": 0}


def run_of(key: str, spec: dict[str, Any]) -> Run:
    """Return a run whose only task was disrupted once."""
    status = {"phase": "success", "tasks": [{"key": key, "status": "success", "attempts": [LOST, DONE]}]}
    metadata = {"name": "r", "namespace": "icefield-demo", "uid": "u"}
    return Run.model_validate(
        {"apiVersion": API_VERSION, "kind": "Run", "metadata": metadata, "spec": spec, "status": status}
    )


@pytest.mark.parametrize("spec", [{"command": "true"}, {"polars": {"query": "SELECT 1"}}])
def test_a_run_without_tasks_has_its_attempts_itself(spec: dict[str, Any]) -> None:
    run = run_of("main", spec)
    attempts = detail_of(run, None, None).attempts or []
    assert [(each.attempt, each.disrupted, each.error) for each in attempts] == [
        (0, True, "the pod was deleted"),
        (1, False, None),
    ]
    assert tasks_of(run) == []


def test_the_tasks_of_a_dag_have_its_attempts() -> None:
    run = run_of("a", {"tasks": [{"key": "a", "command": "true"}]})
    assert detail_of(run, None, None).attempts is None
    assert [len(task.attempts) for task in tasks_of(run)] == [2]
