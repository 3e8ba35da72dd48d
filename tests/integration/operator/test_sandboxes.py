"""Polars workloads from the Run to its end: whose sandbox, sent how often, and ended how."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from icefield_crds import Reason, labels
from icefield_crds.names import pod_name
from icefield_operator.run.pods import COUNTS_AS_FAILURE
from tests.eventually import eventually

from .conftest import STORE_KEYS, Place
from .pools import QUERY, filled, pool_of, resize, submit, warm, with_workload
from .sandboxes import Node

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("sandboxed")]

FULL_DISK = 'Usage of EmptyDir volume "tmp" exceeds the limit "8Gi". '


async def test_a_workload_without_a_pool_gets_a_pod_of_its_own(place: Place, node: Node) -> None:
    await resize(place, 0)
    uid = await submit(place, "cold")
    sandbox = await with_workload(node, uid)
    assert sandbox.pod == pod_name("cold", "main", 0)
    run = await place.phase("cold", "running")
    assert run.status.tasks[0].attempts[0].pod_name == sandbox.pod
    sandbox.end()
    run = await place.phase("cold", "success")
    assert run.status.polars.row_count == 2
    assert run.status.polars.execution_milliseconds == 12.5
    assert run.status.polars.result.key == f"workspaces/{place.workspace}/runs/{uid}/result.arrow"
    assert run.status.tasks[0].exit_code == 0
    await eventually(lambda: asyncio.sleep(0, sandbox.acknowledged))
    assert await warm(place) == []


async def test_what_a_sandbox_is_brought(place: Place, node: Node) -> None:
    uid = await submit(place, "all", script="result = scan('db.t')", params={"n": 3}, destination="db.out")
    workload = (await with_workload(node, uid)).workload
    assert workload is not None
    token = workload["access"].pop("token")
    assert token.count(".") == 2
    assert workload == {
        "id": uid,
        "mode": "script",
        "script": "result = scan('db.t')",
        "tables": [],
        "params": {"n": 3},
        "catalog": None,
        "names": [place.workspace, "polnor", "oleander"],
        "destination": "db.out",
        "save_mode": "overwrite",
        "distributed": False,
        "instance_type": None,
        "cluster_size": None,
        "timeout_seconds": 3600,
        "environment": {"MODE": "fast"},
        "environment_key": None,
        "access": {
            "catalog_uri": "https://icefield-apiserver.icefield-system.svc/iceberg",
            "warehouse": place.workspace,
            "object_store": {
                "endpoint": "http://store:7070",
                "region": "us-east-1",
                "bucket": "lake",
                "access_key_id": "key",
                "secret_access_key": "secret",
            },
        },
        "result_key": f"workspaces/{place.workspace}/runs/{uid}/result.arrow",
    }


async def test_a_warm_sandbox_is_claimed_and_another_made_in_its_place(place: Place, node: Node) -> None:
    before = await filled(place, node)
    uid = await submit(place, "second")
    sandbox = await with_workload(node, uid)
    assert sandbox.pod in before
    after = await pool_of(place, 2)
    assert sandbox.pod not in after
    assert len(after & before) == 1
    pod = await place.cluster.get("Pod", place.namespace, sandbox.pod)
    assert pod is not None
    assert [owner["kind"] for owner in pod["metadata"]["ownerReferences"]] == ["Run"]
    workspace = await place.cluster.get("Workspace", None, place.workspace)
    assert workspace is not None
    owner = workspace["metadata"]["uid"]
    assert pod["metadata"]["labels"] == labels.of_sandbox(place.workspace, owner, "second", "main", 0)
    sandbox.end()
    run = await place.phase("second", "success")
    (attempt,) = run.status.tasks[0].attempts
    assert attempt.pod_name == sandbox.pod
    created = run.metadata.creation_timestamp
    assert created is not None
    assert run.status.start_time >= created, "a run starts with its workload, not with its sandbox"


async def test_another_size_gets_no_warm_sandbox(place: Place, node: Node) -> None:
    await filled(place, node)
    uid = await submit(place, "large", **QUERY, vcpus=4)
    sandbox = await with_workload(node, uid)
    assert sandbox.pod == pod_name("large", "main", 0)
    pod = await place.cluster.get("Pod", place.namespace, sandbox.pod)
    assert pod is not None
    assert pod["spec"]["containers"][0]["resources"]["limits"]["memory"] == "8Gi"


async def test_twenty_at_once_each_get_a_sandbox_of_their_own(place: Place, node: Node) -> None:
    await place.cluster.merge_patch("Workspace", None, place.workspace, {"spec": {"quotas": {"maxRunningRuns": 20}}})
    warm_ones = await filled(place, node, 4)
    uids = await asyncio.gather(*(submit(place, f"r{number}") for number in range(20)))
    sandboxes = await asyncio.gather(*(with_workload(node, uid) for uid in uids))
    assert len({sandbox.pod for sandbox in sandboxes}) == 20
    assert all(sandbox.started == 1 for sandbox in sandboxes)
    assert warm_ones <= {sandbox.pod for sandbox in sandboxes}
    for sandbox in sandboxes:
        sandbox.end()
    await asyncio.gather(*(place.phase(f"r{number}", "success") for number in range(20)))
    await pool_of(place, 4)


async def test_a_failing_workload_fails_its_run_with_its_own_message(place: Place, node: Node) -> None:
    error = "script line 3: ColumnNotFoundError: x"
    uid = await submit(place, "wrong")
    (await with_workload(node, uid)).end(
        state="failed", error=error, error_kind="script", error_line=3, row_count=None, result=None
    )
    run = await place.phase("wrong", "failed")
    assert run.status.error == error
    assert (run.status.polars.error_kind, run.status.polars.error_line) == ("script", 3)
    assert len(run.status.tasks[0].attempts) == 1, "a workload is never retried"


async def test_the_run_ends_before_the_kubelet_tells(place: Place, node: Node) -> None:
    node.reports = False
    (await with_workload(node, await submit(place, "quick"))).end()
    run = await place.phase("quick", "success")
    pod = await place.cluster.get("Pod", place.namespace, run.status.tasks[0].attempts[0].pod_name)
    assert pod is not None
    assert pod["status"]["phase"] == "Running"


async def test_an_outcome_that_only_the_pod_tells(place: Place, node: Node) -> None:
    sandbox = await with_workload(node, await submit(place, "alone"))
    await place.phase("alone", "running")
    await sandbox.close()
    sandbox.end(row_count=7)
    await node.finish(sandbox.pod, 0, message=sandbox.message)
    run = await place.phase("alone", "success")
    assert run.status.polars.row_count == 7


@pytest.mark.parametrize(
    ("ending", "error", "kind"),
    [
        (
            {"exit_code": 137, "reason": "OOMKilled"},
            "the workload ran out of memory (limit 4Gi); ask for more vcpus",
            "memory",
        ),
        (
            {"exit_code": 137, "pod_reason": "Evicted", "why": FULL_DISK},
            "the workload used more disk than it may (limit 8Gi)",
            "disk",
        ),
        (
            {"exit_code": 3},
            "the sandbox failed with exit code 3, without reporting an outcome",
            "internal",
        ),
    ],
    ids=["memory", "disk", "exit"],
)
async def test_how_a_sandbox_ends_without_an_outcome(
    place: Place, node: Node, ending: dict[str, Any], error: str, kind: str
) -> None:
    sandbox = await with_workload(node, await submit(place, "bad"))
    await sandbox.close()
    await node.finish(sandbox.pod, **ending)
    run = await place.phase("bad", "failed")
    assert (run.status.error, run.status.polars.error_kind) == (error, kind)


async def test_a_sandbox_that_is_deleted_fails_its_run_once(place: Place, node: Node) -> None:
    sandbox = await with_workload(node, await submit(place, "gone"))
    await place.phase("gone", "running")
    await sandbox.close()
    await node.vanish(sandbox.pod)
    run = await place.phase("gone", "failed")
    assert run.status.error == f"the pod was deleted while the task was running; {COUNTS_AS_FAILURE}"
    assert len(run.status.tasks[0].attempts) == 1


async def test_a_workload_that_had_not_begun_gets_another_sandbox_at_once(place: Place, node: Node) -> None:
    node.starts = False
    await resize(place, 0)
    uid = await submit(place, "full")
    await place.kubelet.refuse(place.namespace, (await place.pod("full"))["metadata"]["name"], "OutOfcpu")
    second = (await place.pod("full", attempt=1))["metadata"]["name"]
    node.starts = True
    sandbox = await with_workload(node, uid)
    assert (sandbox.pod, sandbox.started) == (second, 1)
    sandbox.end()
    (task,) = (await place.phase("full", "success")).status.tasks
    assert (task.retry_count, task.disruptions, len(task.attempts)) == (0, 1, 2)


async def test_cancelling_ends_the_sandbox(place: Place, node: Node) -> None:
    sandbox = await with_workload(node, await submit(place, "stop"))
    await place.phase("stop", "running")
    await place.cancel("stop")
    run = await place.phase("stop", "cancelled")
    assert run.status.error is None
    assert run.status.tasks[0].attempts[0].pod_name == sandbox.pod


async def test_a_workspace_without_keys_is_waited_for(place: Place, node: Node) -> None:
    await place.cluster.delete("Secret", place.namespace, "icefield-object-store")
    uid = await submit(place, "early")
    run = await place.until("early", lambda run: run.status and run.status.error)
    assert run.phase == "pending"
    expected = "the workload waits: the workspace has no Secret icefield-object-store with keys yet"
    assert run.status.error == expected
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": STORE_KEYS}
    metadata = {"name": "icefield-object-store", "namespace": place.namespace}
    await place.cluster.create({**secret, "metadata": metadata})
    (await with_workload(node, uid)).end()
    run = await place.phase("early", "success")
    assert run.status.error is None


async def test_a_catalog_of_somebody_else_is_refused(place: Place) -> None:
    await submit(place, "elsewhere", **QUERY, catalog="other")
    run = await place.phase("elsewhere", "failed")
    names = f"{place.workspace}, polnor, oleander"
    assert run.status.error == f"there is no catalog other; the catalog of this workspace is {names}"
    assert pod_name("elsewhere", "main", 0) not in await place.pods()


async def test_the_catalogs_name_counts_in_any_case(place: Place, node: Node) -> None:
    uid = await submit(place, "loud", **QUERY, catalog="Oleander")
    (await with_workload(node, uid)).end()
    await place.phase("loud", "success")


async def test_polars_cloud_needs_credentials(place: Place, node: Node) -> None:
    await submit(place, "cloud", **QUERY, distributed=True)
    run = await place.phase("cloud", "failed")
    assert run.status.conditions[1].reason == Reason.CREDENTIALS_NOT_FOUND
    assert "icefield-polars-cloud" in run.status.error
    secret = {"apiVersion": "v1", "kind": "Secret", "stringData": {"accessToken": "a", "workspace": "w"}}
    metadata = {"name": "icefield-polars-cloud", "namespace": place.namespace}
    await place.cluster.create({**secret, "metadata": metadata})
    sandbox = await with_workload(node, await submit(place, "cloud-again", **QUERY, distributed=True))
    pod = await place.cluster.get("Pod", place.namespace, sandbox.pod)
    assert pod is not None
    assert pod["spec"]["containers"][0]["image"] == "localhost/icefield/polars-cloud:test"
    assert pod["metadata"]["labels"][labels.SANDBOX] == "cloud"


async def test_a_quota_that_is_full_is_said_on_the_run_that_waits(place: Place, node: Node) -> None:
    await place.forbid_pods()
    uid = await submit(place, "crowded")
    run = await place.until("crowded", lambda run: run.status and run.status.error)
    assert run.phase == "pending"
    assert "exceeded quota" in run.status.error
    await place.cluster.delete("ResourceQuota", place.namespace, "none")
    (await with_workload(node, uid)).end()
    await place.phase("crowded", "success")
