"""The archiving of one attempt's log, from its files."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from icefield_crds.wire.log_line import LogComplete
from icefield_operator.logs.archive import Archive
from icefield_operator.logs.attempt import Attempt
from icefield_operator.logs.position import Position
from icefield_operator.logs.writer import Writer
from icefield_operator.objectstore.store import AlreadyExistsError

from .files import LogFiles
from .stream import FileStream

log = logging.getLogger(__name__)


class AttemptLog:
    """Archives one log to its end.

    Args:
        attempt: whose log.
        archive: where to.
        files: its files.
        stream: serves them.
        uploads: bounds how many parts are compressed and uploaded at once.
        is_new: it is known that nothing is archived yet, and that the first file is still there.
    """

    def __init__(
        self,
        attempt: Attempt,
        archive: Archive,
        files: LogFiles,
        stream: FileStream,
        uploads: asyncio.Semaphore,
        *,
        is_new: bool,
    ) -> None:
        self.attempt = attempt
        self._archive = archive
        self._files = files
        self._stream = stream
        self._uploads = uploads
        self._is_new = is_new

    async def archive_to_end(self) -> None:
        """Return once the log is archived; after an error it may be called again.

        Raises:
            ObjectStoreError: the store is unavailable or refuses, before anything was read.
            PermissionError: the files may not be read.
        """
        while True:
            position = Position() if self._is_new else await self._archive.position()
            if position.complete:
                return
            await asyncio.to_thread(self._files.discover)
            misses_start = self._files.misses_start and position.next_part == 0 and not self._is_new
            await self._stream.restart(position.since, has_gap=misses_start)
            # A part was stored though its upload seemed to fail, or the operator stored it while this agent was away:
            # the archived parts show where to resume.
            with suppress(AlreadyExistsError):
                await self._archive_from(position)
                return
            self._is_new = False

    async def close(self) -> None:
        """Close the files."""
        await self._stream.close()
        await asyncio.to_thread(self._files.close)

    async def _archive_from(self, position: Position) -> None:
        writer = Writer(
            self._archive, position, self.attempt, self._uploads, self._stream, on_archived=self._note_progress
        )
        await writer.drain(self._stream, whole=True)
        # The newest archived line is gone, or even all files: later lines may be gone with them.
        is_cut = not position.is_reached or not self._files.has_found or self._stream.misses_end
        parts = position.next_part
        if is_cut:
            parts = await self._archive.add_missing_end(parts, self.attempt)
        await self._archive.complete(LogComplete(parts, position.incomplete or is_cut, position.start_unknown))

    def _note_progress(self) -> None:
        self._is_new = False
        self._files.release()
