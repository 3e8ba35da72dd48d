"""What the cluster does to the pods of runs, and what becomes of them when it refuses or does not answer."""

from __future__ import annotations

from datetime import timedelta

import pytest

from icefield_crds import ConditionType, Reason
from icefield_operator import lost_pods, pod_failures
from icefield_operator.run import attempt_end, dag, pod_events, refusals, run_pods
from tests.eventually import eventually

from .conftest import Place

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("operator")]

WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations"


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    second = timedelta(seconds=1)
    monkeypatch.setattr(dag, "FIRST_RETRY_DELAY", second)
    monkeypatch.setattr(lost_pods, "KUBELET_MARGIN", second)
    monkeypatch.setattr(lost_pods, "START_MARGIN", second)
    monkeypatch.setattr(lost_pods, "grace_period", lambda pod: second)
    monkeypatch.setattr(attempt_end, "PHASE_DELAY", second)
    monkeypatch.setattr(run_pods, "OUTLIVES_TASK", second)
    monkeypatch.setattr(pod_events, "READ_AFTER", second)
    monkeypatch.setattr(pod_events, "READ_AGAIN", second)
    monkeypatch.setattr(refusals, "LAST_DELAY", second)


async def refuse_pods(place: Place, operation: str) -> str:
    """Have a webhook that cannot be reached decide on the pods of a test; return where to delete it."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": [operation], "resources": ["pods"]}
    webhook = {
        "name": "absent.example.com",
        "clientConfig": {"url": "https://127.0.0.1:1/"},
        "rules": [rule],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": place.namespace}},
        "sideEffects": "None",
        "admissionReviewVersions": ["v1"],
        "timeoutSeconds": 2,
    }
    body = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": {"name": place.workspace},
        "webhooks": [webhook],
    }
    await place.cluster._request("POST", WEBHOOKS, body=body)
    return f"{WEBHOOKS}/{place.workspace}"


async def until_refused(place: Place) -> None:
    """Return once the API server asks the webhook."""

    async def is_refused() -> bool:
        pod = {
            "metadata": {"generateName": "probe-", "namespace": place.namespace},
            "spec": {"containers": [{"name": "a", "image": "a"}]},
        }
        try:
            await place.cluster._request(
                "POST", f"/api/v1/namespaces/{place.namespace}/pods", query={"dryRun": "All"}, body=pod
            )
        except Exception as error:
            return "webhook" in str(error)
        return False

    await eventually(is_refused)


async def test_a_pod_that_its_kubelet_refuses_is_made_again_at_once(place: Place) -> None:
    await place.create("Run", {"command": "true"}, "full")
    name = (await place.pod("full"))["metadata"]["name"]
    await place.kubelet.refuse(place.namespace, name, "OutOfcpu")
    await place.finished("full", attempt=1)
    (task,) = (await place.phase("full", "success")).status.tasks
    assert (task.retry_count, task.disruptions) == (0, 1)
    assert [attempt.disrupted for attempt in task.attempts] == [True, False]
    assert task.attempts[0].error == "the pod was ended by the cluster (OutOfcpu): Pod was rejected"


async def test_an_evicted_pod_that_is_gone_at_once_was_evicted_nevertheless(place: Place) -> None:
    """A kubelet removes a pod of which no container has started within milliseconds."""
    await place.create("Run", {"command": "true"}, "evicted")
    name = (await place.pod("evicted"))["metadata"]["name"]
    await place.kubelet.prepare(place.namespace, name)
    path = f"/api/v1/namespaces/{place.namespace}/pods/{name}"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    await place.cluster._request("POST", f"{path}/eviction", body=eviction)
    await place.cluster._request("DELETE", path, query={"gracePeriodSeconds": "0"})
    await place.finished("evicted", attempt=1)
    (task,) = (await place.phase("evicted", "success")).status.tasks
    assert (task.retry_count, task.disruptions) == (0, 1)
    assert task.attempts[0].error == "the pod was ended by the cluster: Eviction API: evicting"


async def test_a_node_that_does_not_respond_is_named_and_its_attempt_replaced(place: Place) -> None:
    await place.create("Run", {"command": "sleep 99"}, "lost")
    name = await place.started("lost")
    await place.kubelet.stop_responding(place.namespace, name)
    silent = f"node {place.workspace} does not respond"
    run = await place.until("lost", lambda run: run.status and (run.status.error or "").startswith(silent))
    assert run.phase == "running"
    path = f"/api/v1/namespaces/{place.namespace}/pods/{name}"
    await place.cluster._request("DELETE", path, query={"gracePeriodSeconds": "1"})
    await place.finished("lost", attempt=1)
    (task,) = (await place.phase("lost", "success")).status.tasks
    assert (task.retry_count, task.disruptions) == (0, 1)
    assert "may run there until the node responds again" in (task.attempts[0].error or "")
    assert name in await place.pods(), "only the node, or whoever removes it, may say that its pod has ended"


async def test_cancelling_needs_no_kubelet(place: Place) -> None:
    await place.create("Run", {"command": "sleep 99"}, "deaf")
    name = await place.started("deaf")
    await place.phase("deaf", "running")
    await place.cancel("deaf")
    run = await place.phase("deaf", "cancelled")
    assert (run.status.tasks[0].attempts[0].error or "").startswith(f"node {place.workspace} does not respond")
    pod = await place.pod("deaf")
    assert (pod["metadata"]["name"], "deletionTimestamp" in pod["metadata"]) == (name, True)


async def test_timeouts_need_no_kubelet(place: Place) -> None:
    tasks = [{"key": "a", "command": "sleep 99", "timeoutSeconds": 1}]
    await place.create("Run", {"tasks": tasks}, "slow")
    await place.started("slow", "a")
    run = await place.phase("slow", "failed")
    assert (run.status.error or "").startswith("the task took longer than its timeout of 1 s; node ")
    assert run.status.tasks[0].disruptions == 0


async def test_a_task_that_fails_beside_a_sidecar_has_failed_and_its_pod_is_ended(place: Place) -> None:
    tasks = [{"key": "a", "command": "false"}, {"key": "b", "command": "sleep 99"}]
    await place.create("Run", {"tasks": tasks}, "proxied")
    name = (await place.pod("proxied", "a"))["metadata"]["name"]
    await place.kubelet.finish_beside_sidecar(place.namespace, name, 3)
    await place.started("proxied", "b")
    run = await place.until("proxied", lambda run: run.status and run.status.tasks[0].status == "failed")
    assert run.status.tasks[0].error == "the command failed with exit code 3"

    async def is_ended() -> bool:
        return (await place.pod("proxied", "a"))["spec"].get("activeDeadlineSeconds") == 1

    await eventually(is_ended)
    assert (await place.run("proxied")).phase == "running"


async def test_a_pod_that_outlives_its_run_is_ended(place: Place) -> None:
    await place.create("Run", {"command": "false"}, "outlived")
    name = (await place.pod("outlived"))["metadata"]["name"]
    await place.kubelet.finish_beside_sidecar(place.namespace, name, 3)
    await place.phase("outlived", "failed")

    async def is_ended() -> bool:
        return (await place.pod("outlived"))["spec"].get("activeDeadlineSeconds") == 1

    await eventually(is_ended)


async def test_a_kubelet_that_waits_for_a_volume_looks_at_no_deadline(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pod is deleted at once, and gone before its end is seen; that is the timeout of its task, no disruption."""
    monkeypatch.setattr(lost_pods, "grace_period", lambda pod: timedelta(minutes=1))
    tasks = [{"key": "a", "command": "true", "timeoutSeconds": 2}]
    await place.create("Run", {"tasks": tasks}, "volume")
    pod = await place.pod("volume", "a")
    await place.kubelet.warn(pod, "FailedMount", "no such secret")
    await place.kubelet.prepare(place.namespace, pod["metadata"]["name"])

    async def is_deleted() -> bool:
        return "deletionTimestamp" in (await place.pod("volume", "a"))["metadata"]

    await eventually(is_deleted)
    path = f"/api/v1/namespaces/{place.namespace}/pods/{pod['metadata']['name']}"
    await place.cluster._request("DELETE", path, query={"gracePeriodSeconds": "0"})
    run = await place.phase("volume", "failed")
    (task,) = run.status.tasks
    assert task.error == (
        "the task could not be started within its timeout of 2 s; until then: "
        "the pod cannot be started (FailedMount): no such secret; given up after 5 min"
    )
    assert (task.disruptions, len(task.attempts)) == (0, 1)


async def test_a_webhook_that_fails_is_named_and_asked_again(place: Place) -> None:
    webhook = await refuse_pods(place, "CREATE")
    await until_refused(place)
    await place.create("Run", {"command": "true"}, "refused")
    run = await place.until("refused", lambda run: run.status and "absent.example.com" in (run.status.error or ""))
    assert (run.status.error or "").startswith("task main cannot start: ")
    admitted = run.status.condition(ConditionType.ADMITTED)
    assert admitted is not None
    assert (admitted.status, admitted.reason) == ("False", Reason.POD_REFUSED)
    await place.cluster._request("DELETE", webhook)
    await place.finished("refused")
    run = await place.phase("refused", "success")
    assert run.status.is_true(ConditionType.ADMITTED)


async def test_the_timeout_of_a_run_counts_while_its_pods_are_refused(place: Place) -> None:
    webhook = await refuse_pods(place, "CREATE")
    await until_refused(place)
    await place.create("Run", {"command": "true", "timeoutSeconds": 4}, "never")
    run = await place.phase("never", "failed")
    expected = "the run took longer than its timeout of 4 s; until then: task main cannot start: "
    assert (run.status.error or "").startswith(expected)
    failed = run.status.condition(ConditionType.FAILED)
    assert failed is not None
    assert failed.reason == Reason.TIMED_OUT
    await place.cluster._request("DELETE", webhook)


async def test_what_only_events_tell_is_the_error_of_a_pod_that_does_not_start(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_failures, "START_TIMEOUT", timedelta(seconds=4))
    await place.create("Run", {"command": "true"}, "mount")
    pod = await place.pod("mount")
    name = pod["metadata"]["name"]
    await place.kubelet.warn(pod, "FailedMount", 'MountVolume.SetUp failed for volume "x"')
    await place.kubelet.prepare(place.namespace, name)
    expected = 'the pod cannot be started (FailedMount): MountVolume.SetUp failed for volume "x"; given up after 4 s'
    await place.until("mount", lambda run: run.status and run.status.error == expected)

    async def is_given_up() -> bool:
        return (await place.pod("mount"))["spec"].get("activeDeadlineSeconds") == 1

    await eventually(is_given_up)
    await place.kubelet.enforce_deadline(place.namespace, name, ran=False)
    run = await place.phase("mount", "failed")
    assert run.status.error == expected


async def test_the_status_of_an_ended_run_follows_what_is_asked_of_it_later(place: Place) -> None:
    await place.create("Run", {"command": "true"}, "over")
    await place.finished("over")
    await place.phase("over", "success")
    await place.cancel("over")
    run = await place.until("over", lambda run: run.status.observed_generation == run.metadata.generation)
    assert (run.phase, run.metadata.generation) == ("success", 2)


async def test_parameters_that_no_process_can_be_given_fail_a_run_at_once(place: Place) -> None:
    params = {f"p{number}": "x" * 30000 for number in range(5)}
    await place.create("Run", {"command": "true", "params": params}, "large")
    run = await place.phase("large", "failed")
    assert (run.status.error or "").startswith("field params is as JSON longer than 128 KiB")
    assert await place.pods() == []
