"""The part of a task's log that the kubelet still holds, its newest file, through the Kubernetes API."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass

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
"""How long a read of what is there may stall."""
QUIET_SECONDS = 300.0
"""How long a followed log may be quiet until its connection is taken for dead."""
OPENINGS_AT_ONCE = 16
"""Of reads of what is there: hundreds of clients that begin to follow at once share few connections."""
TURN_SECONDS = 5.0
"""How long one waits for its turn at most, as nodes that do not answer may hold up the others."""
BEHIND_SECONDS = 5.0
"""How long a follower may lag: the kubelet rotates at most every 10 s, and then the archive is the better source."""
WAITED_SECONDS = 0.001
"""A read that takes longer had to wait for the stream: the reader has caught up."""


@dataclass(frozen=True)
class TaskPod:
    """The pod of one attempt of a task.

    Attributes:
        attempt: number of the attempt, from 0.
    """

    namespace: str
    name: str
    task: str
    attempt: int

    @classmethod
    def of(cls, run: Run, task: str, attempt: int) -> TaskPod:
        """Return the pod of an attempt: a warm sandbox has a name of its own, which is in the status."""
        tasks = run.status.tasks if run.status else []
        recorded = (
            tried.pod_name for each in tasks if each.key == task for tried in each.attempts if tried.attempt == attempt
        )
        name = next(recorded, pod_name(run.metadata.name, task, attempt))
        return cls(run.metadata.namespace or "", name, task, attempt)


class PodLogUnavailable(Exception):  # noqa: N818 - a state of the pod, not a failure
    """The pod's log, or the rest of it, cannot be read now; that may change."""


class PodLogs:
    """Reads the logs of task pods.

    Args:
        client: the process's own identity; the caller was authorized before.
    """

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self._turns = asyncio.Semaphore(OPENINGS_AT_ONCE)

    async def read(self, pod: TaskPod, since: str | None) -> AsyncGenerator[list[Entry], None]:
        """Yield the lines that a pod holds now.

        Args:
            pod: the pod.
            since: RFC 3339 with whole seconds; older lines are left out.

        Raises:
            PodLogUnavailable: there is no such pod, it has not started, or its node did not answer to the end.
            KubernetesError: the Kubernetes API refuses, or is unreachable.
        """
        lines = _Lines(pod)
        try:
            async with self._opened(*_request(pod, since, "false")) as stream:
                while chunk := await stream.read(CHUNK_BYTES):
                    yield lines.feed(chunk)
                yield lines.end()
        except KubernetesError as error:
            # 404: no such pod. 400: its container waits to start, or is gone. 5xx: its node does not answer.
            if isinstance(error, Unreachable) or (error.status not in (400, 404) and error.status < 500):
                raise
            raise PodLogUnavailable from error
        except (aiohttp.ClientError, OSError) as error:
            raise PodLogUnavailable from error

    async def follow(self, pod: TaskPod, since: str | None) -> AsyncGenerator[list[Entry], None]:
        """Yield the lines of a pod as they are written, until its container has ended or the reader lags too far.

        Args:
            pod: the pod.
            since: RFC 3339 with whole seconds; older lines are left out.

        Raises:
            KubernetesError: the Kubernetes API refuses, or is unreachable; the node does not answer.
            aiohttp.ClientError, OSError: the stream was interrupted, or nothing came for QUIET_SECONDS.
        """
        lines = _Lines(pod)
        request = _request(pod, since, "true")
        # The kubelet begins its answer with the first line, whenever that is printed.
        async with self._client.stream(*request, idle_seconds=QUIET_SECONDS, head_seconds=QUIET_SECONDS) as stream:
            level_at = started = time.monotonic()
            while started - level_at < BEHIND_SECONDS and (chunk := await stream.read(CHUNK_BYTES)):
                now = time.monotonic()
                if now - started > WAITED_SECONDS:
                    level_at = now
                yield lines.feed(chunk)
                started = time.monotonic()

    @asynccontextmanager
    async def _opened(self, path: str, query: dict[str, str]) -> AsyncIterator[aiohttp.StreamReader]:
        """Open what is there to read, in turn with others."""
        async with AsyncExitStack() as opened:
            with ExitStack() as turn:  # not kept while a slow client reads
                with suppress(TimeoutError):
                    async with asyncio.timeout(TURN_SECONDS):
                        await self._turns.acquire()
                        turn.callback(self._turns.release)
                stream = self._client.stream(path, query, idle_seconds=SILENCE_SECONDS)
                content = await opened.enter_async_context(stream)
            yield content


class _Lines:
    """Cuts the stream of a pod's log into lines."""

    def __init__(self, pod: TaskPod) -> None:
        self._pod = pod
        self._splitter = Splitter()
        self._reader = LineReader()

    def feed(self, chunk: bytes) -> list[Entry]:
        """Return the lines that a chunk completes."""
        return self._entries(self._splitter.feed(chunk))

    def end(self) -> list[Entry]:
        """Return what is left at the end of the log; whoever stops within a line gets it whole from the next source."""
        return self._entries(self._splitter.end())

    def _entries(self, pieces: Iterable[Piece]) -> list[Entry]:
        # What is no line is the rest of an archived one, or a message of the kubelet.
        lines = filter(None, map(self._reader.read, pieces))
        return [from_pod(line, self._pod.task, self._pod.attempt) for line in lines]


def _request(pod: TaskPod, since: str | None, follow: str) -> tuple[str, dict[str, str]]:
    query = {"container": TASK_CONTAINER, "timestamps": "true", "follow": follow}
    if since:
        query["sinceTime"] = since
    return path_of("Pod", pod.namespace, pod.name) + "/log", query
