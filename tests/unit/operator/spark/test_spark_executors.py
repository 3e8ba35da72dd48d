"""What executors wait for, and which are orphaned."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_operator.spark.executors import describe_waiting, is_orphaned

NOW = datetime(2026, 3, 1, 10, 0, 30, tzinfo=UTC)
NO_ROOM = {
    "type": "PodScheduled",
    "status": "False",
    "message": "0/1 nodes are available: 1 Insufficient memory. preemption: 0/1 nodes are available.",
}


def _executor(seconds_old: int = 25, *, phase: str = "Pending", driver: str = "d", **status: Any) -> dict[str, Any]:
    created = f"2026-03-01T10:00:{30 - seconds_old:02d}Z"
    owner = {"kind": "Pod", "uid": driver}
    return {
        "metadata": {"name": "e", "uid": "e", "creationTimestamp": created, "ownerReferences": [owner]},
        "status": {"phase": phase, **status},
    }


def _driver(phase: str, uid: str = "d") -> dict[str, Any]:
    return {"metadata": {"uid": uid}, "spec": {"nodeName": "n1"}, "status": {"phase": phase}}


def _deleted(deletion_timestamp: str) -> dict[str, Any]:
    driver = _driver("Running")
    return driver | {"metadata": driver["metadata"] | {"deletionTimestamp": deletion_timestamp}}


def test_executors_without_room_say_so_after_a_while() -> None:
    waiting = _executor(conditions=[NO_ROOM])
    running = _executor(phase="Running")
    expected = "2 of 3 executors: waiting for room in the cluster: 0/1 nodes are available: 1 Insufficient memory."
    assert describe_waiting([running, waiting, waiting], NOW) == expected
    assert describe_waiting([_executor(5, conditions=[NO_ROOM])], NOW) is None
    assert describe_waiting([running, _executor()], NOW) is None


def test_an_image_that_cannot_be_pulled_is_told() -> None:
    state = {"waiting": {"reason": "ErrImageNeverPull", "message": "not there"}}
    pod = _executor(containerStatuses=[{"name": "executor", "state": state}])
    pod["spec"] = {"containers": [{"name": "executor", "image": "warehouse:1"}]}
    assert describe_waiting([pod], NOW) == "1 of 1 executors: image warehouse:1 cannot be pulled: not there"


@pytest.mark.parametrize(
    ("drivers", "left"),
    [
        ([_driver("Running")], False),
        ([_driver("Failed")], True),
        ([_driver("Succeeded")], True),
        # Its node does not respond.
        ([_deleted("2026-03-01T10:00:01Z")], False),
        ([_deleted("2026-03-01T09:59:59Z")], True),
        # A second attempt goes on; what is left of the first one goes.
        ([_driver("Failed"), _driver("Running", "another")], True),
        ([_driver("Failed", "another")], False),
    ],
)
def test_executors_go_with_their_own_driver(drivers: list[dict[str, Any]], left: bool) -> None:
    assert is_orphaned(_executor(), drivers, NOW) is left


def test_one_that_leaves_is_left_alone() -> None:
    leaving = _executor()
    leaving["metadata"]["deletionTimestamp"] = "2026-03-01T10:00:00Z"
    assert not is_orphaned(leaving, [_driver("Failed")], NOW)
