"""Which Events a status of a run brings about."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_crds import RunStatus
from icefield_operator.run.events import occurrences

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MISSING = 'the container cannot be started: secret "keys" not found; given up after 5 min'


def status(error: str | None, reason: str, *tasks: dict[str, Any]) -> RunStatus:
    """Return a status of a run."""
    ready = {"type": "Ready", "status": "False", "reason": reason, "message": "", "lastTransitionTime": NOW}
    return RunStatus.model_validate({"error": error, "tasks": tasks, "conditions": [ready]})


def task(key: str, phase: str, error: str | None = None) -> dict[str, Any]:
    """Return the state of a task."""
    return {"key": key, "status": phase, "error": error}


WAITING = status(f"task a: {MISSING}", "Pending", task("a", "pending", MISSING), task("b", "pending"))
FAILED = status(
    "task a: the command failed with exit code 1: ValueError: no such day",
    "TaskFailed",
    task("a", "failed", "the command failed with exit code 1: ValueError: no such day"),
    task("b", "skipped", "task a failed"),
)
NO_FLAVOR = status("there is no flavor gpu.9; there are: cpu.1", "FlavorNotFound")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, status(None, "Pending", task("a", "pending")), []),
        (None, WAITING, [("TaskWaiting", f"task a: {MISSING}")]),
        (WAITING, WAITING, []),
        (WAITING, FAILED, [("TaskFailed", "task a: the command failed with exit code 1: ValueError: no such day")]),
        (FAILED, FAILED, []),
        (None, NO_FLAVOR, [("FlavorNotFound", "there is no flavor gpu.9; there are: cpu.1")]),
        (NO_FLAVOR, NO_FLAVOR, []),
        (None, status("waiting for its turn: max_running_runs=1, current=1", "QuotaExceeded"), []),
        (None, status("replaced by run b", "Replaced"), []),
        (None, status(None, "Running", task("a", "running", "node n does not respond")), []),
    ],
)
def test_what_is_new_is_told(before: RunStatus | None, after: RunStatus, expected: list[tuple[str, str]]) -> None:
    assert [tuple(each) for each in occurrences(before, after)] == expected
