"""The metrics of sandboxes that are set when they are scraped."""

from __future__ import annotations

from icefield_crds import labels
from icefield_operator import pod_status
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.metrics import SANDBOXES
from icefield_operator.pod_status import has_ended


def export_sandboxes(cache: ClusterCache) -> None:
    """Set the number of sandboxes by state."""
    for state, count in count_by_state(cache).items():
        SANDBOXES.labels(state).set(count)


def count_by_state(cache: ClusterCache) -> dict[str, int]:
    """Return how many sandboxes are ready, are starting for a pool, and have a workload."""
    counts = {"warm": 0, "starting": 0, "claimed": 0}
    for namespace, name in cache.names(Kind.POD):
        pod = cache.pod(namespace, name)
        if pod is None or labels.SANDBOX not in pod["metadata"]["labels"]:
            continue
        if has_ended(pod):
            continue
        is_warm = pod["metadata"]["labels"][labels.COMPONENT] == labels.SANDBOX_COMPONENT
        is_ready = pod_status.condition(pod, "Ready").get("status") == "True"
        counts["claimed" if not is_warm else "warm" if is_ready else "starting"] += 1
    return counts
