"""Follows the log of one attempt until it is archived completely, retrying whatever fails."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol

import aiohttp
from prometheus_client import Counter

from icefield_kube.errors import KubernetesError, NotFound
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import AlreadyExistsError

from .archive import Archive, Position
from .attempt import Attempt, ContainerState
from .writer import FIRST_BACKOFF, LAST_BACKOFF, LogUnavailableError, Stream, Writer

log = logging.getLogger(__name__)

GIVE_UP_AFTER = 20
"""How often in a row the log of a container that has ended may fail to be read before the rest of it counts as lost:
about eight minutes."""

ERRORS = Counter("icefield_operator_log_errors_total", "Interruptions of archiving, by what failed.", ["where"])
LOST = Counter("icefield_operator_logs_lost_total", "Logs archived without their end, which is lost.")


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
    """Whether more of it was written that can no longer be read."""


class Follower:
    """Archives the log of one attempt; `state` is kept up to date from outside by `observe`."""

    def __init__(
        self, attempt: Attempt, archive: Archive, source: LogSource, uploads: asyncio.Semaphore, state: ContainerState
    ) -> None:
        """Initialize; it has not started.

        Args:
            attempt: whose log.
            archive: where to.
            source: where from.
            uploads: bounds how many parts are compressed and uploaded at once, over all followers.
            state: the state of the container.
        """
        self.attempt = attempt
        self._archive = archive
        self._source = source
        self._uploads = uploads
        self._state = state
        self._changed = asyncio.Event()
        self._failures = 0
        self._writer: Writer | None = None

    def observe(self, state: ContainerState) -> None:
        """Take in the state of the container."""
        if state is not self._state:
            self._state = state
            self._failures = 0
            self._changed.set()
            if self._writer:
                self._writer.expect_end()

    async def follow(self) -> None:
        """Return once the log is archived completely, or the rest of it is lost."""
        while True:
            try:
                if (end := await self._read_to_end()) is None:
                    return
                await self._archive.complete(end.parts, lost=end.lost)
            except ObjectStoreError as error:
                ERRORS.labels("object store").inc()
                await self._back_off(error)
            else:
                if end.lost:
                    LOST.inc()
                    log.warning("The end of the log of %s/%s is lost", self.attempt.namespace, self.attempt.pod)
                return

    async def _read_to_end(self) -> _End | None:
        """Read until a stream that was opened after the container had ended has ended; None: it was archived before.

        A stream that was opened before may break off without a sign, so another one must confirm that it did not.
        """
        while True:
            ended = self._state is not ContainerState.STARTED
            self._changed.clear()
            position = await self._archive.position()
            if position.complete:
                return None
            if self._state is ContainerState.NEVER_STARTED:
                # If parts exist it did start, and its end is no longer known (a node that restarted).
                return _End(position.next_part, lost=position.next_part > 0)
            try:
                await self._read(position, follow=not ended)
            except AlreadyExistsError:
                # A part was stored though its upload seemed to fail: the archived parts show where to resume.
                continue
            except (KubernetesError, LogUnavailableError, aiohttp.ClientError, OSError) as error:
                ERRORS.labels("kubelet").inc()
                if self._is_gone(error) or (ended and self._failures >= GIVE_UP_AFTER):
                    return _End(position.next_part, lost=True)
                await self._back_off(error)
            else:
                if ended:
                    return _End(position.next_part, lost=False)
                await self._back_off(None)

    async def _read(self, position: Position, *, follow: bool) -> None:
        attempt = self.attempt
        source = self._source(attempt.namespace, attempt.pod, follow=follow, since_time=position.since_time)
        async with source as stream:
            self._writer = Writer(self._archive, position, attempt, self._uploads)
            if follow and self._state is not ContainerState.STARTED:
                self._writer.expect_end()
            try:
                await self._writer.drain(stream)
            finally:
                if self._writer.archived:
                    self._failures = 0
                self._writer = None

    def _is_gone(self, error: Exception) -> bool:
        # A kubelet that has just started answers 404 too, for pods that it does not know yet; the API server's own
        # answer names the pod.
        return isinstance(error, NotFound) and f'pods "{self.attempt.pod}" not found' in error.message

    async def _back_off(self, error: Exception | None) -> None:
        delay = min(FIRST_BACKOFF * 2 ** min(self._failures, 10), LAST_BACKOFF) * random.uniform(0.8, 1.2)  # noqa: S311
        self._failures += 1
        if error is not None:
            reason = str(error) or type(error).__name__
            log.info("Log of %s/%s: %s; retry in %.1f s", self.attempt.namespace, self.attempt.pod, reason, delay)
        try:
            async with asyncio.timeout(delay):
                # That the container ended is worth an immediate retry; that a store is down is not.
                await self._changed.wait()
                if error is not None:
                    await asyncio.Event().wait()
        except TimeoutError:
            return
