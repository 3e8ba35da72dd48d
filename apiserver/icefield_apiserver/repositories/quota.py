"""How many runs of a workspace may be running at once, and how many Polars workloads may wait.

(API reference, "Rate limits & quotas".)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from icefield_apiserver.errors import QuotaExceeded
from icefield_apiserver.kube import Cluster
from icefield_apiserver.kube.orders import unfinished_group
from icefield_crds import ConditionType, Quotas, Run
from icefield_crds.names import namespace_of

RECOUNT_SECONDS = 1.0


class RunQuota:
    """Counts a workspace's running runs, those included that this process is just creating.

    Other replicas create runs too, and kubectl does: what slips through between two of them, the operator holds back
    (condition Admitted). Here it is a matter of refusing in time.

    Args:
        cluster: where the runs and the workspaces' quotas are read.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._creating: Counter[str] = Counter()
        self._creating_workloads: Counter[str] = Counter()
        self._recounted: dict[str, float] = {}

    @asynccontextmanager
    async def place(self, workspace: str) -> AsyncIterator[None]:
        """Hold a place for a run while it is being created; once it is in the cache, it counts by itself.

        Raises:
            QuotaExceeded: there is none.
        """
        limit = self._quotas(workspace).max_running_runs
        if self.current(workspace) >= limit:
            # A run that has just ended may not have reached the cache: ask before refusing.
            await self._recount(workspace)
            if (current := self.current(workspace)) >= limit:
                raise QuotaExceeded(f"Quota exceeded: max_running_runs={limit}, current={current}.")
        self._creating[workspace] += 1
        try:
            yield
        finally:
            self._creating[workspace] -= 1

    @asynccontextmanager
    async def place_in_queue(self, workspace: str) -> AsyncIterator[None]:
        """Hold a place for a Polars workload while it is being created: it may run at once, or wait with others.

        Raises:
            QuotaExceeded: as many wait as may.
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
        """Return how many Polars workloads would wait if there were one more.

        The operator says later which of the newest wait; those that find no place to run are counted before it does.
        """
        unfinished = [run for _, run in self._cluster.runs.store.walk(unfinished_group(namespace_of(workspace)))]
        without_place = [run for run in unfinished if not _is_admitted(run)]
        workloads = sum(run.spec.polars is not None for run in without_place)
        others = len(without_place) - workloads + self._creating[workspace]
        taken = len(unfinished) - len(without_place) + others
        free = max(0, self._quotas(workspace).max_running_runs - taken)
        return max(0, workloads + self._creating_workloads[workspace] + 1 - free)

    def current(self, workspace: str) -> int:
        """Return how many runs hold a place: unfinished ones, unless the operator keeps them waiting for one."""
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
    return run.status is not None and run.status.is_true(ConditionType.ADMITTED)


def _waits(run: Run) -> bool:
    admitted = run.status.condition(ConditionType.ADMITTED) if run.status else None
    return admitted is not None and admitted.status == "False"
