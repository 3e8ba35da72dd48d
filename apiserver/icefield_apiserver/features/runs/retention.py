"""Which ended runs leave Kubernetes for the archive. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from icefield_apiserver.core.kube.ended_runs import EndedRun
from icefield_crds.workspace import RunRetention


def due_to_leave(
    ended: Iterable[EndedRun], retentions: Mapping[str, RunRetention], at_most: int, now: datetime
) -> list[EndedRun]:
    """Return the runs that are to leave Kubernetes, those that ended first at the front.

    The last run of each job stays: jobs show it.

    Args:
        ended: every run that has ended.
        retentions: by namespace, how long its runs stay; runs of other namespaces stay.
        at_most: how many ended runs may stay in all of Kubernetes.
        now: the present.
    """
    in_order = sorted(run for run in ended if run.namespace in retentions)
    last_of_jobs = _last_of_jobs(in_order)
    excess = _counts(in_order)
    for namespace, retention in retentions.items():
        excess[namespace] = excess.get(namespace, 0) - retention.count
    too_many = len(in_order) - at_most
    due: list[EndedRun] = []
    for run in in_order:
        if not run.is_ready or run.uid in last_of_jobs:
            continue
        is_old = now - run.ended_at > timedelta(days=retentions[run.namespace].days)
        if is_old or excess[run.namespace] > 0 or too_many > len(due):
            due.append(run)
            excess[run.namespace] -= 1
    return due


def _last_of_jobs(ended: Sequence[EndedRun]) -> set[str]:
    """Return the run of each job that lists show first (core.kube.indexes.RUNS)."""
    last: dict[tuple[str, str], EndedRun] = {}
    for run in sorted(ended, key=lambda run: run.uid):
        known = last.get((run.namespace, run.job)) if run.job else None
        if run.job and (known is None or run.created_at > known.created_at):
            last[run.namespace, run.job] = run
    return {run.uid for run in last.values()}


def _counts(ended: Sequence[EndedRun]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for run in ended:
        counts[run.namespace] = counts.get(run.namespace, 0) + 1
    return counts
