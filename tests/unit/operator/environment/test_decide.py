"""What is done for an environment, as a table."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_operator.environment.decide import BUILDING, Step, decide

BEFORE, ENDED, AFTER = (datetime(2026, 1, 1, hour, tzinfo=UTC) for hour in (1, 2, 3))
NO_VERSION = "Because there is no version of humanize==99 and you require humanize==99, it cannot be met."


def _pod(phase: str, container: str = "build", code: int = 0, **more: Any) -> dict[str, Any]:
    ended = {"exitCode": code, "finishedAt": ENDED.isoformat(), "reason": "Error" if code else "Completed", **more}
    statuses = [{"name": container, "state": {"terminated": ended}}]
    field = "containerStatuses" if container == "store" else "initContainerStatuses"
    return {"metadata": {}, "spec": {"containers": []}, "status": {"phase": phase, field: statuses}}


RUNNING: dict[str, Any] = {"metadata": {}, "spec": {"containers": []}, "status": {"phase": "Running"}}
PULLING = {
    "metadata": {},
    "spec": {"containers": [], "initContainers": [{"name": "build", "image": "acme/etl:1"}]},
    "status": {
        "phase": "Pending",
        "initContainerStatuses": [
            {"name": "build", "state": {"waiting": {"reason": "ErrImagePull", "message": "not found"}}}
        ],
    },
}
EVICTED = {
    "metadata": {},
    "spec": {"containers": []},
    "status": {"phase": "Failed", "reason": "Evicted", "message": "x"},
}
LATE = {"metadata": {}, "spec": {"containers": []}, "status": {"phase": "Failed", "reason": "DeadlineExceeded"}}


@pytest.mark.parametrize(
    ("is_stored", "builder", "requested_at", "step", "words"),
    [
        (True, None, AFTER, Step.USE, ""),
        (True, _pod("Failed", code=1), AFTER, Step.USE, ""),
        (False, None, AFTER, Step.BUILD, BUILDING),
        (False, RUNNING, AFTER, Step.WAIT, BUILDING),
        (False, PULLING, AFTER, Step.WAIT, f"{BUILDING}: image acme/etl:1 cannot be pulled: not found"),
        (False, {**RUNNING, "metadata": {"deletionTimestamp": "now"}}, AFTER, Step.WAIT, BUILDING),
        (False, _pod("Succeeded", "store"), AFTER, Step.DISCARD, BUILDING),
        (False, EVICTED, BEFORE, Step.DISCARD, BUILDING),
        (False, _pod("Failed", code=1, message=NO_VERSION), AFTER, Step.DISCARD, BUILDING),
        (
            False,
            _pod("Failed", code=1, message=NO_VERSION),
            BEFORE,
            Step.FAIL,
            f"its environment cannot be built: {NO_VERSION}",
        ),
        (
            False,
            _pod("Failed", "store", 1),
            BEFORE,
            Step.FAIL,
            "its environment cannot be built: it failed with exit code 1",
        ),
        (
            False,
            _pod("Failed", code=137, reason="OOMKilled"),
            BEFORE,
            Step.FAIL,
            "its environment cannot be built: it ran out of memory",
        ),
        (False, LATE, BEFORE, Step.FAIL, "its environment cannot be built: it took longer than 1800 s"),
    ],
)
def test_what_is_done(
    is_stored: bool, builder: dict[str, Any] | None, requested_at: datetime, step: Step, words: str
) -> None:
    assert decide(is_stored=is_stored, builder=builder, requested_at=requested_at) == (step, words)
