"""Makes parts of one stream of a log."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

import aiohttp
from prometheus_client import Counter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential

from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import AlreadyExistsError

from .archive import Archive, Position
from .attempt import Attempt
from .lines import Encoder, Splitter

log = logging.getLogger(__name__)

PART_SIZE = 1024 * 1024
"""Bytes of records, before compression, that make a part."""
FIRST_FLUSH = 2.0
LAST_FLUSH = 60.0
PARTS_PER_STEP = 10
"""A part is written at the latest 2 s after its first line, so that readers see progress; after each ten parts that
time doubles, up to a minute, so that a day of a talkative task does not become forty thousand objects."""
FIRST_BACKOFF = 0.5
LAST_BACKOFF = 30.0
CAUGHT_UP_AFTER = 1.0
"""Seconds of silence after which the stream of a container that has ended counts as read: the kubelet looks only every
five seconds whether the container that it follows still runs."""

ARCHIVED_BYTES = Counter("icefield_operator_log_archived_bytes_total", "Bytes of log records archived.")
UPLOAD_ERRORS = Counter("icefield_operator_log_upload_errors_total", "Uploads of a part of a log that failed.")


class LogUnavailableError(Exception):
    """The kubelet answered with an error message in place of the log."""


class Stream(Protocol):
    """A body that arrives piece by piece."""

    async def readany(self) -> bytes:
        """Return what has arrived, at least a byte; nothing at the end."""
        ...


class Writer:
    """Archives one stream, from a position in the archived log."""

    def __init__(self, archive: Archive, position: Position, attempt: Attempt, uploads: asyncio.Semaphore) -> None:
        """Initialize.

        Args:
            archive: where to.
            position: where the archived log ends; it is moved on.
            attempt: whose log.
            uploads: bounds how many parts are compressed and uploaded at once.
        """
        self.archived = False
        self._archive = archive
        self._position = position
        self._encoder = Encoder(attempt.task, attempt.attempt)
        self._splitter = Splitter()
        self._uploads = uploads
        self._records = bytearray()
        self._flush_at: float | None = None
        self._ending = False
        self._silent_since = 0.0
        self._limit: asyncio.Timeout | None = None

    def expect_end(self) -> None:
        """Record that the container has ended: a silent stream is complete then."""
        self._ending = True
        self._silent_since = _now()
        if self._limit and not self._limit.expired():
            self._limit.reschedule(self._deadline())

    async def drain(self, stream: Stream) -> None:
        """Archive the stream until it ends, or until it is silent and the container has ended.

        Raises:
            LogUnavailableError: there is an error message in place of the log.
            AlreadyExistsError: this part is archived already.
            aiohttp.ClientError, OSError: the connection broke; what came before is archived.
        """
        while True:
            try:
                async with asyncio.timeout_at(self._deadline()) as limit:
                    self._limit = limit
                    chunk = await stream.readany()
            except (aiohttp.ClientError, OSError):
                caught_up = limit.expired() and self._has_caught_up()
                await self._flush()
                if caught_up:
                    return
                if not limit.expired():
                    raise
                continue
            finally:
                self._limit = None
            self._silent_since = _now()
            if not chunk:
                for line in self._splitter.end():
                    await self._write(line)
                break
            for line in self._splitter.feed(chunk):
                await self._write(line)
        await self._flush()

    def _has_caught_up(self) -> bool:
        return self._ending and _now() >= self._silent_since + CAUGHT_UP_AFTER

    def _deadline(self) -> float | None:
        if not self._ending:
            return self._flush_at
        return min(self._silent_since + CAUGHT_UP_AFTER, self._flush_at or float("inf"))

    async def _write(self, line: bytes) -> None:
        record = self._encoder.encode(line)
        if record is None:
            is_refusal = line.startswith(b"unable to retrieve container logs")
            if self._position.since is None or self._encoder.has_begun or is_refusal:
                await self._flush()
                raise LogUnavailableError(line[:500].decode(errors="replace"))
            return
        if not self._position.take(record):
            return
        if not self._records:
            self._flush_at = _now() + flush_interval(self._position.next_part)
        self._records += record
        if len(self._records) >= PART_SIZE:
            await self._flush()

    async def _flush(self) -> None:
        self._flush_at = None
        if not self._records:
            return
        records = bytes(self._records)
        await self._upload(records)
        self.archived = True
        self._position.next_part += 1
        self._records.clear()
        ARCHIVED_BYTES.inc(len(records))

    async def _upload(self, records: bytes) -> None:
        """Upload a part until it succeeds: the kubelet may have rotated these lines away by now.

        Raises:
            AlreadyExistsError: the part was archived before.
        """

        def report(attempt: RetryCallState) -> None:
            UPLOAD_ERRORS.inc()
            error = attempt.outcome.exception() if attempt.outcome else None
            delay = attempt.next_action.sleep if attempt.next_action else 0.0
            log.warning("A part of a log is not archived yet: %s; retry in %.1f s", error, delay)

        retrying = AsyncRetrying(
            retry=retry_if_exception(_is_retryable),
            wait=wait_exponential(multiplier=FIRST_BACKOFF, max=LAST_BACKOFF),
            before_sleep=report,
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                async with self._uploads:
                    await self._archive.add(self._position.next_part, records)


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, ObjectStoreError) and not isinstance(error, AlreadyExistsError)


def flush_interval(part: int) -> float:
    """Return how many seconds after its first line this part (counted from 0) is written at the latest."""
    return float(min(FIRST_FLUSH * 2 ** min(part // PARTS_PER_STEP, 10), LAST_FLUSH))


def _now() -> float:
    return asyncio.get_running_loop().time()
