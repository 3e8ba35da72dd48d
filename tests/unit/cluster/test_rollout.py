"""What a rollout waits for, and when it fails."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_cluster.install.rollout import problem, unfinished


def workload(**status: int) -> dict[str, Any]:
    done = {"observedGeneration": 2, "updatedReplicas": 1, "availableReplicas": 1, "replicas": 1}
    return {"metadata": {"name": "x", "generation": 2}, "spec": {"replicas": 1}, "status": {**done, **status}}


@pytest.mark.parametrize(
    ("status", "waits"),
    [
        ({}, False),
        ({"observedGeneration": 1}, True),
        ({"updatedReplicas": 0}, True),
        ({"availableReplicas": 0}, True),
        ({"replicas": 2}, True),
    ],
)
def test_a_workload_is_finished_when_only_new_pods_exist_and_are_available(status: dict[str, int], waits: bool) -> None:
    assert bool(unfinished([workload(**status)])) == waits


@pytest.mark.parametrize(
    ("status", "waits"),
    [
        ({}, False),
        ({"observedGeneration": 1}, True),
        ({"updatedNumberScheduled": 1}, True),
        ({"numberAvailable": 1}, True),
        ({"desiredNumberScheduled": 3}, True),
    ],
)
def test_a_daemon_set_is_finished_when_each_node_has_a_new_pod(status: dict[str, int], waits: bool) -> None:
    counts = dict.fromkeys(("desiredNumberScheduled", "updatedNumberScheduled", "numberAvailable"), 2)
    agent = {
        "metadata": {"name": "x", "generation": 2},
        "spec": {},
        "status": {"observedGeneration": 2, **counts, **status},
    }
    assert bool(unfinished([agent])) == waits


def pod(reason: str, restarts: int = 0) -> dict[str, Any]:
    state = {"waiting": {"reason": reason, "message": "why"}}
    return {
        "metadata": {"name": "p"},
        "status": {"containerStatuses": [{"name": "c", "state": state, "restartCount": restarts}]},
    }


@pytest.mark.parametrize(
    ("given", "patient", "expected"),
    [
        (pod("ContainerCreating"), False, ""),
        (pod("CrashLoopBackOff", 1), False, ""),
        (pod("CrashLoopBackOff", 4), True, "the container c of p keeps ending"),
        (pod("ImagePullBackOff"), True, ""),
        (pod("ImagePullBackOff"), False, "p: ImagePullBackOff: why"),
    ],
)
def test_a_pod_that_cannot_come_up_is_named(given: dict[str, Any], patient: bool, expected: str) -> None:
    assert problem(given, patient=patient) == expected
