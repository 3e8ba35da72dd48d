"""How many sandboxes the metrics show."""

from __future__ import annotations

from typing import Any

from icefield_crds import labels
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.sandbox.metrics import count_by_state


def _pod(number: int, marks: dict[str, str], phase: str = "Running", ready: str = "True") -> dict[str, Any]:
    metadata = {"name": f"p{number}", "namespace": "icefield-demo", "uid": str(number), "resourceVersion": "1"}
    status = {"phase": phase, "conditions": [{"type": "Ready", "status": ready}]}
    return {"kind": "Pod", "metadata": {**metadata, "labels": marks}, "spec": {}, "status": status}


def test_sandboxes_by_state() -> None:
    cache, warm = ClusterCache(), labels.of_warm_sandbox("demo")
    claimed = labels.of_sandbox("demo", "w", "r", "main", 0)
    pods = [
        _pod(1, warm),
        _pod(2, warm, ready="False"),
        _pod(3, warm, phase="Failed"),
        _pod(4, claimed),
        _pod(5, claimed, ready="False"),
        _pod(6, claimed, phase="Succeeded"),
        _pod(7, labels.of_task_pod("demo", "w", "r", "main", 0)),
    ]
    for pod in pods:
        cache.observe("ADDED", pod)
    assert count_by_state(cache) == {"warm": 1, "starting": 1, "claimed": 2}
