"""The pods that a Run has: find, end and delete them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from icefield_crds import AttemptStatus, Run, RunStatus
from icefield_kube.client import Manifest
from icefield_operator import pod_failures
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.pod_status import has_ended

from . import status
from .log_archiving import attempts_without_log, logs_are_archived

PODS_KEPT = timedelta(minutes=10)
"""How long the pods of a run are kept after its end (for `kubectl logs`), their logs being archived."""

ENDED_AFTER = timedelta(minutes=1)
"""How long after its run a pod may keep running that was to end by itself."""


class RunPods:
    """Ends and deletes the pods of runs."""

    def __init__(self, cluster: Cluster, cache: ClusterCache, logs: LogArchive) -> None:
        """Act on this cluster; `logs` are read from pods, so these are kept until their logs are archived."""
        self._cluster = cluster
        self._cache = cache
        self._logs = logs

    def of(self, run: Run) -> list[Manifest]:
        """Return the pods of a run, from the cache."""
        return self._cache.pods_of(run.metadata.uid)

    def of_attempts(self, run: Run, attempts: Sequence[AttemptStatus]) -> list[Manifest]:
        """Return the pods of these attempts that are not being deleted."""
        found = (self._cache.pod(run.metadata.namespace or "", attempt.pod_name) for attempt in attempts)
        return [pod for pod in found if pod is not None and "deletionTimestamp" not in pod["metadata"]]

    def find_unstartable(self, run: Run, now: datetime) -> tuple[list[Manifest], datetime | None]:
        """Return the pods whose containers will never start, and when the next pod may be one of them."""
        times = [(pod_failures.give_up_time(pod), pod) for pod in self.of(run)]
        unstartable = [pod for time, pod in times if time is not None and time <= now]
        return unstartable, min((time for time, _ in times if time is not None and time > now), default=None)

    async def look_up_missing(self, run: Run) -> None:
        """Read the pods from the API that should exist: a cache that is behind must not make a pod count as deleted."""
        for attempt in status.attempts_without_pod(run, self.of(run)):
            found = await self._cluster.get(Kind.POD, run.metadata.namespace, attempt.pod_name)
            if found is not None and found["metadata"]["uid"] == attempt.pod_uid:
                self._cache.record(found)

    async def end(self, pods: Sequence[Manifest]) -> None:
        """End pods; their logs stay readable."""
        await together(*(self._cluster.end_pod(pod) for pod in pods))

    async def clean_up(self, run: Run, ended: RunStatus, now: datetime) -> timedelta | None:
        """Make one pass over the pods of a run that has ended; return when the next is due.

        Pods that are still running are ended after a while, and all are deleted once they are old and their logs are
        archived.
        """
        pods = self.of(run)
        for attempt in attempts_without_log(run, ended, {pod["metadata"]["name"] for pod in pods}):
            self._logs.observe_gone(attempt)
        end = ended.completion_time or now
        running = [pod for pod in pods if "deletionTimestamp" not in pod["metadata"] and not has_ended(pod)]
        if running and end + ENDED_AFTER <= now:
            await self.end(running)
        if not pods or not logs_are_archived(ended):
            return max(end + ENDED_AFTER - now, timedelta(0)) if running and end + ENDED_AFTER > now else None
        until = end + PODS_KEPT
        if until > now:
            return until - now
        await together(*(self._cluster.delete_object(pod) for pod in pods))
        return None
