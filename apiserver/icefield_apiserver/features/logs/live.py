"""Pods' logs as they are written: however many follow the same log, one stream comes from Kubernetes.

What a reader has not taken yet is kept for it, up to a limit. The stream waits for one that is full for a moment only,
then goes on without it: it has to read on from another source, as all do when the stream was interrupted.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import aclosing, contextmanager, suppress

import aiohttp

from icefield_kube.errors import KubernetesError

from .entry import Entry
from .pod import PodLogs, TaskPod

log = logging.getLogger(__name__)

PENDING_BYTES = 256 * 1024
"""Of lines that a reader has not taken yet; a single chunk may be longer."""
PATIENCE_SECONDS = 0.5
"""How long a stream waits for a reader that is full: it may only not have had its turn."""


class LiveLogs:
    """The logs that are followed now.

    Args:
        pods: where they come from.
    """

    def __init__(self, pods: PodLogs) -> None:
        self._pods = pods
        self._streams: dict[TaskPod, _Stream] = {}

    @contextmanager
    def joined(self, pod: TaskPod, changed: asyncio.Event) -> Iterator[LiveLog]:
        """Give the log of a pod from now on; the stream ends when nobody reads it any more.

        Args:
            pod: the pod.
            changed: set when there is something to take, or the log is no longer open.
        """
        stream = self._streams.get(pod)
        if stream is None or stream.has_ended:
            stream = self._streams[pod] = _Stream(self._pods, pod)
        reader = LiveLog(stream, changed)
        stream.readers.add(reader)
        try:
            yield reader
        finally:
            stream.readers.discard(reader)
            if not stream.readers:
                stream.stop()
                if self._streams.get(pod) is stream:
                    del self._streams[pod]


class LiveLog:
    """What one reader gets of a log.

    Attributes:
        is_open: whether more lines come. False once the stream has ended, or has gone on without this reader; what it
            can still take was before that.
        is_from_start: whether the stream had not been started when it joined.
    """

    def __init__(self, stream: _Stream, changed: asyncio.Event) -> None:
        self.is_open = True
        self.is_from_start = not stream.has_started
        self._stream = stream
        self._changed = changed
        self._pending: list[Entry] = []
        self._pending_bytes = 0
        self._takes = False

    def start(self, since: str | None) -> None:
        """Begin to take lines, and start the stream unless another reader has.

        It is closed instead where another reader has started the stream since it joined, with lines that are too new:
        what came between is in neither the stream nor what this reader has read before.

        Args:
            since: RFC 3339 with whole seconds; older lines are left out.
        """
        self._takes = True
        self._stream.start(since)
        began = self._stream.since
        if self.is_from_start and began is not None and (since is None or since < began):
            self.take()
            self.close()

    def take(self) -> list[Entry]:
        """Return the lines that have come since the last call."""
        taken, self._pending, self._pending_bytes = self._pending, [], 0
        self._stream.taken.set()
        return taken

    def is_full(self, size: int) -> bool:
        """Return whether it has no room for so many more bytes."""
        return self.is_open and bool(self._pending) and self._pending_bytes + size > PENDING_BYTES

    def may_take(self, size: int) -> bool:
        """Return whether it is full, and about to take what it has."""
        return self._takes and self.is_full(size)

    def put(self, lines: list[Entry], size: int) -> None:
        """Add lines of so many bytes; close it instead where it is full."""
        if self.is_full(size):
            self.close()
        elif self.is_open:
            self._pending += lines
            self._pending_bytes += size
            self._changed.set()

    def close(self) -> None:
        """Let no more lines come."""
        self.is_open = False
        self._changed.set()


class _Stream:
    """One stream from Kubernetes, and who reads it."""

    def __init__(self, pods: PodLogs, pod: TaskPod) -> None:
        self.readers: set[LiveLog] = set()
        self.since: str | None = None
        self.taken = asyncio.Event()
        self._pods = pods
        self._pod = pod
        self._task: asyncio.Task[None] | None = None

    @property
    def has_started(self) -> bool:
        return self._task is not None

    @property
    def has_ended(self) -> bool:
        return self._task is not None and self._task.done()

    def start(self, since: str | None) -> None:
        if self._task is None:
            self.since = since
            self._task = asyncio.create_task(self._run(since))
            self._task.add_done_callback(self._end)

    def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self, since: str | None) -> None:
        async with aclosing(self._pods.follow(self._pod, since)) as chunks:
            async for lines in chunks:
                if not lines:
                    continue
                size = sum(len(line.json) for line in lines)
                await self._wait_for_room(size)
                for reader in self.readers:
                    reader.put(lines, size)

    async def _wait_for_room(self, size: int) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                while any(reader.may_take(size) for reader in self.readers):
                    self.taken.clear()
                    await self.taken.wait()

    def _end(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, KubernetesError | aiohttp.ClientError | OSError):
            log.error("following the log of pod %s/%s failed", self._pod.namespace, self._pod.name, exc_info=error)
        for reader in self.readers:
            reader.close()
