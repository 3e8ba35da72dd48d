"""The metrics of runs that are set when they are scraped."""

from __future__ import annotations

from icefield_crds import RunPhase
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.metrics import RUNS


def export_runs(cache: ClusterCache) -> None:
    """Set the number of runs by phase."""
    phases = cache.runs_by_phase()
    for phase in RunPhase:
        RUNS.labels(phase.value).set(phases[phase])
