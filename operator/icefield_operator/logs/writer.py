"""Makes parts of one stream of a log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Protocol

import aiohttp
from prometheus_client import Counter
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, wait_exponential

from icefield_crds.wire.log_line import GAP_MESSAGE, encode_gap
from icefield_crds.wire.log_line import timestamp_of as timestamp_text_of
from icefield_crds.wire.log_stream import Piece, Splitter
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import AlreadyExistsError

from .archive import Archive
from .attempt import Attempt
from .gaps import Gaps
from .lines import Encoder
from .position import Position, Verdict

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
GAPS = Counter("icefield_operator_log_gaps_total", "Places in logs where lines are missing.")


class LogUnavailableError(Exception):
    """The kubelet answered with an error message in place of the log."""


class Stream(Protocol):
    """A body that arrives piece by piece."""

    async def readany(self) -> bytes:
        """Return what has arrived, at least a byte; nothing at the end."""
        ...


class Writer:
    """Archives one stream, from a position in the archived log."""

    def __init__(
        self,
        archive: Archive,
        position: Position,
        attempt: Attempt,
        uploads: asyncio.Semaphore,
        gaps: Gaps,
        *,
        on_archived: Callable[[], None] | None = None,
    ) -> None:
        """Initialize.

        Args:
            archive: where to.
            position: where the archived log ends; it is moved on.
            attempt: whose log.
            uploads: bounds how many parts are compressed and uploaded at once.
            gaps: knows where the stream has skipped lines.
            on_archived: called whenever all that was read so far is archived.
        """
        self._archive = archive
        self._position = position
        self._attempt = attempt
        self._encoder = Encoder(attempt.task, attempt.attempt)
        self._splitter = Splitter()
        self._uploads = uploads
        self._gaps = gaps
        self._on_archived = on_archived
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

    async def drain(self, stream: Stream, *, whole: bool) -> None:
        """Archive the stream until it ends, or until it is silent and the container has ended.

        Args:
            stream: the log from the position on, or from earlier.
            whole: whether its end is the log's; else it may break off within a line, which is left out then.

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
                for piece in self._splitter.end() if whole else ():
                    await self._write(piece)
                break
            for piece in self._splitter.feed(chunk):
                await self._write(piece)
        await self._flush()

    def _has_caught_up(self) -> bool:
        return self._ending and _now() >= self._silent_since + CAUGHT_UP_AFTER

    def _deadline(self) -> float | None:
        if not self._ending:
            return self._flush_at
        return min(self._silent_since + CAUGHT_UP_AFTER, self._flush_at or float("inf"))

    async def _write(self, piece: Piece) -> None:
        record = self._encoder.encode(piece)
        if record is None:
            await self._refuse(piece[0])
            return
        verdict = self._position.judge(record)
        if verdict is Verdict.ARCHIVED:
            return
        timestamp = timestamp_text_of(record)
        if self._position.is_at_start and not self._records:
            await self._judge_start(timestamp)
        skipped = self._gaps.is_before(timestamp, len(record), _now())
        if verdict is Verdict.NEW_AFTER_GAP or skipped:
            await self._mark_gap(timestamp)
        if not self._records:
            self._flush_at = _now() + flush_interval(self._position.next_part)
        self._records += record
        if len(self._records) >= PART_SIZE:
            await self._flush()

    async def _refuse(self, words: bytes) -> None:
        """Raise for what is no line of the log, unless it is the rest of a line that is archived already."""
        is_refusal = words.startswith(b"unable to retrieve container logs")
        if self._position.since is None or self._encoder.has_begun or is_refusal:
            await self._flush()
            raise LogUnavailableError(words[:500].decode(errors="replace"))

    async def _judge_start(self, timestamp: str) -> None:
        if not self._position.start_unknown and self._gaps.may_miss_start(datetime.fromisoformat(timestamp), _now()):
            await self._until_stored(self._archive.mark_start_unknown)
            self._position.start_unknown = True

    async def _mark_gap(self, timestamp: str) -> None:
        if not self._position.incomplete:
            await self._until_stored(self._archive.mark_incomplete)
            self._position.incomplete = True
        GAPS.inc()
        attempt = self._attempt
        log.warning("Lines of the log of %s/%s are missing before %s", attempt.namespace, attempt.pod, timestamp)
        self._records += encode_gap(timestamp, GAP_MESSAGE, attempt.task, attempt.attempt)

    async def _flush(self) -> None:
        self._flush_at = None
        if not self._records:
            return
        records = bytes(self._records)
        await self._until_stored(lambda: self._archive.add(self._position.next_part, records))
        self._position.next_part += 1
        self._records.clear()
        ARCHIVED_BYTES.inc(len(records))
        if self._on_archived:
            self._on_archived()

    async def _until_stored(self, store: Callable[[], Awaitable[object]]) -> None:
        """Make a write to the store until it succeeds: the kubelet may have rotated these lines away by now.

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
                    await store()


def _is_retryable(error: BaseException) -> bool:
    return isinstance(error, ObjectStoreError) and not isinstance(error, AlreadyExistsError)


def flush_interval(part: int) -> float:
    """Return how many seconds after its first line this part (counted from 0) is written at the latest."""
    return float(min(FIRST_FLUSH * 2 ** min(part // PARTS_PER_STEP, 10), LAST_FLUSH))


def _now() -> float:
    return asyncio.get_running_loop().time()
