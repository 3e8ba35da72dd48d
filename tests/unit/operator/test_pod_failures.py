"""Why a pod ended, in the same words for every kind, as a table."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_operator import pod_failures

DISRUPTED = {"type": "DisruptionTarget", "status": "True", "message": "taint manager"}


def _pod(memory: str | None = "512Mi", **status: Any) -> dict[str, Any]:
    limits = {"limits": {"memory": memory}} if memory else {}
    return {
        "spec": {"initContainers": [], "containers": [{"name": "main", "resources": limits}]},
        "status": status,
    }


@pytest.mark.parametrize(
    ("terminated", "memory", "expected"),
    [
        ({"reason": "OOMKilled"}, "512Mi", "it ran out of memory (limit 512Mi)"),
        ({"reason": "OOMKilled"}, str(2 * 1024**3), "it ran out of memory (limit 2048Mi)"),
        ({"reason": "OOMKilled"}, None, "it ran out of memory (limit unknown)"),
        ({"reason": "Error", "exitCode": 137}, "512Mi", None),
        ({}, "512Mi", None),
    ],
)
def test_an_oom_kill(terminated: dict[str, Any], memory: str | None, expected: str | None) -> None:
    assert pod_failures.describe_oom_kill(_pod(memory), "main", terminated, "it") == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (0, "it ended with exit code 0"),
        (3, "it failed with exit code 3"),
        (137, "it failed with exit code 137 (killed by SIGKILL)"),
        (143, "it failed with exit code 143 (killed by SIGTERM)"),
        (126, "it failed with exit code 126 (a command cannot be executed)"),
        (127, "it failed with exit code 127 (a command does not exist)"),
    ],
)
def test_an_exit_code(code: int, expected: str) -> None:
    assert pod_failures.describe_exit({"exitCode": code}, "it") == expected


@pytest.mark.parametrize(
    ("code", "output", "expected"),
    [
        (1, "a\nno such day\n", "it failed with exit code 1: no such day"),
        (1, "", "it failed with exit code 1"),
        (
            127,
            "sh: 1: dtb: not found",
            "it failed with exit code 127 (a command does not exist): sh: 1: dtb: not found",
        ),
        (
            139,
            "Fatal Python error: Segmentation fault",
            "it failed with exit code 139 (killed by SIGSEGV): Fatal Python",
        ),
        (137, "row 7 of 10", "it failed with exit code 137 (killed by SIGKILL)"),
    ],
)
def test_a_failed_program(code: int, output: str, expected: str) -> None:
    described = pod_failures.describe_failed_program({"exitCode": code, "message": output}, "it")
    assert described.startswith(expected)
    assert ":" in expected or described == expected


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({}, None),
        ({"reason": "Evicted", "message": "Low on memory."}, "(Evicted): Low on memory."),
        ({"reason": "NodeShutdown"}, "(NodeShutdown)"),
        ({"conditions": [DISRUPTED]}, ": taint manager"),
        ({"conditions": [DISRUPTED | {"status": "False"}]}, None),
    ],
)
def test_a_disruption(status: dict[str, Any], expected: str | None) -> None:
    message = pod_failures.describe_disruption(_pod(**status))
    assert (message and message.removeprefix("the pod was ended by the cluster").strip()) == expected


@pytest.mark.parametrize(
    ("terminated", "expected"),
    [
        (None, None),
        ({"exitCode": 0}, None),
        ({"exitCode": 1, "reason": "Error"}, "the pod could not be prepared: Error"),
        ({"exitCode": 1, "reason": "Error", "message": "disk full"}, "the pod could not be prepared: disk full"),
    ],
)
def test_an_init_container_that_failed(terminated: dict[str, Any] | None, expected: str | None) -> None:
    state = {"terminated": terminated} if terminated else {"running": {}}
    pod = _pod(initContainerStatuses=[{"name": "init", "state": state}])
    assert pod_failures.describe_preparation_failure(pod) == expected


@pytest.mark.parametrize(
    ("reason", "message", "expected"),
    [
        ("Evicted", 'Usage of EmptyDir volume "tmp" exceeds the limit "8Gi".', True),
        ("Evicted", "Pod ephemeral local storage usage exceeds the total limit of containers 9Gi.", True),
        ("Evicted", 'Container a exceeded its local ephemeral storage limit "1Gi". ', True),
        ("Evicted", "The node was low on resource: memory.", False),
        ("Evicted", "The node was low on resource: ephemeral-storage. Container a was using 1Gi, request is 0.", False),
        ("DeadlineExceeded", "EmptyDir", False),
    ],
)
def test_local_storage(reason: str, message: str, expected: bool) -> None:
    assert pod_failures.exceeded_local_storage(_pod(reason=reason, message=message)) is expected
