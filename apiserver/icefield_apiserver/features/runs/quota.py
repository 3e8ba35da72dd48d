"""Quotas of a workspace: running runs, and waiting Polars workloads.

(API reference, "Rate limits & quotas".)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from icefield_apiserver.core.errors import QuotaExceeded
from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.core.kube.indexes import unfinished_group
from icefield_crds import ConditionType, Quotas, Run
from icefield_crds.names import namespace_of

RECOUNT_SECONDS = 1.0


class RunQuota:
    """Counts a workspace's running runs, including those that this process is creating.

    Other replicas and kubectl create runs too: the operator holds back what exceeds the quota (condition Admitted).
    Here a request is refused early.

    Args:
        cluster: where the runs and the workspaces' quotas are read.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._creating: Counter[str] = Counter()
        self._creating_workloads: Counter[str] = Counter()
        self._recounted: dict[str, float] = {}

    @asynccontextmanager
    async def reserve_run(self, workspace: str) -> AsyncIterator[None]:
        """Reserve a slot for a run while it is being created; once it is in the cache, it is counted there.

        Raises:
            QuotaExceeded: no slot is free.
        """
        limit = self._quotas(workspace).max_running_runs
        if self.current(workspace) >= limit:
            # The cache may not have the end of a run yet: list before refusing.
            await self._recount(workspace)
            if (current := self.current(workspace)) >= limit:
                raise QuotaExceeded(f"Quota exceeded: max_running_runs={limit}, current={current}.")
        self._creating[workspace] += 1
        try:
            yield
        finally:
            self._creating[workspace] -= 1

    @asynccontextmanager
    async def reserve_workload(self, workspace: str) -> AsyncIterator[None]:
        """Reserve a slot for a Polars workload while it is being created: it may run at once, or wait.

        Raises:
            QuotaExceeded: the maximum number of workloads is waiting.
        """
        limit = self._quotas(workspace).max_queued_workloads
        if self.queued_with_another(workspace) > limit:
            await self._recount(workspace)
            if (queued := self.queued_with_another(workspace) - 1) >= limit:
                raise QuotaExceeded(f"Quota exceeded: max_queued_workloads={limit}, current={queued}.")
        self._creating_workloads[workspace] += 1
        try:
            yield
        finally:
            self._creating_workloads[workspace] -= 1

    def queued_with_another(self, workspace: str) -> int:
        """Return how many Polars workloads would wait with one more.

        The operator decides later which of the newest wait; workloads without a slot are counted before it does.
        """
        unfinished = [run for _, run in self._cluster.runs.store.walk(unfinished_group(namespace_of(workspace)))]
        without_slot = [run for run in unfinished if not _is_admitted(run)]
        workloads = sum(run.spec.polars is not None for run in without_slot)
        others = len(without_slot) - workloads + self._creating[workspace]
        taken = len(unfinished) - len(without_slot) + others
        free = max(0, self._quotas(workspace).max_running_runs - taken)
        return max(0, workloads + self._creating_workloads[workspace] + 1 - free)

    def current(self, workspace: str) -> int:
        """Return how many runs hold a slot: unfinished ones, except those that the operator keeps waiting."""
        unfinished = self._cluster.runs.store.walk(unfinished_group(namespace_of(workspace)))
        creating = self._creating[workspace] + self._creating_workloads[workspace]
        return creating + sum(not _waits(run) for _, run in unfinished)

    def _quotas(self, workspace: str) -> Quotas:
        found = self._cluster.workspaces.store.get(None, workspace)
        return found.spec.quotas if found else Quotas()

    async def _recount(self, workspace: str) -> None:
        now = time.monotonic()
        if now - self._recounted.get(workspace, -RECOUNT_SECONDS) < RECOUNT_SECONDS:
            return
        self._recounted[workspace] = now
        await self._cluster.runs.list_live(namespace_of(workspace))


def _is_admitted(run: Run) -> bool:
    return run.status is not None and run.status.holds_place


def _waits(run: Run) -> bool:
    admitted = run.status.condition(ConditionType.ADMITTED) if run.status else None
    return admitted is not None and not _is_admitted(run)
