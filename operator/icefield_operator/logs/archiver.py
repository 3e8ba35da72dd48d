"""The archiving of all attempts' logs: which agent or follower archives which, and which are archived."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from cachetools import LRUCache
from prometheus_client import Gauge
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_fixed

from icefield_crds.wire.log_line import LogComplete
from icefield_kube.client import Manifest
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import ObjectStore

from .archive import Archive
from .attempt import UNKNOWN_LIFETIME, Attempt, ContainerState, Lifetime, container_state, lifetime_of, node_of
from .follower import Follower, LogSource
from .node_agents import NodeAgents

log = logging.getLogger(__name__)

MAX_FOLLOWERS = 400
"""Logs followed at once: each holds a connection to the API server and up to a part (1 MiB) in memory."""
MAX_UPLOADS = 8
MAX_QUESTIONS = 16
"""How many logs are asked for at once in the object store, whether an agent has completed them."""
REMEMBERED = 20_000
"""How many archived logs are remembered; a forgotten one is looked up in the object store when it is observed."""
AFTER_MISTAKE = 30.0
FIRST_QUESTION = 0.5
LAST_QUESTION = 30.0
"""Seconds between two questions whether an agent has completed a log, from the end of its container on."""
PATIENCE = 600.0
"""For how long an agent that works may archive a log whose container has ended; time in which the store fails does not
count."""
PATIENCE_WITH_GONE = 30.0
"""The same where the pod is gone: the agent has its files open, if it ever saw it."""
CHECK_AGENTS = 10.0

FOLLOWERS = Gauge("icefield_operator_log_followers", "Attempts whose logs are being archived.")


class _Key(NamedTuple):
    run_uid: str
    task: str
    attempt: int


@dataclass
class _Log:
    """A log that is being archived."""

    follower: Follower
    node: str | None
    patience: float = PATIENCE
    """Seconds left for an agent to complete it."""
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the state of the container or the agent of the node has changed."""

    @property
    def attempt(self) -> Attempt:
        return self.follower.attempt


class LogArchive(Protocol):
    """What is known of archived logs; `LogArchiver`."""

    def is_complete(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return whether all that can be archived of the log of an attempt is in the object store."""
        ...

    def misses_lines(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return whether lines of such a log are missing."""
        ...

    def has_unknown_start(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return whether it is not known if the first lines of such a log are missing."""
        ...

    def observe_gone(self, attempt: Attempt, state: ContainerState = ContainerState.ENDED) -> None:
        """Record that the pod of an attempt is gone, and what its container came to."""
        ...

    async def abandon(self, workspace: str) -> None:
        """Stop archiving the logs of a workspace."""
        ...


class LogArchiver:
    """Has the log of every task pod that it observes archived: by the agent of its node, else by a follower."""

    def __init__(
        self, store: ObjectStore, source: LogSource, agents: NodeAgents, on_complete: Callable[[str, str], None]
    ) -> None:
        """Initialize; it starts with the first `observe` and ends with `run`.

        Args:
            store: where logs are archived.
            source: where logs come from, `Cluster.pod_log`.
            agents: which nodes have an agent.
            on_complete: called with namespace and name of the Run whenever one more log is archived.
        """
        self._store = store
        self._source = source
        self._agents = agents
        self._on_complete = on_complete
        self._slots = asyncio.Semaphore(MAX_FOLLOWERS)
        self._uploads = asyncio.Semaphore(MAX_UPLOADS)
        self._questions = asyncio.Semaphore(MAX_QUESTIONS)
        self._logs: dict[_Key, tuple[_Log, asyncio.Task[None]]] = {}
        self._not_started: LRUCache[_Key, None] = LRUCache(REMEMBERED)
        self._complete: LRUCache[_Key, LogComplete] = LRUCache(REMEMBERED)

    def observe(self, pod: Manifest) -> None:
        """Observe the current state of a task pod; idempotent, for every event and resync."""
        attempt = Attempt.of(pod)
        state = container_state(pod)
        if attempt is None:
            return
        if state is ContainerState.NOT_STARTED:
            self._not_started[_key_of(attempt)] = None
        else:
            self._archive(attempt, state, node_of(pod), lifetime_of(pod))

    def observe_gone(self, attempt: Attempt, state: ContainerState = ContainerState.ENDED) -> None:
        """Record that an attempt's pod is gone: what an agent holds of its log, or is archived, is all there is."""
        self._archive(attempt, state, None)

    def is_complete(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return whether this attempt's log is known to be archived.

        After a restart it is known some time after the attempt's pod was observed; `on_complete` is called then.
        """
        return _Key(run_uid, task, attempt) in self._complete

    def misses_lines(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return whether lines of this attempt's archived log are known to be missing."""
        completion = self._complete.get(_Key(run_uid, task, attempt))
        return completion is not None and completion.lost

    def has_unknown_start(self, run_uid: str, task: str, attempt: int) -> bool:
        """Return whether it is not known if the first lines of this attempt's archived log are missing."""
        completion = self._complete.get(_Key(run_uid, task, attempt))
        return completion is not None and completion.start_unknown

    async def abandon(self, workspace: str) -> None:
        """Stop archiving logs of a workspace that is being deleted; nothing more is written below its prefix."""
        await _stop([task for each, task in self._logs.values() if each.attempt.workspace == workspace])

    async def run(self) -> None:
        """Run until cancelled, then stop all followers; what they had not archived is read again after a start."""
        working = set(self._agents.nodes())
        try:
            while True:
                await asyncio.sleep(CHECK_AGENTS)
                before, working = working, set(self._agents.nodes())
                for each, _ in list(self._logs.values()):
                    if each.node in before ^ working:
                        each.changed.set()
        finally:
            await _stop([task for _, task in self._logs.values()])

    def _archive(
        self, attempt: Attempt, state: ContainerState, node: str | None, lifetime: Lifetime = UNKNOWN_LIFETIME
    ) -> None:
        key = _key_of(attempt)
        if key in self._complete:
            return
        if present := self._logs.get(key):
            present[0].follower.observe(state, lifetime)
            if node is None:
                present[0].patience = min(present[0].patience, PATIENCE_WITH_GONE)
            present[0].changed.set()
            return
        is_new = self._not_started.pop(key, self) is None
        archive = Archive(self._store, attempt.prefix)
        follower = Follower(attempt, archive, self._source, self._uploads, state, lifetime, is_new=is_new)
        each = _Log(follower, node or self._any_agent(), PATIENCE if node else PATIENCE_WITH_GONE)
        self._logs[key] = (each, asyncio.create_task(self._archive_and_report(key, each)))
        FOLLOWERS.set(len(self._logs))

    def _any_agent(self) -> str | None:
        """Return a node with an agent: one of them may hold the log of a pod whose node is no longer known."""
        return next(iter(self._agents.nodes()), None)

    async def _archive_and_report(self, key: _Key, each: _Log) -> None:
        try:
            self._complete[key] = await self._until_archived(each)
        finally:
            del self._logs[key]
            FOLLOWERS.set(len(self._logs))
        self._on_complete(each.attempt.namespace, each.attempt.run)

    async def _until_archived(self, each: _Log) -> LogComplete:
        """Return once a log is archived."""
        completion: LogComplete | None = None
        while completion is None:
            # Both may write at once: a part is written only where there is none, by whoever comes first.
            if self._agent_works(each):
                completion = await self._ask_for_completion(each)
            else:
                completion = await self._until_agent_works(each, self._follow(each.follower))
        return completion

    def _agent_works(self, each: _Log) -> bool:
        return each.patience > 0 and each.follower.has_started and self._agents.work_on(each.node)

    async def _ask_for_completion(self, each: _Log) -> LogComplete | None:
        """Wait until an agent has completed a log. None: the agent is gone."""
        delay = FIRST_QUESTION
        while self._agent_works(each):
            each.changed.clear()
            if not each.follower.has_ended:
                await each.changed.wait()
                continue
            await asyncio.sleep(delay * random.uniform(0.8, 1.2))  # noqa: S311
            try:
                async with self._questions:
                    completion = await each.follower.archive.completion()
            except ObjectStoreError as error:
                log.info("Cannot ask for the log of %s/%s: %s", each.attempt.namespace, each.attempt.pod, error)
            else:
                if completion:
                    return completion
                each.patience -= delay
            delay = min(delay * 2, LAST_QUESTION)
        return None

    async def _until_agent_works(self, each: _Log, following: Coroutine[Any, Any, LogComplete]) -> LogComplete | None:
        """Follow a log to its end. None: an agent took over."""
        task = asyncio.create_task(following)
        try:
            while not self._agent_works(each):
                each.changed.clear()
                changed = asyncio.create_task(each.changed.wait())
                await asyncio.wait({task, changed}, return_when=asyncio.FIRST_COMPLETED)
                changed.cancel()
                if task.done():
                    return task.result()
            return None
        finally:
            await _stop([task])

    async def _follow(self, follower: Follower) -> LogComplete:
        def report(attempt: RetryCallState) -> None:
            error = attempt.outcome.exception() if attempt.outcome else None
            name = f"{follower.attempt.namespace}/{follower.attempt.pod}"
            log.error("Archiving the log of %s failed", name, exc_info=error)

        # A mistake of ours in one log must not end the archiving of it, let alone of the others.
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(Exception), wait=wait_fixed(AFTER_MISTAKE), before_sleep=report
        )
        async with self._slots:
            return await retrying(follower.follow)


def _key_of(attempt: Attempt) -> _Key:
    return _Key(attempt.run_uid, attempt.task, attempt.attempt)


async def _stop(tasks: list[asyncio.Task[Any]]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
