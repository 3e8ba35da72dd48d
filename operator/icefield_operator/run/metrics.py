"""The metrics of runs that are set when they are scraped."""

from __future__ import annotations

from icefield_crds import RunPhase
from icefield_kube.store import GroupCounts
from icefield_operator.cluster_cache import Entry
from icefield_operator.metrics import RUNS


def phases_of(run: Entry) -> tuple[str, ...]:
    """Return the phase that a run counts under."""
    return (run.run.phase,) if run.run else ()


def export_runs(phases: GroupCounts[Entry]) -> None:
    """Set the number of runs by phase."""
    for phase in RunPhase:
        RUNS.labels(phase.value).set(phases.count(phase))
