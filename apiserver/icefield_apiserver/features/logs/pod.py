"""The part of a task's log that the kubelet still holds, its newest file, through the Kubernetes API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import aiohttp

from icefield_crds import Run
from icefield_crds.names import TASK_CONTAINER, pod_name
from icefield_crds.wire.log_stream import LineReader, Piece, Splitter
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
                reader = LineReader()
                async for piece in _pieces(stream, until):
                    if line := reader.read(piece):  # else the rest of an archived line, or a message of the kubelet
                        yield from_pod(*line, task, attempt)
        except KubernetesError as error:
            # 404: no such pod. 400: its container waits to start, or is gone. 5xx: its node does not answer.
            if isinstance(error, Unreachable) or (error.status not in (400, 404) and error.status < 500):
                raise
        except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionError):
            return  # the stream was interrupted: the next source has the missing lines


async def _pieces(stream: aiohttp.StreamReader, until: Callable[[], bool] | None) -> AsyncIterator[Piece]:
    splitter = Splitter()
    async for chunk in _chunks(stream, until):
        for piece in splitter.feed(chunk):
            yield piece
    if until is None:
        # A follower may stop within a line; the next source has it whole.
        for piece in splitter.end():
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


def _pod_of(run: Run, task: str, attempt: int) -> str:
    """Return the name of an attempt's pod: a warm sandbox has a name of its own, which is in the status."""
    tasks = run.status.tasks if run.status else []
    recorded = (
        tried.pod_name for each in tasks if each.key == task for tried in each.attempts if tried.attempt == attempt
    )
    return next(recorded, pod_name(run.metadata.name, task, attempt))
