"""What keeps a pod from starting that only its events tell: a volume, the network, the runtime.

A kubelet reports an image or a Secret that is missing in the status of the pod, but a volume that cannot be mounted or
a network that cannot be set up as events alone. They are read for pods that a node has and that have not started for
some seconds, one list each, a few times a minute at most.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from cachetools import LRUCache

from icefield_kube.client import Manifest
from icefield_kube.errors import KubernetesError
from icefield_operator import pod_failures, pod_status
from icefield_operator.cluster import Cluster

log = logging.getLogger(__name__)

READ_AFTER = timedelta(seconds=5)
"""How long after it was scheduled a pod may take to start before its events are read."""
READ_AGAIN = timedelta(seconds=30)
"""How long events are not read again."""
MAX_REMEMBERED = 10_000
"""Pods whose events were read; of one that is deleted while it waits nothing else tells."""
MAX_READS_AT_ONCE = 4
"""Over all runs; the events of further pods are read the next time."""


class _Read(NamedTuple):
    time: datetime
    problem: str | None


class PodEvents:
    """The events of pods that wait."""

    def __init__(self, cluster: Cluster) -> None:
        """Read from this cluster."""
        self._cluster = cluster
        self._reads: LRUCache[str, _Read] = LRUCache(MAX_REMEMBERED)
        self._reading = 0

    async def read(self, pods: Sequence[Manifest], now: datetime) -> datetime | None:
        """Read the events of those of a run's pods that wait; return when the next are to be read."""
        due = {pod["metadata"]["uid"]: (self._due(pod), pod) for pod in pods}
        for uid in [uid for uid, (time, _) in due.items() if time is None]:
            self._reads.pop(uid, None)
        await asyncio.gather(*(self._read(pod, now) for time, pod in due.values() if time is not None and time <= now))
        times = [time for time in (self._due(pod) for pod in pods) if time is not None]
        return max(min(times), now + timedelta(seconds=1)) if times else None

    def problems(self, pods: Iterable[Manifest]) -> Mapping[str, str]:
        """Return what keeps these pods from starting, by uid, as last read."""
        uids = (pod["metadata"]["uid"] for pod in pods)
        reads = ((uid, self._reads.get(uid)) for uid in uids)
        return {uid: read.problem for uid, read in reads if read is not None and read.problem}

    def forget(self, pods: Iterable[Manifest]) -> None:
        """Forget the events of pods that are no longer needed."""
        for pod in pods:
            self._reads.pop(pod["metadata"]["uid"], None)

    def _due(self, pod: Manifest) -> datetime | None:
        """Return when to read the events of a pod; None when there is no need."""
        since = pod_failures.waiting_since(pod)
        if since is None:
            return None
        read = self._reads.get(pod["metadata"]["uid"])
        return read.time + READ_AGAIN if read else since + READ_AFTER

    async def _read(self, pod: Manifest, now: datetime) -> None:
        metadata = pod["metadata"]
        before = self._reads.get(metadata["uid"])
        self._reads[metadata["uid"]] = _Read(now, before.problem if before else None)
        if self._reading >= MAX_READS_AT_ONCE:
            return
        self._reading += 1
        try:
            selector = f"involvedObject.uid={metadata['uid']}"
            events, _ = await self._cluster.list("Event", metadata["namespace"], field_selector=selector)
        except KubernetesError as error:
            log.info("Events of pod %s/%s cannot be read: %s", metadata["namespace"], metadata["name"], error)
        else:
            self._reads[metadata["uid"]] = _Read(now, describe_newest(events))
        finally:
            self._reading -= 1


def describe_newest(events: Sequence[Manifest]) -> str | None:
    """Return what keeps a pod from starting by the newest of its events; None when that tells of something else."""
    newest = max(events, key=_time_of, default=None)
    if newest is None or newest.get("reason") not in pod_failures.PREVENTING_EVENTS:
        return None
    message = " ".join((newest.get("message") or "").split())
    return pod_failures.truncate(f"the pod cannot be started ({newest['reason']}): {message}")


def _time_of(event: Manifest) -> str:
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    known = [str(time) for time in times if pod_status.time_of(time) is not None]
    return max(known, default=str(event["metadata"].get("creationTimestamp")))
