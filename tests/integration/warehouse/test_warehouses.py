"""Warehouses against a real API server: started, stopped, woken and replaced, and what is left in between."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import ConditionType, Reason
from icefield_crds.names import API_VERSION, warehouse_child
from icefield_operator.warehouse import pods
from tests.eventually import eventually

from .conftest import FLAVORS, RunningOperator, Site

pytestmark = pytest.mark.integration


@pytest.mark.usefixtures("operator")
async def test_it_starts_and_says_what_it_serves(site: Site) -> None:
    await site.create()
    pod = await site.pod()
    starting = await site.phase("starting")
    assert starting.status is not None
    assert starting.status.is_true(ConditionType.RECONCILING)
    assert pod["spec"]["containers"][0]["image"] == "localhost/icefield/warehouse:test"

    await site.ready()
    running = await site.phase("running")
    assert running.status is not None
    assert running.status.endpoint == site.gateway.url
    assert running.status.is_true(ConditionType.READY)
    assert not running.status.spark_ready
    site.gateway.spark = True
    running = await site.until(lambda warehouse: warehouse.status.spark_ready)
    assert running.status is not None
    assert running.status.last_activity_time == site.gateway.last_activity.replace(microsecond=0)
    manifest = await site.get("Warehouse", "w")
    assert manifest is not None
    assert manifest["metadata"].keys().isdisjoint({"annotations", "finalizers", "labels"})


@pytest.mark.usefixtures("operator")
async def test_its_owner_stops_and_starts_it(site: Site) -> None:
    await site.create()
    first = (await site.ready())["metadata"]["uid"]
    await site.phase("running")
    await site.change(desiredState="stopped")
    stopping = await site.phase("stopping")
    assert stopping.status is not None
    assert stopping.status.stop_time is not None
    await site.leaving(first)
    stopped = await site.phase("stopped")
    assert stopped.status is not None
    assert stopped.status.endpoint is None
    assert stopped.status.is_true(ConditionType.READY)
    assert await site.pods() == []

    await site.change(desiredState="running")
    await site.ready(first)
    await site.phase("running")


@pytest.mark.usefixtures("operator")
async def test_created_stopped_it_starts_when_needed(site: Site) -> None:
    await site.create(desiredState="stopped", autoStop="1s")
    await site.phase("stopped")
    assert await site.pods() == []
    await site.wake()
    uid = (await site.ready())["metadata"]["uid"]
    await site.phase("running")
    await site.leaving(uid)
    stopped = await site.phase("stopped")
    assert stopped.spec.desired_state == "stopped"


@pytest.mark.usefixtures("operator")
async def test_its_owners_stop_is_newer_than_the_wake_it_runs_by(site: Site) -> None:
    """Also without the annotation being removed: kubectl does not."""
    await site.create(desiredState="stopped")
    await site.wake()
    uid = (await site.ready())["metadata"]["uid"]
    await site.phase("running")
    await site.change(desiredState="running")
    await site.until(lambda warehouse: warehouse.status.observed_generation == 2)
    await site.change(desiredState="stopped")
    await site.leaving(uid)
    await site.phase("stopped")


async def test_idle_it_stops_and_a_gitops_controller_starts_nothing(site: Site, operator: RunningOperator) -> None:
    spec = {"size": "wh.small", "autoStop": "1s", "desiredState": "running"}
    manifest = {"apiVersion": API_VERSION, "kind": "Warehouse", "metadata": {"name": "w"}, "spec": spec}
    apply = ("apply", "--server-side", "--field-manager=gitops")
    site.gateway.running, site.gateway.last_activity = 1, datetime.now(UTC) - timedelta(hours=1)
    await site.kubectl(*apply, manifest=manifest)
    first = (await site.ready())["metadata"]["uid"]
    running = await site.phase("running")
    assert running.status is not None
    assert running.status.start_time is not None
    idle_for_long = running.status.start_time + timedelta(seconds=3)
    await eventually(lambda: _is_past(idle_for_long))
    assert (await site.warehouse()).phase == "running", "a running statement is never idle"

    site.gateway.running = 0
    await site.leaving(first)
    stopped = await site.phase("stopped")
    assert stopped.status is not None
    ready = stopped.status.condition(ConditionType.READY)
    assert ready is not None
    assert (ready.status, ready.reason) == ("True", Reason.IDLE)
    assert stopped.spec.desired_state == "running", "auto-stop edits no spec"

    assert await site.kubectl("diff", "--server-side", "--field-manager=gitops", manifest=manifest) == ""
    await site.kubectl(*apply, manifest=manifest)
    await operator.has_looked()
    again = await site.warehouse()
    assert again.metadata.generation == stopped.metadata.generation
    assert await site.pods() == []

    await site.wake()
    await site.ready(first)
    await site.phase("running")
    assert await site.kubectl("diff", "--server-side", "--field-manager=gitops", manifest=manifest) == ""


@pytest.mark.parametrize("why", ["broken", "away", "refused"])
@pytest.mark.usefixtures("operator")
async def test_a_gateway_that_cannot_be_asked_is_not_idle(site: Site, why: str) -> None:
    site.gateway.last_activity = datetime.now(UTC) - timedelta(hours=1)
    site.gateway.broken = why == "broken"
    if why == "away":
        await site.gateway.stop()
    if why == "refused":
        site.gateway.token = "another"
    await site.create(autoStop="1s")
    await site.ready()
    running = await site.phase("running")
    assert running.status is not None
    assert running.status.start_time is not None
    idle_for_long = running.status.start_time + timedelta(seconds=3)
    await eventually(lambda: _is_past(idle_for_long))
    assert (await site.warehouse()).phase == "running"
    if why == "refused":
        await site.token("another")
        await site.phase("stopping")


@pytest.mark.usefixtures("operator")
async def test_needed_while_it_stops_it_starts_again(site: Site) -> None:
    await site.create()
    first = (await site.ready())["metadata"]["uid"]
    await site.phase("running")
    await site.change(desiredState="stopped")
    await site.phase("stopping")
    await site.wake()
    await site.phase("starting")
    await site.leaving(first)
    await site.ready(first)
    await site.phase("running")


@pytest.mark.usefixtures("operator")
async def test_another_size_replaces_the_pod(site: Site) -> None:
    await site.create()
    first = (await site.ready())["metadata"]["uid"]
    await site.phase("running")
    await site.change(displayName="Other", autoStop="2h")
    await site.until(lambda warehouse: warehouse.status.observed_generation == 2)
    assert "deletionTimestamp" not in (await site.pod())["metadata"]

    await site.change(size="wh.large")
    second = await site.pod(first)
    limits = second["spec"]["containers"][0]["resources"]["limits"]
    assert (limits["cpu"], limits["memory"]) == ("2", str(4 * 2**30))


@pytest.mark.usefixtures("operator")
async def test_a_pod_that_is_lost_is_made_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pods, "SHORTEST_LIFE", timedelta(seconds=2))
    await site.create()
    first = (await site.ready())["metadata"]["uid"]
    await site.phase("running")
    await site.end(first)
    second = (await site.ready(first))["metadata"]["uid"]
    await site.phase("running")

    evicted = {"state": {"terminated": {"exitCode": 137, "reason": "Error"}}}
    await site.report("Failed", evicted, evicted, reason="Evicted", message="The node was low on memory.")
    waiting = await site.until(lambda warehouse: warehouse.status.error)
    assert waiting.status is not None
    assert "(Evicted): The node was low on memory" in (waiting.status.error or "")
    await site.ready(second)
    recovered = await site.phase("running")
    assert recovered.status is not None
    assert recovered.status.error is None


@pytest.mark.usefixtures("operator")
async def test_why_it_does_not_run_is_reported(site: Site) -> None:
    await site.create()
    pod = await site.pod()
    await site.kubelet.bind(site.namespace, pod["metadata"]["name"])
    back_off = {"waiting": {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "x": not found'}}
    await site.report("Pending", {"state": back_off}, {"state": back_off})
    waits = await site.until(lambda warehouse: warehouse.status.error)
    assert waits.phase == "starting"
    assert waits.status is not None
    assert "cannot be pulled: not found" in (waits.status.error or "")

    ended = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    again = {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}
    crashing = {"state": again, "lastState": ended, "restartCount": 3}
    await site.report("Running", crashing)
    broken = await site.phase("error")
    assert broken.status is not None
    assert broken.status.is_true(ConditionType.STALLED)
    assert broken.status.error == "its gateway ran out of memory (limit 1024Mi) and is restarted"

    await site.ready()
    await site.phase("running")
    await site.report("Running", {"state": {"running": {}}, "ready": True}, crashing)
    reads = await site.until(lambda warehouse: warehouse.status.error)
    assert reads.phase == "running"
    assert reads.status is not None
    assert "that write have to wait: Spark ran out of memory" in (reads.status.error or "")


@pytest.mark.usefixtures("operator")
async def test_a_flavor_that_appears_is_waited_for(site: Site) -> None:
    name = f"wh.{site.workspace}"
    await site.create(size=name)
    stuck = await site.refused(f"there is no flavor {name}; there are: ")
    assert stuck.phase == "error"
    assert stuck.status is not None
    stalled = stuck.status.condition(ConditionType.STALLED)
    assert stalled is not None
    assert (stalled.status, stalled.reason) == ("True", Reason.FLAVOR_NOT_FOUND)
    flavor = {"apiVersion": API_VERSION, "kind": "Flavor", "metadata": {"name": name}, "spec": FLAVORS["wh.small"]}
    await site.cluster.apply(flavor)
    await site.ready()
    await site.phase("running")


@pytest.mark.usefixtures("operator")
async def test_a_flavor_too_small_is_refused(site: Site) -> None:
    await site.create(size="wh.tiny")
    stuck = await site.refused("flavor wh.tiny has 1Gi of memory; a warehouse needs 1536Mi or more")
    assert stuck.phase == "error"


@pytest.mark.usefixtures("operator")
async def test_executors_get_an_account_as_long_as_somebody_wants_them(site: Site) -> None:
    await site.create(sparkExecutors={"min": 0, "max": 2, "size": "wh.large"})
    pod = await site.pod()
    assert pod["spec"]["serviceAccountName"] == "icefield-spark"
    assert await site.get("NetworkPolicy", warehouse_child("w"))
    binding = await site.get("RoleBinding", "icefield-spark")
    assert binding is not None
    assert binding["roleRef"]["name"] == "icefield-spark-driver"

    children = [("ServiceAccount", "icefield-spark"), ("RoleBinding", "icefield-spark")]
    for kind, name in [*children, ("NetworkPolicy", warehouse_child("w"))]:
        deleted = await site.get(kind, name)
        assert deleted is not None
        await site.cluster.delete(kind, site.namespace, name)
        await eventually(lambda kind=kind, name=name: site.get(kind, name))

    await site.change(sparkExecutors=None)
    second = await site.pod(pod["metadata"]["uid"])
    assert second["spec"]["serviceAccountName"] == "default"

    async def is_taken() -> bool:
        return not await site.get("ServiceAccount", "icefield-spark") and not await site.get(
            "RoleBinding", "icefield-spark"
        )

    await eventually(is_taken)


@pytest.mark.usefixtures("operator")
async def test_deleted_it_takes_its_pod_along(site: Site) -> None:
    await site.create()
    first = (await site.ready())["metadata"]["uid"]
    await site.phase("running")
    await site.cluster.delete("Warehouse", site.namespace, "w")
    await site.leaving(first)


async def test_another_operator_goes_on_where_one_was(site: Site, operators: Callable[[], Any]) -> None:
    async with operators():
        await site.create()
        first = (await site.ready())["metadata"]["uid"]
        await site.phase("running")
    await site.change(desiredState="stopped")
    async with operators():
        await site.leaving(first)
        await site.phase("stopped")
    async with operators() as operator:
        await operator.has_looked()
        assert await site.pods() == []
        assert (await site.warehouse()).phase == "stopped"


async def _is_past(moment: datetime) -> bool:
    return datetime.now(UTC) > moment
