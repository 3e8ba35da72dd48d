"""Claims: whose a sandbox becomes when it changes at the same time."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from icefield_crds import Run, Workspace, format_time, labels
from icefield_kube.client import Manifest
from icefield_kube.errors import Conflict
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.sandbox.build import TEMPLATE_ANNOTATION
from icefield_operator.sandbox.claims import Claims
from icefield_operator.sandbox.pool_plan import Demand, SandboxState

NAMESPACE = "icefield-demo"
WORKSPACE = Workspace.model_validate({"metadata": {"name": "demo", "uid": "w"}, "spec": {}})
RUN = Run.model_validate({"metadata": {"name": "r", "namespace": NAMESPACE, "uid": "u"}, "spec": {"command": "true"}})
ANY = Demand("now", (SandboxState.READY, SandboxState.STARTING))
OF_WORKSPACE = {"kind": "Workspace", "name": "demo", "uid": "w"}


def _sandbox(version: int, owner: dict[str, str] = OF_WORKSPACE, **more: Any) -> Manifest:
    metadata = {
        "name": "sandbox-1",
        "namespace": NAMESPACE,
        "uid": "p",
        "resourceVersion": str(version),
        "labels": labels.of_warm_sandbox("demo"),
        "annotations": {TEMPLATE_ANNOTATION: "now"},
        "ownerReferences": [owner],
        **more,
    }
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": format_time(datetime.now(UTC))}
    return {"kind": "Pod", "metadata": metadata, "spec": {}, "status": {"phase": "Pending", "conditions": [scheduled]}}


class Changing(Cluster):
    """A cluster with one sandbox, which is newer than the cache's."""

    def __init__(self, newest: Manifest) -> None:
        self.newest = newest

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        return self.newest

    async def merge_patch(self, kind: str, namespace: str | None, name: str, patch: Manifest) -> Manifest:
        if patch["metadata"]["resourceVersion"] != self.newest["metadata"]["resourceVersion"]:
            raise Conflict(409, "changed")
        return self.newest


def _claims(newest: Manifest) -> Claims:
    cache = ClusterCache()
    cache.observe("ADDED", _sandbox(1))
    return Claims(Changing(newest), cache)


async def test_a_sandbox_that_changes_while_it_is_claimed_is_claimed_as_it_is_then() -> None:
    """As it starts, its kubelet writes its status several times a second."""
    newest = _sandbox(2, managedFields=[{"manager": "kubelet"}])
    assert await _claims(newest).claim(RUN, 0, WORKSPACE, ANY) == newest


async def test_a_sandbox_that_another_operator_claimed_meanwhile_stays_its_runs() -> None:
    newest = _sandbox(2, {"kind": "Run", "name": "other", "uid": "o"}, managedFields=[{"manager": "other"}])
    assert await _claims(newest).claim(RUN, 0, WORKSPACE, ANY) is None
