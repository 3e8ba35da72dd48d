"""Warehouses whose pod is replaced, against a real API server: what runs on the old pod ends there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds import ConditionType, Reason, Warehouse
from icefield_crds.names import API_VERSION
from icefield_kube.client import Manifest
from icefield_operator import lost_pods
from icefield_operator.warehouse import pod_plan
from tests.eventually import eventually

from .conftest import FLAVORS, RunningOperator, Site
from .gateway import Gateway

pytestmark = pytest.mark.integration


@pytest.fixture
async def second_gateway(site: Site) -> AsyncIterator[Gateway]:
    """The gateway of a second pod."""
    gateway = Gateway("secret")
    await gateway.start()
    yield gateway
    await gateway.stop()


async def runs_a_statement(site: Site, **spec: Any) -> str:
    """Start a warehouse whose gateway runs a statement; return the uid of its pod."""
    await site.create(**spec)
    uid: str = (await site.ready())["metadata"]["uid"]
    site.gateway.running = 1
    await site.phase("running")
    return uid


def names_draining(warehouse: Warehouse) -> list[str]:
    return [each.pod_name for each in warehouse.status.draining_pods] if warehouse.status else []


async def test_what_runs_ends_on_the_old_pod(
    site: Site, second_gateway: Gateway, operators: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """New statements go to the new pod as soon as it is ready; also when the operator restarts in between."""
    async with operators():
        first = await runs_a_statement(site)
        old = (await site.pod())["metadata"]["name"]
        await site.change(size="wh.large")
        await site.pod(first)
        replacing = await site.until(
            lambda warehouse: warehouse.status.condition(ConditionType.READY).reason == "Replacing"
        )
        assert replacing.phase == "running"
        assert replacing.status is not None
        assert (replacing.status.endpoint, names_draining(replacing)) == (site.gateway.url, [])
        assert not site.gateway.draining
        await site.ready(first, gateway=second_gateway)
        moved = await site.until(lambda warehouse: warehouse.status.endpoint == second_gateway.url)
        assert moved.phase == "running"
        assert names_draining(moved) == [old]
        assert moved.endpoints == (second_gateway.url, site.gateway.url)
        await eventually(lambda: _is(site.gateway.draining))
    async with operators() as operator:
        await operator.has_looked()
        assert names_draining(await site.warehouse()) == [old]
        assert "deletionTimestamp" not in ((await site.find(first)) or {"metadata": {}})["metadata"]
        site.gateway.running, site.gateway.last_activity = 0, datetime.now(UTC)
        await site.leaving(first)
        settled = await site.until(lambda warehouse: not warehouse.status.draining_pods)
        assert settled.status is not None
        assert settled.status.endpoint == second_gateway.url
        assert settled.status.is_true(ConditionType.READY)
        assert not second_gateway.draining


@pytest.mark.usefixtures("operator")
async def test_a_pod_drains_for_as_long_as_auto_stop_says(
    site: Site, second_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pod_plan, "LEAST_DRAIN", timedelta(seconds=1))
    first = await runs_a_statement(site, autoStop="2s")
    second_gateway.running = 1
    await site.change(size="wh.large")
    await site.ready(first, gateway=second_gateway)
    await site.leaving(first)
    assert site.gateway.running == 1


@pytest.mark.usefixtures("operator")
async def test_where_the_quota_has_no_room_for_two_the_old_pod_drains_first(site: Site) -> None:
    metadata = {"name": "one", "namespace": site.namespace}
    first = await runs_a_statement(site)
    quota: Manifest = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": metadata,
        "spec": {"hard": {"pods": "1"}},
    }
    await site.cluster.create(quota)

    async def is_counted() -> bool:
        found = await site.get("ResourceQuota", "one")
        return bool(found and found.get("status", {}).get("used", {}).get("pods") == "1")

    await eventually(is_counted)
    await site.change(size="wh.large")
    drains = await site.phase("starting")
    assert drains.status is not None
    assert drains.status.condition(ConditionType.READY).reason == Reason.QUOTA_EXCEEDED  # type: ignore[union-attr]
    assert (drains.status.error or "").startswith(
        "the quota has no room for two pods at once, so the old one ends its statements first: "
    )
    assert drains.endpoints == (site.gateway.url,)
    await eventually(lambda: _is(site.gateway.draining))
    site.gateway.running, site.gateway.last_activity = 0, datetime.now(UTC)
    await site.leaving(first)
    site.gateway.draining = False
    await site.ready(first)
    await site.phase("running")


@pytest.mark.usefixtures("operator")
async def test_a_pod_of_a_lost_node_is_replaced_at_once(
    site: Site, second_gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_pods, "KUBELET_MARGIN", timedelta(seconds=-39))
    await site.create()
    old = await site.ready()
    first, name = old["metadata"]["uid"], old["metadata"]["name"]
    await site.phase("running")
    await site.gateway.stop()
    conditions = [
        {"type": "Ready", "status": "False"},
        {"type": "ContainersReady", "status": "True"},
        {"type": "PodScheduled", "status": "True"},
    ]
    await site.cluster.merge_patch("Pod", site.namespace, f"{name}/status", {"status": {"conditions": conditions}})
    lost = await site.until(lambda warehouse: warehouse.status.error)
    assert lost.status is not None
    assert lost.status.error == f"node {site.workspace} does not respond; a new pod is started"
    await site.ready(first, gateway=second_gateway)
    running = await site.until(lambda warehouse: warehouse.status.endpoint == second_gateway.url)
    assert running.phase == "running"
    told = await site.until(lambda warehouse: "cannot be ended" in warehouse.status.conditions[0].message)
    assert names_draining(told) == [], "one that cannot be ended answers nobody"
    second = (await site.pod(first))["metadata"]["uid"]

    await site.change(desiredState="stopped")
    await site.leaving(second)
    stopped = await site.phase("stopped")
    assert stopped.status is not None
    assert f"pod {name} cannot be ended" in stopped.status.conditions[0].message
    assert await site.find(first), "Kubernetes removes it when its node is back, or deleted"
    await site.cluster.delete("Warehouse", site.namespace, "w")
    await site.create()
    third = await site.pod(first, second)
    assert third["metadata"]["name"] != name
    await site.end(first)


@pytest.mark.usefixtures("operator")
async def test_a_flavor_that_cannot_be_scheduled_leaves_the_old_pod_serving(site: Site) -> None:
    first = await runs_a_statement(site)
    await site.change(size="wh.large")
    new = (await site.pod(first))["metadata"]["name"]
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "no room."}
    await site.cluster.merge_patch("Pod", site.namespace, f"{new}/status", {"status": {"conditions": [condition]}})
    waits = await site.until(lambda warehouse: warehouse.status.error)
    assert waits.phase == "running"
    assert waits.status is not None
    assert (waits.status.error or "").startswith("its new pod does not start yet: waiting for room in the cluster: ")


async def test_an_edited_flavor_replaces_pods(site: Site, operator: RunningOperator) -> None:
    name = f"wh.{site.workspace}"
    flavor: Manifest = {"apiVersion": API_VERSION, "kind": "Flavor", "metadata": {"name": name}}
    await site.cluster.apply({**flavor, "spec": FLAVORS["wh.small"]})
    first = await runs_a_statement(site, size=name)
    await site.cluster.apply({**flavor, "spec": FLAVORS["wh.large"]})
    await site.pod(first)
    assert "deletionTimestamp" not in ((await site.find(first)) or {"metadata": {}})["metadata"]
    await site.change(size="wh.small")
    await operator.has_looked()


async def _is(value: bool) -> bool:
    return value
