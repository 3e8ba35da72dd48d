"""Follows the log of one attempt through the Kubernetes API until it is archived, retrying whatever fails.

The kubelet serves a log from its newest file, so what it rotates away before it is read is lost here; a log agent on
the node has no such limit (`icefield_operator.log_agent`).
"""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import AbstractAsyncContextManager, suppress
from typing import NamedTuple, Protocol

import aiohttp
from prometheus_client import Counter

from icefield_crds.wire.log_line import LogComplete
from icefield_kube.errors import KubernetesError, NotFound
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import AlreadyExistsError

from .archive import Archive
from .attempt import UNKNOWN_LIFETIME, Attempt, ContainerState, Lifetime
from .gaps import RotationGaps, Watch
from .position import Position
from .writer import FIRST_BACKOFF, LAST_BACKOFF, LogUnavailableError, Stream, Writer

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 20
"""How often in a row the log of a container that has ended may fail to be read before the rest of it counts as lost:
about eight minutes."""

ERRORS = Counter("icefield_operator_log_errors_total", "Interruptions of archiving, by what failed.", ["where"])
LOST = Counter("icefield_operator_logs_lost_total", "Logs archived with lines missing.")
SHORT_TASK_SECONDS = 3.0
"""How long a container is given to end before its log is followed: the log of one that has ended is read once, over a
connection that others have used."""
END_IS_TOLD_WITHIN = 5.0
"""Seconds: a stream ends when the container has, and the status of its pod says so a little later. Once lines of it are
archived, this doubles with each stream that brings none: a gap that comes of it is seen."""
CONFIRMATIONS = 3
"""How often in a row the last archived line may be missing from a log that is read to its end, before that counts."""
OVERLAPS_KEPT = 60
"""How many times the bytes of its newest second a log that is resumed may have in its newest file, by estimate."""


class LogSource(Protocol):
    """Where container logs come from; `Cluster.pod_log`."""

    def __call__(
        self, namespace: str, name: str, *, follow: bool, since_time: str | None
    ) -> AbstractAsyncContextManager[Stream]:
        """Stream the log of the task container of a pod, timestamped, to its end, from `since_time` (RFC 3339) on.

        With `follow` the stream ends some time after the container has, without it with what is there now.
        """
        ...


class _End(NamedTuple):
    """The end of an archived log."""

    parts: int
    lost: bool
    """Whether lines are missing."""
    is_cut: bool = False
    """Whether its end is, or may be, among them."""
    is_stored: bool = False
    """Whether there is nothing left to store."""
    start_unknown: bool = False
    """Whether it is not known if its first lines are missing."""


class Follower:
    """Archives the log of one attempt; `state` is kept up to date from outside by `observe`."""

    def __init__(
        self,
        attempt: Attempt,
        archive: Archive,
        source: LogSource,
        uploads: asyncio.Semaphore,
        state: ContainerState,
        lifetime: Lifetime = UNKNOWN_LIFETIME,
        *,
        is_new: bool = False,
    ) -> None:
        """Initialize; it has not started.

        Args:
            attempt: whose log.
            archive: where to.
            source: where from.
            uploads: bounds how many parts are compressed and uploaded at once, over all followers.
            state: the state of the container.
            lifetime: when it started and ended.
            is_new: it is known that nothing is archived yet.
        """
        self.attempt = attempt
        self.archive = archive
        self._source = source
        self._uploads = uploads
        self._state = state
        self._lifetime = lifetime
        self._watch = Watch(lifetime.started_at)
        self._is_new = is_new
        self._changed = asyncio.Event()
        self._failures = 0
        self._writer: Writer | None = None

    @property
    def has_started(self) -> bool:
        """Whether the container has, or may have."""
        return self._state is not ContainerState.NEVER_STARTED

    @property
    def has_ended(self) -> bool:
        """Whether the container has."""
        return self._state is not ContainerState.STARTED

    def observe(self, state: ContainerState, lifetime: Lifetime = UNKNOWN_LIFETIME) -> None:
        """Take in the state of the container, and when it started and ended."""
        if lifetime.ended_at is not None:
            self._lifetime = lifetime
        if state is not self._state:
            self._state = state
            self._failures = 0
            self._changed.set()
            if self._writer:
                self._writer.expect_end()

    async def follow(self) -> LogComplete:
        """Return once the log is archived, or the rest of it is lost."""
        while True:
            try:
                end = await self._read_to_end()
                return await self._finish(end)
            except ObjectStoreError as error:
                ERRORS.labels("object store").inc()
                await self._back_off(error)

    async def _finish(self, end: _End) -> LogComplete:
        if end.is_stored:
            return LogComplete(end.parts, end.lost, end.start_unknown)
        parts = end.parts
        if end.is_cut:
            parts = await self.archive.add_missing_end(parts, self.attempt)
        if end.lost:
            LOST.inc()
            log.warning("Lines of the log of %s/%s are missing", self.attempt.namespace, self.attempt.pod)
        completion = LogComplete(parts, end.lost, end.start_unknown)
        await self.archive.complete(completion)
        return completion

    async def _read_to_end(self) -> _End:
        """Read until a stream that was opened after the container had ended has ended.

        A stream that was opened before may break off without a sign, so another one must confirm that it did not.
        """
        if self._is_new and not self.has_ended:
            await self._wait_for_change(SHORT_TASK_SECONDS)
        while True:
            ended = self.has_ended
            self._changed.clear()
            position = Position() if self._is_new else await self.archive.position()
            if position.complete:
                return _End(
                    position.next_part, position.incomplete, is_stored=True, start_unknown=position.start_unknown
                )
            if self._state is ContainerState.NEVER_STARTED:
                # If parts exist it did start, and its end is no longer known (a node that restarted).
                return _end_at(position, is_cut=position.next_part > 0)
            try:
                await self._read(position, follow=not ended)
            except AlreadyExistsError:
                # A part was stored though its upload seemed to fail, or an agent stored it: the archived parts show
                # where to resume.
                continue
            except (KubernetesError, LogUnavailableError, aiohttp.ClientError, OSError) as error:
                ERRORS.labels("kubelet").inc()
                if self._is_gone(error) or (ended and self._failures >= GIVE_UP_AFTER):
                    return _end_at(position, is_cut=True)
                await self._back_off(error)
            else:
                if ended and (position.is_reached or self._failures >= CONFIRMATIONS):
                    # That the last archived line is gone from the log tells that later ones may be, too.
                    self._judge_empty_log(position)
                    return _end_at(position, is_cut=not position.is_reached)
                await self._back_off(None, at_least=0.0 if self.has_ended else self._end_is_told_within(position))

    def _end_is_told_within(self, position: Position) -> float:
        return END_IS_TOLD_WITHIN * (1 if position.is_at_start else 2 ** min(self._failures, 10))

    def _judge_empty_log(self, position: Position) -> None:
        ended_at, now = self._lifetime.ended_at, asyncio.get_running_loop().time()
        if position.is_at_start and ended_at is not None:
            position.start_unknown = self._watch.may_miss_start(ended_at, now)

    async def _read(self, position: Position, *, follow: bool) -> None:
        attempt = self.attempt
        source = self._source(attempt.namespace, attempt.pod, follow=follow, since_time=position.since_time)
        now = asyncio.get_running_loop().time
        async with source as stream:
            opened_at = now()
            self._watch.open(opened_at)
            gaps = RotationGaps(position.overlap_bytes * OVERLAPS_KEPT, self._watch)
            self._writer = Writer(self.archive, position, attempt, self._uploads, gaps, on_archived=self._note_progress)
            if follow and self.has_ended:
                self._writer.expect_end()
            try:
                await self._writer.drain(stream, whole=not follow)
            except AlreadyExistsError:
                self._is_new = False
                raise
            finally:
                self._watch.close(now())
                self._writer = None
                if follow and now() - opened_at >= LAST_BACKOFF:
                    # A connection without a byte is given up now and then; a silent log must not be left alone long.
                    self._failures = 0

    def _note_progress(self) -> None:
        self._failures = 0
        self._is_new = False

    def _is_gone(self, error: Exception) -> bool:
        # A kubelet that has just started answers 404 too, for pods that it does not know yet; the API server's own
        # answer names the pod.
        return isinstance(error, NotFound) and f'pods "{self.attempt.pod}" not found' in error.message

    async def _back_off(self, error: Exception | None, *, at_least: float = 0.0) -> None:
        delay = min(FIRST_BACKOFF * 2 ** min(self._failures, 10), LAST_BACKOFF) * random.uniform(0.8, 1.2)  # noqa: S311
        delay = max(delay, min(at_least, LAST_BACKOFF))
        self._failures += 1
        if error is not None:
            reason = str(error) or type(error).__name__
            log.info("Log of %s/%s: %s; retry in %.1f s", self.attempt.namespace, self.attempt.pod, reason, delay)
        # That the container ended is worth an immediate retry; that a store is down is not.
        if error is None:
            await self._wait_for_change(delay)
        else:
            await asyncio.sleep(delay)

    async def _wait_for_change(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()


def _end_at(position: Position, *, is_cut: bool) -> _End:
    lost = position.incomplete or is_cut
    # Of a log without a line nothing is stored: the status of the Run records that it is archived.
    is_stored = position.is_at_start and not lost
    return _End(position.next_part, lost, is_cut, is_stored, position.start_unknown)
