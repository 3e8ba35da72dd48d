"""Quotas of a workspace: running runs, and waiting Polars workloads.

(API reference, "Rate limits & quotas".)
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from icefield_apiserver.core.errors import QuotaExceeded
from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.core.kube.indexes import (
    unfinished_group,
    waiting_group,
    without_slot_group,
    workloads_without_slot_group,
)
from icefield_crds import Quotas
from icefield_crds.names import namespace_of

RECOUNT_SECONDS = 1.0
_WOULD_WAIT = "with `on_quota: queue` the run waits for its turn."


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
                raise QuotaExceeded(f"Quota exceeded: max_running_runs={limit}, current={current}; {_WOULD_WAIT}")
        with _counted(self._creating, workspace):
            yield

    @asynccontextmanager
    async def reserve_place_in_line(self, workspace: str) -> AsyncIterator[None]:
        """Reserve a slot for a run while it is being created: it may run at once, or wait behind those before it.

        Raises:
            QuotaExceeded: as many runs, of whatever kind, are waiting as Polars workloads may.
        """
        limit = self._quotas(workspace).max_queued_workloads
        if self._waiting_with_another(workspace) > limit:
            await self._recount(workspace)
            if (waiting := self._waiting_with_another(workspace) - 1) >= limit:
                raise QuotaExceeded(f"Quota exceeded: max_queued_workloads={limit}, current={waiting}.")
        with _counted(self._creating, workspace):
            yield

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
        with _counted(self._creating_workloads, workspace):
            yield

    def queued_with_another(self, workspace: str) -> int:
        """Return how many Polars workloads would wait with one more.

        The operator decides later which of the newest wait; workloads without a slot are counted before it does.
        """
        namespace = namespace_of(workspace)
        unfinished, without_slot = self._count(unfinished_group(namespace)), self._count(without_slot_group(namespace))
        workloads = self._count(workloads_without_slot_group(namespace))
        others = without_slot - workloads + self._creating[workspace]
        taken = unfinished - without_slot + others
        free = max(0, self._quotas(workspace).max_running_runs - taken)
        return max(0, workloads + self._creating_workloads[workspace] + 1 - free)

    def _waiting_with_another(self, workspace: str) -> int:
        """Return how many runs would wait with one more."""
        namespace = namespace_of(workspace)
        unfinished, without_slot = self._count(unfinished_group(namespace)), self._count(without_slot_group(namespace))
        free = max(0, self._quotas(workspace).max_running_runs - (unfinished - without_slot))
        coming = without_slot + self._creating[workspace] + self._creating_workloads[workspace] + 1
        return max(0, coming - free)

    def current(self, workspace: str) -> int:
        """Return how many runs hold a slot: unfinished ones, except those that the operator keeps waiting."""
        namespace = namespace_of(workspace)
        creating = self._creating[workspace] + self._creating_workloads[workspace]
        return creating + self._count(unfinished_group(namespace)) - self._count(waiting_group(namespace))

    def _count(self, group: str) -> int:
        return self._cluster.runs.store.count(group)

    def _quotas(self, workspace: str) -> Quotas:
        found = self._cluster.workspaces.store.get(None, workspace)
        return found.spec.quotas if found else Quotas()

    async def _recount(self, workspace: str) -> None:
        now = time.monotonic()
        if now - self._recounted.get(workspace, -RECOUNT_SECONDS) < RECOUNT_SECONDS:
            return
        self._recounted[workspace] = now
        await self._cluster.runs.refresh(namespace_of(workspace))


@contextmanager
def _counted(creating: Counter[str], workspace: str) -> Iterator[None]:
    """Count one more in a workspace while it is being created."""
    creating[workspace] += 1
    try:
        yield
    finally:
        creating[workspace] -= 1
