"""The logs of the task pods of this node: which there are, and the archiving of each."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from weakref import WeakValueDictionary

from prometheus_client import Counter, Gauge
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from icefield_kube.client import Manifest
from icefield_operator.logs.archive import Archive
from icefield_operator.logs.attempt import TASK_CONTAINER, Attempt, ContainerState, container_state
from icefield_operator.objectstore.config import ObjectStoreError
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.pod_status import container_status, started_at

from .attempt_log import AttemptLog
from .files import LogFiles
from .pace import Pace
from .removed_pods import RemovedPods
from .stream import End, FileStream

log = logging.getLogger(__name__)

DISCOVER_SECONDS = 1.0
"""How often new files are looked for: each lives for longer than the 10 s between two rotations."""
MAX_UPLOADS = 8
LAST_LOOK_SECONDS = 5.0
_BACK_OFF = wait_exponential_jitter(multiplier=0.5, max=30.0, jitter=0.5)

LOGS = Gauge("icefield_log_agent_logs", "Logs that are being archived.")
BACKLOG = Gauge("icefield_log_agent_backlog_bytes", "Bytes of log files that were not read yet.")
GIVEN_UP = Counter("icefield_log_agent_files_given_up_total", "Log files closed unread, the backlog being too large.")


@dataclass(frozen=True)
class Limits:
    """What logs may take.

    Attributes:
        bytes_per_second: of the files of one run.
        backlog_bytes: unread bytes in the files of all logs of this node, deleted ones included.
    """

    bytes_per_second: int
    backlog_bytes: int


@dataclass
class _Collected:
    attempt: Attempt
    files: LogFiles
    stream: FileStream
    task: asyncio.Task[None]
    is_removed: bool = False
    """Its pod was deleted."""


class Collector:
    """Receives the task pods of this node (`icefield_kube.watch.Receiver`) and archives their logs.

    Args:
        store: where logs are archived.
        folder: the node's folder of pods' logs.
        limits: what they may take.
    """

    def __init__(self, store: ObjectStore, folder: Path, limits: Limits) -> None:
        self._store = store
        self._folder = folder
        self._limits = limits
        self._uploads = asyncio.Semaphore(MAX_UPLOADS)
        self._paces: WeakValueDictionary[str, Pace] = WeakValueDictionary()
        self._not_started: set[str] = set()
        self._logs: dict[str, _Collected] = {}
        self._done: dict[str, Attempt] = {}
        self._removed = RemovedPods(store)
        self._unreadable = False

    @property
    def can_read(self) -> bool:
        """Whether the log files can be read."""
        return not self._unreadable and self._folder.is_dir()

    def put(self, item: Manifest) -> None:
        """Receive a task pod that was added or changed."""
        uid, state = item["metadata"]["uid"], container_state(item)
        if state is ContainerState.NOT_STARTED:
            self._not_started.add(uid)
        elif state is not ContainerState.NEVER_STARTED and uid not in self._done and (attempt := Attempt.of(item)):
            if uid not in self._logs:
                self._begin(uid, attempt, started_at(container_status(item, TASK_CONTAINER).get("state") or {}))
            if state is ContainerState.ENDED:
                self._logs[uid].stream.observe(End.ENDED)

    def remove(self, item: Manifest) -> None:
        """Receive the end of a task pod; what it wrote is read to the end.

        What it wrote is dropped instead when its workspace was deleted with its data.
        """
        self._remove(item["metadata"]["uid"])

    def retain(self, listed: Set[str], version: int) -> None:
        """Receive the uids of all task pods of the node."""
        for uid in (self._logs.keys() | self._not_started | self._done.keys()) - listed:
            self._remove(uid)

    async def run(self) -> None:
        """Look for new files until cancelled, then stop; what was not archived is read again after a start."""
        try:
            while True:
                await asyncio.to_thread(self._discover, [each.files for each in self._logs.values()])
                await asyncio.sleep(DISCOVER_SECONDS)
        finally:
            tasks = [each.task for each in self._logs.values()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._removed.close(LAST_LOOK_SECONDS)

    def _remove(self, uid: str) -> None:
        self._not_started.discard(uid)
        if attempt := self._done.pop(uid, None):
            self._removed.add(uid, attempt, None)
        elif collected := self._logs.get(uid):
            collected.is_removed = True
            collected.stream.observe(End.REMOVED)
            self._removed.add(uid, collected.attempt, collected.task)

    def _begin(self, uid: str, attempt: Attempt, started: datetime | None) -> None:
        files = LogFiles(self._folder / f"{attempt.namespace}_{attempt.pod}_{uid}" / TASK_CONTAINER, started)
        pace = self._paces.get(attempt.run_uid) or Pace(self._limits.bytes_per_second)
        self._paces[attempt.run_uid] = pace
        stream = FileStream(files, pace)
        archive = Archive(self._store, attempt.prefix)
        each = AttemptLog(attempt, archive, files, stream, self._uploads, is_new=uid in self._not_started)
        self._not_started.discard(uid)
        task = asyncio.create_task(self._collect(uid, each))
        self._logs[uid] = _Collected(attempt, files, stream, task)
        LOGS.set(len(self._logs))

    async def _collect(self, uid: str, each: AttemptLog) -> None:
        name = f"{each.attempt.namespace}/{each.attempt.pod}"

        def report(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            self._unreadable = self._unreadable or isinstance(error, PermissionError)
            known = isinstance(error, ObjectStoreError | OSError)
            log.warning("The log of %s is not archived yet: %s", name, error, exc_info=None if known else error)

        retrying = AsyncRetrying(retry=retry_if_exception_type(Exception), wait=_BACK_OFF, before_sleep=report)
        try:
            await retrying(each.archive_to_end)
            if not self._logs[uid].is_removed:
                self._done[uid] = each.attempt
        finally:
            await each.close()
            del self._logs[uid]
            LOGS.set(len(self._logs))

    def _discover(self, logs: Iterable[LogFiles]) -> None:
        readable = True
        for files in logs:
            try:
                files.discover()
            except PermissionError as error:
                log.error("Cannot read the logs of this node: %s", error)
                readable = False
        self._unreadable = not readable
        self._bound_backlog(logs)

    def _bound_backlog(self, logs: Iterable[LogFiles]) -> None:
        """Give up the oldest files of the longest backlogs, so that deleted files do not fill the disk."""
        backlogs = {id(files): (files.backlog_bytes, files) for files in logs}
        while sum(size for size, _ in backlogs.values()) > self._limits.backlog_bytes:
            _, files = max(backlogs.values(), key=lambda backlog: backlog[0])
            if not files.give_up_oldest():
                break
            GIVEN_UP.inc()
            log.error("A file in %s is given up unread: the backlog of this node is too large", files.folder)
            backlogs[id(files)] = (files.backlog_bytes, files)
        BACKLOG.set(sum(size for size, _ in backlogs.values()))
