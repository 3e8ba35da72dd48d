"""All followers: which attempts' logs are being archived, and which are complete."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import NamedTuple, Protocol

from cachetools import LRUCache
from prometheus_client import Gauge
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_fixed

from icefield_kube.client import Manifest
from icefield_operator.objectstore.store import ObjectStore

from .archive import Archive
from .attempt import Attempt, ContainerState, container_state
from .follower import Follower, LogSource

log = logging.getLogger(__name__)

MAX_FOLLOWERS = 400
"""Logs followed at once: each holds a connection to the API server and up to a part (1 MiB) in memory."""
MAX_UPLOADS = 8
REMEMBERED = 20_000
"""How many complete logs are remembered; a forgotten one is looked up in the object store when it is observed."""
AFTER_MISTAKE = 30.0

FOLLOWERS = Gauge("icefield_operator_log_followers", "Attempts whose logs are being archived.")


class _Key(NamedTuple):
    run_uid: str
    task: str
    attempt: int


class LogArchive(Protocol):
    """What is known of archived logs; `LogArchiver`."""

    def is_complete(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return whether the complete log of an attempt is in the object store."""
        ...

    def observe_gone(self, attempt: Attempt) -> None:
        """Record that the pod of an attempt is gone."""
        ...

    async def abandon(self, workspace: str) -> None:
        """Stop archiving the logs of a workspace."""
        ...


class LogArchiver:
    """Archives the log of every task pod that it observes."""

    def __init__(self, store: ObjectStore, source: LogSource, on_complete: Callable[[str, str], None]) -> None:
        """Initialize; it starts with the first `observe` and ends with `run`.

        Args:
            store: where logs are archived.
            source: where logs come from, `Cluster.pod_log`.
            on_complete: called with namespace and name of the Run whenever one more log is complete.
        """
        self._store = store
        self._source = source
        self._on_complete = on_complete
        self._slots = asyncio.Semaphore(MAX_FOLLOWERS)
        self._uploads = asyncio.Semaphore(MAX_UPLOADS)
        self._followers: dict[_Key, tuple[Follower, asyncio.Task[None]]] = {}
        self._complete: LRUCache[_Key, None] = LRUCache(REMEMBERED)

    def observe(self, pod: Manifest) -> None:
        """Observe the current state of a task pod; idempotent, for every event and resync."""
        attempt = Attempt.of(pod)
        state = container_state(pod)
        if attempt is not None and state is not ContainerState.NOT_STARTED:
            self._follow(attempt, state)

    def observe_gone(self, attempt: Attempt) -> None:
        """Record that an attempt's pod is gone: what is archived of its log is all there will be."""
        self._follow(attempt, ContainerState.ENDED)

    def is_complete(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return whether this attempt's log is known to be complete.

        After a restart it is known some time after the attempt's pod was observed; `on_complete` is called then.
        """
        return _Key(run_uid, task, attempt) in self._complete

    async def abandon(self, workspace: str) -> None:
        """Stop archiving logs of a workspace that is being deleted; nothing more is written below its prefix."""
        tasks = [task for follower, task in self._followers.values() if follower.attempt.workspace == workspace]
        await _stop(tasks)

    async def run(self) -> None:
        """Wait until cancelled, then stop all followers; what they had not archived is read again after a start."""
        try:
            await asyncio.Event().wait()
        finally:
            await _stop([task for _, task in self._followers.values()])

    def _follow(self, attempt: Attempt, state: ContainerState) -> None:
        key = _Key(attempt.run_uid, attempt.task, attempt.attempt)
        if key in self._complete:
            return
        if present := self._followers.get(key):
            present[0].observe(state)
            return
        archive = Archive(self._store, attempt.prefix)
        follower = Follower(attempt, archive, self._source, self._uploads, state)
        self._followers[key] = (follower, asyncio.create_task(self._archive(key, follower)))
        FOLLOWERS.set(len(self._followers))

    async def _archive(self, key: _Key, follower: Follower) -> None:
        attempt = follower.attempt
        try:
            async with self._slots:
                await self._follow_to_end(follower)
            self._complete[key] = None
        finally:
            del self._followers[key]
            FOLLOWERS.set(len(self._followers))
        self._on_complete(attempt.namespace, attempt.run)

    async def _follow_to_end(self, follower: Follower) -> None:
        def report(attempt: RetryCallState) -> None:
            error = attempt.outcome.exception() if attempt.outcome else None
            name = f"{follower.attempt.namespace}/{follower.attempt.pod}"
            log.error("Archiving the log of %s failed", name, exc_info=error)

        # A mistake of ours in one log must not end the archiving of it, let alone of the others.
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Exception), wait=wait_fixed(AFTER_MISTAKE), before_sleep=report
        )
        await retrying(follower.follow)


async def _stop(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
