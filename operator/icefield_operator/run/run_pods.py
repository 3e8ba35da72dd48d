"""The pods that a Run has: find, end and delete them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import datetime, timedelta

from icefield_crds import AttemptStatus, Run, RunStatus
from icefield_kube.client import Manifest
from icefield_operator import lost_pods, pod_failures
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.logs.archiver import LogArchive
from icefield_operator.pod_status import has_ended

from . import attempt_end, status
from .dag import Attempts
from .last_seen import LastSeen
from .log_archiving import attempts_without_log, logs_are_archived
from .pod_events import PodEvents
from .pods import attempt_of
from .refusals import describe

PODS_KEPT = timedelta(minutes=10)
"""How long the pods of a run are kept after its end (for `kubectl logs`), their logs being archived."""

ENDED_AFTER = timedelta(minutes=1)
"""How long after its run a pod may keep running that was to end by itself."""

OUTLIVES_TASK = timedelta(seconds=10)
"""How long after its task a pod may keep running: what was injected beside the task may end by itself."""


class RunPods:
    """Ends and deletes the pods of runs."""

    def __init__(self, cluster: Cluster, cache: ClusterCache, logs: LogArchive) -> None:
        """Act on this cluster; `logs` are read from pods, so these are kept until their logs are archived."""
        self._cluster = cluster
        self._cache = cache
        self._logs = logs
        self._events = PodEvents(cluster)
        self._last_seen = LastSeen()
        cache.add_index(Kind.POD, self._last_seen)

    def of(self, run: Run) -> list[Manifest]:
        """Return the pods of a run, from the cache."""
        return self._cache.pods_of(run.metadata.uid)

    def of_attempts(self, run: Run, attempts: Sequence[AttemptStatus]) -> list[Manifest]:
        """Return the pods of these attempts that are not being deleted."""
        found = (self._cache.pod(run.metadata.namespace or "", attempt.pod_name) for attempt in attempts)
        return [pod for pod in found if pod is not None and "deletionTimestamp" not in pod["metadata"]]

    async def read_events(self, run: Run, now: datetime) -> datetime | None:
        """Read the events of the pods that wait to be started; return when to read them next."""
        return await self._events.read(self.of(run), now)

    def start_problems(self, run: Run) -> Mapping[str, str]:
        """Return what keeps pods from starting by their events, by the pod's uid."""
        return self._events.problems(self.of(run))

    def last_seen(self, run: Run) -> Mapping[str, Manifest]:
        """Return the pods of a run that are gone, their end not recorded, as they were last seen, by uid."""
        return self._last_seen.of(run)

    def forget(self, namespace: str, name: str) -> None:
        """Forget the pods of a run that has ended or was deleted."""
        self._last_seen.forget(namespace, name)

    def find_unstartable(self, run: Run, now: datetime) -> tuple[list[Manifest], datetime | None]:
        """Return the pods whose containers will never start, and when the next pod may be one of them."""
        pods, problems = self.of(run), self.start_problems(run)
        return _due([(pod_failures.give_up_time(pod, problems.get(pod["metadata"]["uid"])), pod) for pod in pods], now)

    def find_lingering(self, run: Run, attempts: Attempts, now: datetime) -> tuple[list[Manifest], datetime | None]:
        """Return the pods that still run though their attempts have ended, and when the next may be one of them."""
        ended = {
            (key, attempt.attempt): attempt.completion_time
            for key, tried in attempts.items()
            for attempt in tried
            if attempt.status.is_terminal
        }
        times = [
            (time + OUTLIVES_TASK, pod)
            for pod in self.of(run)
            if (time := ended.get(attempt_of(pod))) and not has_ended(pod) and not _is_deleted(pod)
        ]
        return _due(times, now)

    async def delete_overdue(self, run: Run, now: datetime) -> tuple[str | None, datetime | None]:
        """Delete the pods whose kubelet did not end them when it had to.

        Returns:
            What was refused, and when the state of a pod has to be looked at again though no event tells of it.
        """
        pods = self.of(run)
        overdue, following = _due([(lost_pods.overdue_time(pod), pod) for pod in pods], now)
        refusal = await self._each(self._cluster.delete_object, overdue)
        times = [attempt_end.own_end_time(pod) or lost_pods.loss_time(pod) for pod in self.of(run)]
        return refusal, min((time for time in (following, *times) if time is not None and time > now), default=None)

    async def look_up_missing(self, run: Run) -> None:
        """Read the pods from the API that should exist: a cache that is behind must not make a pod count as deleted."""
        for attempt in status.attempts_without_pod(run, self.of(run)):
            found = await self._cluster.get(Kind.POD, run.metadata.namespace, attempt.pod_name)
            if found is not None and attempt.pod_uid in (None, found["metadata"]["uid"]):
                self._cache.record(found)

    async def end(self, pods: Sequence[Manifest]) -> str | None:
        """End pods; their logs stay readable. Return what was refused."""
        return await self._each(self._cluster.end_pod, pods)

    def kept_until(self, ended: RunStatus, now: datetime) -> datetime:
        """Return until when the pods of a run are kept that has ended."""
        return (ended.completion_time or now) + PODS_KEPT

    async def clean_up(self, run: Run, ended: RunStatus, now: datetime) -> timedelta | None:
        """Make one pass over the pods of a run that has ended; return when the next is due.

        Pods that are still running are ended after a while, and all are deleted once they are old and their logs are
        archived.
        """
        pods = self.of(run)
        for attempt, state in attempts_without_log(run, ended, {pod["metadata"]["name"] for pod in pods}):
            self._logs.observe_gone(attempt, state)
        end, until = ended.completion_time or now, self.kept_until(ended, now)
        running = [(end + _may_outlive(pod), pod) for pod in pods if not _is_deleted(pod) and not has_ended(pod)]
        lingering, following = _due(running, now)
        await self.end(lingering)
        _, next_check = await self.delete_overdue(run, now)
        times = [following, next_check]
        if pods and logs_are_archived(ended):
            if until <= now:
                await together(*(self._cluster.delete_object(pod) for pod in pods if not _is_deleted(pod)))
                self._events.forget(pods)
                times = []
            else:
                times.append(until)
        # Last: no event tells of pods that were deleted at once, so there may be no later pass.
        self.forget(run.metadata.namespace or "", run.metadata.name)
        return min((time - now for time in times if pods and time is not None and time > now), default=None)

    async def _each(self, call: Callable[[Manifest], Awaitable[None]], pods: Sequence[Manifest]) -> str | None:
        """Do something to each pod; return why it was refused for one, if it was."""
        answers = await asyncio.gather(*(call(pod) for pod in pods), return_exceptions=True)
        refused = [(pod, answer) for pod, answer in zip(pods, answers, strict=True) if isinstance(answer, Exception)]
        if not refused:
            return None
        pod, error = refused[0]
        return f"pod {pod['metadata']['name']} cannot be ended: {describe(error)}"


def _may_outlive(pod: Manifest) -> timedelta:
    """Return how long a pod may keep running after its run: little when only what was injected beside the task runs."""
    return OUTLIVES_TASK if attempt_end.terminated_state(pod) else ENDED_AFTER


def _is_deleted(pod: Manifest) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def _due(times: Sequence[tuple[datetime | None, Manifest]], now: datetime) -> tuple[list[Manifest], datetime | None]:
    """Return the pods whose time has come, and the next time of another."""
    due = [pod for time, pod in times if time is not None and time <= now]
    return due, min((time for time, _ in times if time is not None and time > now), default=None)
