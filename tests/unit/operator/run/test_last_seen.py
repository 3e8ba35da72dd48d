"""Pods that are gone are remembered until the end of their attempts is recorded, and no longer."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from unittest.mock import Mock

from icefield_crds import Run, RunStatus
from icefield_crds.names import API_VERSION
from icefield_kube.client import Manifest
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.run.run_pods import PODS_KEPT, RunPods

ENDED = datetime(2026, 11, 30, 12, tzinfo=UTC)
ATTEMPT = {"attempt": 0, "podName": "p", "podUid": "p", "status": "success", "logsArchived": True}
RUN = {
    "apiVersion": API_VERSION,
    "kind": "Run",
    "metadata": {"name": "r", "namespace": "icefield-demo", "uid": "u", "resourceVersion": "1"},
    "spec": {"command": "true"},
    "status": {
        "phase": "success",
        "completionTime": "2026-11-30T12:00:00Z",
        "tasks": [{"key": "main", "status": "success", "attempts": [ATTEMPT]}],
    },
}
POD = {
    "kind": "Pod",
    "metadata": {
        "name": "p",
        "namespace": "icefield-demo",
        "uid": "p",
        "resourceVersion": "2",
        "ownerReferences": [{"kind": "Run", "name": "r", "uid": "u"}],
    },
    "spec": {},
    "status": {"phase": "Succeeded"},
}


class Client:
    """A Kubernetes API that deletes at once what is deleted."""

    async def call(self, method: str, path: str, **_: Any) -> Manifest:
        assert method == "DELETE", path
        return POD


async def test_the_pods_that_are_deleted_after_a_run_are_not_remembered() -> None:
    cache = ClusterCache()
    pods = RunPods(Cluster(Client(), cache), cache, Mock())  # type: ignore[arg-type]
    cache.observe("ADDED", RUN)
    cache.observe("ADDED", POD)
    run = Run.model_validate(RUN)
    assert isinstance(run.status, RunStatus)
    await pods.clean_up(run, run.status, ENDED + PODS_KEPT + timedelta(seconds=1))
    assert not cache.pods_of("u")
    assert not pods._last_seen._gone
