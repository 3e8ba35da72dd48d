"""What goes wrong with runs, and what their owners read about it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from icefield_crds import ConditionType, Reason, Run
from icefield_crds.names import pod_name
from icefield_operator import pod_failures
from icefield_operator.run import dag
from tests.eventually import eventually

from .conftest import Place

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("operator")]


async def is_told(place: Place, run: Run, *events: tuple[str, str]) -> None:
    """Wait until a run has Events of these reasons and messages, and no others."""

    async def are_there() -> bool:
        selector = f"involvedObject.uid={run.metadata.uid}"
        found, _ = await place.cluster.list("Event", place.namespace, field_selector=selector)
        return sorted((event["reason"], event["message"]) for event in found) == sorted(events)

    await eventually(are_there)


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dag, "FIRST_RETRY_DELAY", timedelta(seconds=1))


async def test_a_failed_task_is_tried_again_and_its_history_kept(place: Place) -> None:
    await place.create("Run", {"command": "flaky", "maxRetries": 2}, "retry")
    await place.finished("retry", exit_code=3)
    await place.until("retry", lambda run: run.status and run.status.tasks[0].status == "pending")
    await place.finished("retry", attempt=1, exit_code=4)
    await place.finished("retry", attempt=2)
    run = await place.phase("retry", "success")
    (task,) = run.status.tasks
    assert task.retry_count == 2
    assert [attempt.status for attempt in task.attempts] == ["failed", "failed", "success"]
    assert [attempt.exit_code for attempt in task.attempts] == [3, 4, 0]
    assert task.attempts[0].error == "the command failed with exit code 3"
    assert task.error is None


async def test_what_depends_on_a_failed_task_is_skipped_and_the_rest_runs(place: Place) -> None:
    tasks = [
        {"key": "bad", "command": "false"},
        {"key": "after", "command": "true", "dependsOn": ["bad"]},
        {"key": "long-after", "command": "true", "dependsOn": ["after"]},
        {"key": "other", "command": "true"},
        {"key": "after-other", "command": "true", "dependsOn": ["other"]},
    ]
    await place.create("Run", {"tasks": tasks}, "skip")
    await place.finished("skip", "bad", exit_code=1)
    await place.until("skip", lambda run: run.status and run.status.tasks[0].status == "failed")
    await place.finished("skip", "other")
    await place.finished("skip", "after-other")
    run = await place.phase("skip", "failed")
    found = {task.key: task.status.value for task in run.status.tasks}
    assert found == {
        "bad": "failed",
        "after": "skipped",
        "long-after": "skipped",
        "other": "success",
        "after-other": "success",
    }
    assert run.status.error == "task bad: the command failed with exit code 1"
    failed = run.status.condition(ConditionType.FAILED)
    assert failed is not None
    assert (failed.status, failed.reason) == ("True", Reason.TASK_FAILED)
    assert run.status.is_true(ConditionType.STALLED)
    assert not run.status.is_true(ConditionType.COMPLETE)
    assert len(await place.pods()) == 3


async def test_the_kubelet_enforces_the_timeout_of_a_task(place: Place) -> None:
    await place.create("Run", {"tasks": [{"key": "slow", "command": "sleep 99", "timeoutSeconds": 7}]}, "slow")
    name = await place.started("slow", "slow")
    assert (await place.pod("slow", "slow"))["spec"]["activeDeadlineSeconds"] == 7
    await place.kubelet.enforce_deadline(place.namespace, name)
    run = await place.phase("slow", "failed")
    assert run.status.error == "the task took longer than its timeout of 7 s"


async def test_the_timeout_of_a_run_ends_what_runs_and_starts_nothing_more(place: Place) -> None:
    tasks = [{"key": "a", "command": "sleep 99"}, {"key": "b", "command": "true", "dependsOn": ["a"]}]
    await place.create("Run", {"tasks": tasks, "timeoutSeconds": 3, "maxRetries": 5}, "late")
    name = await place.started("late", "a")
    assert (await place.pod("late", "a"))["spec"]["activeDeadlineSeconds"] <= 3

    async def is_being_ended() -> bool:
        return (await place.pod("late", "a"))["spec"]["activeDeadlineSeconds"] == 1

    await eventually(is_being_ended)
    await place.kubelet.enforce_deadline(place.namespace, name)
    run = await place.phase("late", "failed")
    assert run.status.error == "the run took longer than its timeout of 3 s"
    assert [task.status for task in run.status.tasks] == ["failed", "cancelled"]
    failed = run.status.condition(ConditionType.FAILED)
    assert failed is not None
    assert failed.reason == Reason.TIMED_OUT


async def test_cancelling_ends_running_pods_by_their_deadline_and_deletes_unscheduled_ones(place: Place) -> None:
    tasks = [
        {"key": "runs", "command": "sleep 99"},
        {"key": "waits", "command": "true"},
        {"key": "later", "command": "true", "dependsOn": ["runs"]},
    ]
    await place.create("Run", {"tasks": tasks}, "stop")
    name = await place.started("stop", "runs")
    await place.pod("stop", "waits")
    await place.phase("stop", "running")
    await place.cancel("stop")

    run = await place.until("stop", lambda run: run.status.tasks[1].status == "cancelled")
    assert run.phase == "running", "a run is cancelled only when all its pods ended"
    assert run.status.tasks[2].status == "cancelled"
    assert await place.pods() == [name], "a pod that no node has seen is deleted"
    assert (await place.pod("stop", "runs"))["spec"]["activeDeadlineSeconds"] == 1
    await place.cancel("stop")

    await place.kubelet.enforce_deadline(place.namespace, name)
    run = await place.phase("stop", "cancelled")
    assert [task.status for task in run.status.tasks] == ["cancelled"] * 3
    assert run.status.tasks[0].exit_code == 143
    assert run.status.error is None
    assert run.status.is_true(ConditionType.FAILED)
    assert not run.status.is_true(ConditionType.RECONCILING)


async def test_a_cycle_is_named_and_nothing_starts(place: Place) -> None:
    tasks = [
        {"key": "a", "command": "true", "dependsOn": ["b"]},
        {"key": "b", "command": "true", "dependsOn": ["a"]},
    ]
    await place.create("Run", {"tasks": tasks}, "cycle")
    run = await place.phase("cycle", "failed")
    stalled = run.status.condition(ConditionType.STALLED)
    assert stalled is not None
    assert (stalled.status, stalled.reason) == ("True", Reason.DEPENDENCY_CYCLE)
    assert stalled.message == "tasks depend on each other: a -> b -> a"
    assert await place.pods() == []


async def test_an_image_that_cannot_be_pulled_fails_after_a_while_and_says_so_at_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_failures, "START_TIMEOUT", timedelta(seconds=3))
    await place.create("Run", {"command": "true", "image": "nowhere.example/none:1"}, "pull")
    name = (await place.pod("pull"))["metadata"]["name"]
    message = 'Back-off pulling image "nowhere.example/none:1": ErrImagePull: not found'
    await place.kubelet.wait(place.namespace, name, "ImagePullBackOff", message)
    expected = "image nowhere.example/none:1 cannot be pulled: not found; given up after 3 s"
    run = await place.until("pull", lambda run: run.status and run.status.error == expected)
    assert run.phase == "pending"
    await is_told(place, run, ("TaskWaiting", f"task main: {expected}"))

    async def is_given_up() -> bool:
        return (await place.pod("pull"))["spec"].get("activeDeadlineSeconds") == 1

    await eventually(is_given_up)
    await place.kubelet.enforce_deadline(place.namespace, name, ran=False)
    run = await place.phase("pull", "failed")
    assert run.status.error == expected
    await is_told(place, run, *((reason, f"task main: {expected}") for reason in ("TaskWaiting", "TaskFailed")))


TRACEBACK = """Traceback (most recent call last):
  File "/workspace/ingest.py", line 3, in <module>
    raise ValueError("no such day\\nin March")
ValueError: no such day
in March
"""


@pytest.mark.parametrize(
    ("code", "output", "error"),
    [
        (1, TRACEBACK, "the command failed with exit code 1: ValueError: no such day"),
        (
            127,
            "sh: 1: dtb: not found",
            "the command failed with exit code 127 (a command does not exist): sh: 1: dtb: not found",
        ),
    ],
)
async def test_the_error_of_a_task_is_the_line_that_says_why(place: Place, code: int, output: str, error: str) -> None:
    await place.create("Run", {"command": "true"}, "says")
    pod = await place.pod("says")
    assert pod["spec"]["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"
    await place.kubelet.finish(place.namespace, pod["metadata"]["name"], code, message=output)
    run = await place.phase("says", "failed")
    assert (run.status.error, run.status.tasks[0].error) == (error, error)
    await is_told(place, run, ("TaskFailed", f"task main: {error}"))


async def test_a_pod_deleted_by_somebody_is_a_disruption_and_no_failure(place: Place) -> None:
    await place.create("Run", {"command": "sleep 99"}, "gone")
    name = await place.started("gone")
    await place.phase("gone", "running")
    await place.cluster._request(
        "DELETE", f"/api/v1/namespaces/{place.namespace}/pods/{name}", query={"gracePeriodSeconds": "0"}
    )
    await place.finished("gone", attempt=1)
    run = await place.phase("gone", "success")
    (task,) = run.status.tasks
    assert task.attempts[0].error == "the pod was deleted while the task was running"
    assert (task.retry_count, task.disruptions) == (0, 1)


async def test_a_pod_that_kubernetes_refuses_fails_its_task(place: Place) -> None:
    absent = {"secretKeyRef": {"name": "keys", "key": "no key has a space"}}
    await place.create("Run", {"command": "true", "env": [{"name": "KEY", "valueFrom": absent}]}, "refused")
    run = await place.phase("refused", "failed")
    assert run.status.error.startswith("Kubernetes refused the task's pod: ")
    assert run.status.tasks[0].attempts[0].pod_name == pod_name("refused", "main", 0)


async def test_a_pod_that_a_quota_refuses_waits_for_room(place: Place) -> None:
    await place.forbid_pods()
    await place.create("Run", {"command": "true"}, "crowded")
    run = await place.until("crowded", lambda run: run.status and "exceeded quota" in (run.status.error or ""))
    assert run.phase == "pending"
    await place.cluster.delete("ResourceQuota", place.namespace, "none")
    await place.finished("crowded")
    await place.phase("crowded", "success")
