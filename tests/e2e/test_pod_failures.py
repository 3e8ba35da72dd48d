"""What a real kubelet, an eviction and a mutating webhook do to the pods of tasks, and what their runs then say."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import labels
from icefield_crds.names import API_VERSION
from tests.e2e.injector import injecting, of_task
from tests.kubernetes_client import PODS, Kind
from tests.platform import Platform
from tests.workloads import Workloads, made_workspace

pytestmark = pytest.mark.e2e

FLAVORS: Kind = (API_VERSION, "flavors")
SMALL = {
    "cpu": "1",
    "memory": "64Mi",
    "ephemeralStorage": "32Mi",
    "requests": {"cpu": "10m", "memory": "32Mi"},
}
HOG = "head -c 256m /dev/zero | tail"
TOLD_SECONDS = 45
"""How soon a run says what keeps its pod from starting: its events are read after 5 s, and 30 s later once more."""
CANCEL_SECONDS = 30
"""How soon a run is cancelled whose pod does not start."""
TIMEOUT_SECONDS = 12
LATE_SECONDS = 30
"""How much later than its timeout a run ends whose pod does not start."""
CLOCK = timedelta(seconds=2)
"""How far times may be apart: Kubernetes rounds them to seconds."""
LINGER_SECONDS = 60
"""How soon a pod ends that outlives its task: 10 s that it may, its grace period, and the kubelet's time."""
UNSTARTABLE: dict[str, tuple[list[dict[str, Any]], str]] = {
    "secret-volume": (
        [
            {"op": "add", "path": "/spec/volumes/-", "value": {"name": "key", "secret": {"secretName": "absent"}}},
            {
                "op": "add",
                "path": "/spec/containers/0/volumeMounts/-",
                "value": {"name": "key", "mountPath": "/etc/key"},
            },
        ],
        'the pod cannot be started (FailedMount): MountVolume.SetUp failed for volume "key" : '
        'secret "absent" not found',
    ),
    "sysctl": (
        [
            {
                "op": "add",
                "path": "/spec/securityContext/sysctls",
                "value": [{"name": "net.ipv4.ip_unprivileged_port_start", "value": "many"}],
            }
        ],
        "the pod cannot be started (FailedCreatePodSandBox): Failed to create pod sandbox: ",
    ),
    "variable": (
        [
            {
                "op": "add",
                "path": "/spec/containers/0/env/-",
                "value": {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "absent", "key": "key"}}},
            }
        ],
        'the container cannot be started: secret "absent" not found',
    ),
}
"""By task key: what is done to its pod, and how its error then begins."""


def sidecar(image: str) -> dict[str, Any]:
    """A JSON patch that puts a container before the task's; it ends only when it is killed."""
    container = {
        "name": "proxy",
        "image": image,
        "command": ["sleep", "3600"],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "32Mi"}},
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    return {"op": "add", "path": "/spec/containers/0", "value": container}


@pytest.fixture(scope="module")
def place(platform: Platform) -> Iterator[Workloads]:
    """A workspace in which some pods are changed as they are created, by the key of their task."""
    made = made_workspace(platform, f"failures-{secrets.token_hex(3)}")
    proxy, absent = sidecar(platform.runtime_image), ["/absent/program"]
    injections = [
        *(of_task(key, proxy) for key in ("proxied-hog", "proxied-failure", "proxied-success")),
        *(of_task(key, *patch) for key, (patch, _) in UNSTARTABLE.items()),
        of_task("absent", {"op": "replace", "path": "/spec/containers/0/command", "value": absent}),
    ]
    with injecting(made.scenario, made.workspace, injections):
        yield made
    platform.administrator().delete(f"/workspaces/{made.workspace}").raise_for_status()


@pytest.fixture(scope="module")
def small(platform: Platform, place: Workloads) -> Iterator[str]:
    """A flavor with little of everything."""
    name = f"e2e-small-{secrets.token_hex(3)}"
    metadata = {"name": name}
    place.scenario.cluster.apply({"apiVersion": API_VERSION, "kind": "Flavor", "metadata": metadata, "spec": SMALL})
    yield name
    place.scenario.cluster.delete(FLAVORS, name)


def pods_of(place: Workloads, run_id: str) -> dict[str, dict[str, Any]]:
    """The pods of a run by the key of their task, the newest attempt of each."""
    name = place.rest.get(f"/runs/{run_id}").raise_for_status().json()["name"]
    found = place.scenario.cluster.list(PODS, place.namespace, f"{labels.RUN}={name}")
    found.sort(key=lambda pod: int(pod["metadata"]["labels"][labels.ATTEMPT]))
    return {pod["metadata"]["labels"][labels.TASK]: pod for pod in found}


def ends(place: Workloads, run_id: str) -> dict[str, tuple[Any, ...]]:
    """How each task of a run ended, by its key: status, error, exit code, retries, disruptions."""
    fields = ("status", "error", "exit_code", "retry_count", "disruptions")
    return {key: tuple(task[field] for field in fields) for key, task in place.scenario.tasks(run_id).items()}


def tells(key: str) -> Callable[[dict[str, Any]], bool]:
    """Whether a run tells what keeps the pod of this task from starting."""
    return lambda run: (run["error"] or "").startswith(UNSTARTABLE[key][1])


def until(is_reached: Callable[[], bool], timeout: float, what: str) -> float:
    """Wait for a condition; return after how many seconds it was reached."""
    begin = time.monotonic()
    while not is_reached():
        assert time.monotonic() - begin < timeout, what
        time.sleep(0.2)
    return time.monotonic() - begin


def test_the_end_of_a_task_counts_though_an_injected_container_runs_on(place: Workloads, small: str) -> None:
    commands = {"proxied-hog": HOG, "proxied-failure": "exit 3", "proxied-success": "true"}
    tasks = [{"key": key, "command": command, "flavor": small} for key, command in commands.items()]
    run_id = place.scenario.start(tasks=tasks)
    assert place.wait(run_id)["status"] == "failed"
    found = ends(place, run_id)
    assert found == {
        "proxied-hog": ("failed", "the task ran out of memory (limit 64Mi)", 137, 0, 0),
        "proxied-failure": ("failed", "the command failed with exit code 3", 3, 0, 0),
        "proxied-success": ("success", None, 0, 0, 0),
    }
    pods = pods_of(place, run_id)
    assert [len(pod["spec"]["containers"]) for pod in pods.values()] == [2, 2, 2]

    def have_ended() -> bool:
        return all(pod["status"]["phase"] in ("Failed", "Succeeded") for pod in pods_of(place, run_id).values())

    until(have_ended, LINGER_SECONDS, "a pod outlives its task")
    assert ends(place, run_id) == found


def test_an_evicted_task_is_started_again(place: Workloads) -> None:
    """As by `kubectl drain`, which evicts each pod of a node through the same API."""
    command = 'test "$ICEFIELD_ATTEMPT" = 1 || sleep 600'
    run_id = place.scenario.start(tasks=[{"key": "evicted", "command": command}])
    place.wait_until(run_id, lambda run: run["status"] == "running")
    pod = pods_of(place, run_id)["evicted"]["metadata"]["name"]
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": place.namespace},
    }
    place.scenario.kubectl(
        "create", "--raw", f"/api/v1/namespaces/{place.namespace}/pods/{pod}/eviction", "-f", "-", stdin=eviction
    )
    why = "the pod was ended by the cluster: Eviction API: evicting"
    run = place.wait_until(run_id, lambda run: run["error"] is not None)
    assert (run["status"], run["error"]) == ("running", why)
    assert place.wait(run_id)["status"] == "success"
    task = place.scenario.tasks(run_id)["evicted"]
    assert (task["retry_count"], task["disruptions"], task["exit_code"]) == (0, 1, 0)
    assert [(attempt["disrupted"], attempt["error"]) for attempt in task["attempts"]] == [(True, why), (False, None)]


def test_what_keeps_a_pod_from_starting_is_told_soon_and_the_run_can_be_cancelled(place: Workloads) -> None:
    runs = {key: place.scenario.start(tasks=[{"key": key, "command": "true"}]) for key in UNSTARTABLE}
    for key, run_id in runs.items():
        run = place.wait_until(run_id, tells(key), TOLD_SECONDS)
        assert run["status"] == "pending"
    for run_id in runs.values():
        place.rest.post(f"/runs/{run_id}/cancel").raise_for_status()
    for run_id in runs.values():
        assert place.wait(run_id, CANCEL_SECONDS)["status"] == "cancelled"


def test_the_timeout_of_a_pod_that_does_not_start_says_what_it_waited_for(place: Workloads) -> None:
    limit = TIMEOUT_SECONDS
    by_task, by_run = {}, {}
    for key in UNSTARTABLE:
        by_task[key] = place.scenario.start(tasks=[{"key": key, "command": "true", "timeout_seconds": limit}])
        by_run[key] = place.scenario.start(tasks=[{"key": key, "command": "true"}], timeout_seconds=limit)
    for key, run_id in [*by_task.items(), *by_run.items()]:
        run = place.wait(run_id, limit + LATE_SECONDS)
        assert run["status"] == "failed"
        assert UNSTARTABLE[key][1] in run["error"]
        assert run["error"].startswith(f"the run took longer than its timeout of {limit} s") is (
            run_id in by_run.values()
        )


def test_a_program_that_does_not_exist_never_started(place: Workloads) -> None:
    raises = """python -c 'raise ValueError("no such day")'"""
    tasks = [
        {"key": "absent", "command": "true"},
        {"key": "unknown", "command": "absent-program"},
        {"key": "raises", "command": raises},
    ]
    begin = datetime.now(UTC)
    run_id = place.scenario.start(tasks=tasks)
    run = place.wait(run_id)
    found = place.scenario.tasks(run_id)
    absent, unknown = found["absent"], found["unknown"]
    assert (run["status"], absent["status"], absent["retry_count"], absent["disruptions"]) == ("failed", "failed", 0, 0)
    assert absent["error"].startswith("the container cannot be started: ")
    assert '"/absent/program": stat /absent/program: no such file or directory' in absent["error"]
    assert (absent["started_at"], absent["exit_code"], absent["duration_seconds"]) == (None, None, None)
    assert begin - CLOCK <= datetime.fromisoformat(absent["finished_at"]) <= datetime.now(UTC) + CLOCK
    # The shell that runs a command is there, whatever the command is.
    assert (unknown["error"], unknown["exit_code"]) == (
        "the command failed with exit code 127 (a command does not exist): sh: 1: absent-program: not found",
        127,
    )
    assert found["raises"]["error"] == "the command failed with exit code 1: ValueError: no such day"
    assert place.scenario.messages(run_id, "unknown") == ["sh: 1: absent-program: not found"]


def test_a_task_that_fills_its_disk_is_told_so(place: Workloads, small: str) -> None:
    """The kubelet looks at a container's files every 10 s, at a volume once a minute."""
    files = {"volume": "large", "container": "~/large"}
    commands = {key: f"head -c 64m /dev/zero > {file}; sleep 600" for key, file in files.items()}
    run_id = place.scenario.start(
        tasks=[{"key": key, "command": command, "flavor": small} for key, command in commands.items()]
    )
    assert place.wait(run_id)["status"] == "failed"
    for task in place.scenario.tasks(run_id).values():
        assert task["error"].startswith("the task used too much local storage: ")
        assert "32Mi" in task["error"]
        assert (task["status"], task["retry_count"], task["disruptions"]) == ("failed", 0, 0)
