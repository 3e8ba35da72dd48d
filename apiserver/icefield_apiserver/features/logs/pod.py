"""The part of a task's log that the kubelet still holds, its newest file, through the Kubernetes API."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Iterator

import aiohttp

from icefield_crds import Run
from icefield_crds.names import TASK_CONTAINER, pod_name
from icefield_crds.object_store import MAX_LOG_MESSAGE_BYTES
from icefield_kube.client import KubeClient
from icefield_kube.errors import KubernetesError, Unreachable
from icefield_kube.paths import path_of

from .entry import Entry, from_pod

CHUNK_BYTES = 64 * 1024
SILENCE_SECONDS = 30.0
POLL_SECONDS = 1.0
"""How often a follower without new lines checks whether the attempt has ended: the kubelet does so every 5 s only."""
BEHIND_SECONDS = 5.0
"""How long a follower may lag: the kubelet rotates at most every 10 s, and then the archive is the better source."""
WAITED_SECONDS = 0.001
"""A read that takes longer had to wait for the stream: the reader has caught up."""

_TIMESTAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(?:Z|[+-]\d\d:\d\d) ")


class PodLogs:
    """Reads the logs of task pods.

    Args:
        client: the process's own identity; the caller was authorized before.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def entries(
        self, run: Run, task: str, attempt: int, *, since: str | None, until: Callable[[], bool] | None
    ) -> AsyncIterator[Entry]:
        """Yield the lines that the pod of an attempt holds; none when there is no pod, or it has not started.

        Args:
            run: the run.
            task: key of the task.
            attempt: number of the attempt, from 0.
            since: RFC 3339 with whole seconds; older lines are left out.
            until: follow the log until the container ends, this returns true, or the reader lags too far; None to
                read only what is there now.
        """
        name = _pod_of(run, task, attempt)
        path = path_of("Pod", run.metadata.namespace, name) + "/log"
        query = {"container": TASK_CONTAINER, "timestamps": "true", "follow": "true" if until else "false"}
        if since:
            query["sinceTime"] = since
        try:
            async with self._client.stream(path, query, idle_seconds=None) as stream:
                last, was_cut = b"", False
                async for piece in _pieces(stream, until):
                    continues, was_cut = was_cut, len(piece) == MAX_LOG_MESSAGE_BYTES
                    if stamp := _TIMESTAMP.match(piece):
                        last = stamp.group()
                    elif last and continues:
                        piece = last + piece
                    else:
                        continue  # the rest of an archived line, or a message of the kubelet: not a line of the log
                    yield from_pod(piece, task, attempt)
        except KubernetesError as error:
            # 404: no such pod. 400: its container waits to start, or is gone. 5xx: its node does not answer.
            if isinstance(error, Unreachable) or (error.status not in (400, 404) and error.status < 500):
                raise
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionError):
            return  # the stream was interrupted: the next source has the missing lines


async def _pieces(stream: aiohttp.StreamReader, until: Callable[[], bool] | None) -> AsyncIterator[bytes]:
    rest = b""
    async for chunk in _chunks(stream, until):
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            for piece in _cut(line):
                yield piece
        while len(rest) > MAX_LOG_MESSAGE_BYTES:
            yield rest[:MAX_LOG_MESSAGE_BYTES]
            rest = rest[MAX_LOG_MESSAGE_BYTES:]
    if not _TIMESTAMP.fullmatch(rest):  # a line that is being written is complete in the next read
        for piece in _cut(rest):
            yield piece


async def _chunks(stream: aiohttp.StreamReader, until: Callable[[], bool] | None) -> AsyncIterator[bytes]:
    level_at = time.monotonic()
    while True:
        started = time.monotonic()
        if until and started - level_at > BEHIND_SECONDS:
            return
        try:
            async with asyncio.timeout(POLL_SECONDS if until else SILENCE_SECONDS):
                chunk = await stream.read(CHUNK_BYTES)
        except TimeoutError:
            if until is None or until():
                return
            level_at = time.monotonic()
            continue
        if not chunk:
            return
        if time.monotonic() - started > WAITED_SECONDS:
            level_at = time.monotonic()
        yield chunk


def _cut(line: bytes) -> Iterator[bytes]:
    for start in range(0, len(line), MAX_LOG_MESSAGE_BYTES):
        yield line[start : start + MAX_LOG_MESSAGE_BYTES]


def _pod_of(run: Run, task: str, attempt: int) -> str:
    """Return the name of an attempt's pod: a warm sandbox has a name of its own, which is in the status."""
    tasks = run.status.tasks if run.status else []
    recorded = (
        tried.pod_name for each in tasks if each.key == task for tried in each.attempts if tried.attempt == attempt
    )
    return next(recorded, pod_name(run.metadata.name, task, attempt))
