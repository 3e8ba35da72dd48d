"""How far a task's container has come, as its pod tells."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_operator.logs.attempt import Attempt, ContainerState, container_state


def pod(phase: str, state: dict[str, Any] | None) -> dict[str, Any]:
    """Return a task pod in this phase whose task container is in this state."""
    containers = [{"name": "sidecar", "state": {"running": {}}}]
    if state is not None:
        containers.append({"name": "task", "state": state})
    return {"metadata": {"name": "p", "namespace": "n"}, "status": {"phase": phase, "containerStatuses": containers}}


RAN = {"terminated": {"exitCode": 1, "containerID": "containerd://abc", "startedAt": "2026-03-01T10:00:00Z"}}


@pytest.mark.parametrize(
    ("phase", "state", "expected"),
    [
        ("Pending", None, ContainerState.NOT_STARTED),
        ("Pending", {"waiting": {"reason": "ImagePullBackOff"}}, ContainerState.NOT_STARTED),
        ("Running", {"running": {"startedAt": "2026-03-01T10:00:00Z"}}, ContainerState.STARTED),
        ("Running", RAN, ContainerState.ENDED),
        ("Succeeded", RAN, ContainerState.ENDED),
        ("Failed", {"running": {}}, ContainerState.ENDED),
        ("Failed", None, ContainerState.NEVER_STARTED),
        ("Failed", {"waiting": {"reason": "PodInitializing"}}, ContainerState.NEVER_STARTED),
        ("Failed", {"terminated": {"exitCode": 137}}, ContainerState.NEVER_STARTED),
    ],
)
def test_container_state(phase: str, state: dict[str, Any] | None, expected: ContainerState) -> None:
    assert container_state(pod(phase, state)) is expected


def test_an_attempt_is_read_from_labels_and_owner() -> None:
    labels = {"icefield.dev/workspace": "demo", "icefield.dev/task": "load", "icefield.dev/attempt": "2"}
    labels["icefield.dev/workspace-uid"] = "w-1"
    task_pod = {
        "metadata": {
            "name": "r-load-2",
            "namespace": "icefield-demo",
            "labels": labels,
            "ownerReferences": [{"kind": "Run", "name": "r", "uid": "u-1"}],
        }
    }
    attempt = Attempt.of(task_pod)
    assert attempt == Attempt("icefield-demo", "r-load-2", "demo", "r", "u-1", "load", 2, "w-1")
    assert attempt.prefix == "logs/demo/u-1/load/2"


def test_other_pods_are_no_attempts() -> None:
    assert Attempt.of({"metadata": {"name": "p", "namespace": "n"}}) is None
