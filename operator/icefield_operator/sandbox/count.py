"""Counts sandboxes, for the metrics."""

from __future__ import annotations

from icefield_crds import labels
from icefield_operator import waiting
from icefield_operator.world import Kind, World


def by_state(world: World) -> dict[str, int]:
    """Return how many sandboxes stand ready, are starting for a pool, and have a workload."""
    counts = {"warm": 0, "starting": 0, "claimed": 0}
    for namespace, name in world.names(Kind.POD):
        pod = world.pod(namespace, name)
        if pod is None or labels.SANDBOX not in pod["metadata"]["labels"]:
            continue
        if pod.get("status", {}).get("phase") in ("Succeeded", "Failed"):
            continue
        is_warm = pod["metadata"]["labels"][labels.COMPONENT] == labels.SANDBOX_COMPONENT
        is_ready = waiting.condition(pod, "Ready").get("status") == "True"
        counts["claimed" if not is_warm else "warm" if is_ready else "starting"] += 1
    return counts
