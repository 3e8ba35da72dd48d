"""The logs of pods that were deleted: kept, unless their workspace was deleted with its data."""

from __future__ import annotations

import asyncio
import logging

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, wait_exponential_jitter

from icefield_operator.logs.attempt import Attempt
from icefield_operator.objectstore.deletions import is_deleted
from icefield_operator.objectstore.store import ObjectStore

log = logging.getLogger(__name__)

LOOK_SECONDS = 10.0
"""How often it is looked whether the workspace of a log was deleted that is still being archived."""
MAX_LOOKS = 4
_BACK_OFF = wait_exponential_jitter(multiplier=0.5, max=30.0, jitter=0.5)


class RemovedPods:
    """Ends the archiving of logs of deleted workspaces, and deletes what of them came too late to be deleted.

    Args:
        store: where logs are archived.
    """

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self._looks = asyncio.Semaphore(MAX_LOOKS)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, uid: str, attempt: Attempt, archiving: asyncio.Task[None] | None) -> None:
        """Take a pod that was deleted.

        Args:
            uid: of the pod.
            attempt: whose log it had.
            archiving: archives it; None once that has ended.
        """
        if attempt.workspace_uid is not None and uid not in self._tasks:
            task = asyncio.create_task(self._settle(attempt, attempt.workspace_uid, archiving))
            task.add_done_callback(lambda _: self._tasks.pop(uid))
            self._tasks[uid] = task

    async def close(self, seconds: float) -> None:
        """Take a last look at the logs whose archiving has ended, within so many seconds."""
        tasks = list(self._tasks.values())
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _settle(self, attempt: Attempt, workspace_uid: str, archiving: asyncio.Task[None] | None) -> None:
        def report(state: RetryCallState) -> None:
            error = state.outcome.exception() if state.outcome else None
            log.warning("Whether workspace %s was deleted is not known yet: %s", attempt.workspace, error)

        retrying = AsyncRetrying(retry=retry_if_exception_type(Exception), wait=_BACK_OFF, before_sleep=report)
        while True:
            # Before the look: it must come after the last write.
            has_ended = archiving is None or archiving.done()
            if await retrying(self._is_deleted, workspace_uid):
                await self._end(archiving)
                await retrying(self._delete, attempt)
                return
            if archiving is None or has_ended:
                return
            await asyncio.wait({archiving}, timeout=LOOK_SECONDS)

    async def _is_deleted(self, workspace_uid: str) -> bool:
        async with self._looks:
            return await is_deleted(self._store, workspace_uid)

    async def _end(self, archiving: asyncio.Task[None] | None) -> None:
        if archiving is not None:
            archiving.cancel()
            await asyncio.wait({archiving})

    async def _delete(self, attempt: Attempt) -> None:
        deleted = 0
        while count := await self._store.delete_some(f"{attempt.prefix}/"):
            deleted += count
        log.info("Workspace %s was deleted: %d objects of %s were, too", attempt.workspace, deleted, attempt.pod)
