"""The files that a statement reads: found in the object store, and described by the warehouse that reads them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

import icefield_sql as sql
from icefield_crds.wire.gateway import EngineName, StatementRequest, StatementState
from icefield_sql import Compiled, FileRead, FileSet, SqlError, StoredFile, UnresolvedName

from .execution import Execution

if TYPE_CHECKING:
    from .dependencies import ExecutionDependencies

MAX_FILES = 10_000
"""Of one call."""
MAX_ADDRESSES_LENGTH = 2 * 1024 * 1024
"""Of the addresses of all files of a call together, which the text for DuckDB names."""


PART = "part-0"
"""Name, without its ending, of the file that a COPY … TO writes into a folder."""


async def with_location(execution: Execution, deps: ExecutionDependencies, compiled: Compiled) -> Compiled:
    """Return what was compiled with the address of the file that it writes, where it writes one.

    Raises:
        SqlError: that is outside of what statements write.
        UnresolvedName: there is no such volume.
    """
    export, statement = compiled.export, execution.statement
    if export is None:
        return compiled
    location = await deps.volumes.location_at(
        statement.workspace, statement.workspace_uid, export.path, f"{PART}.{export.format}"
    )
    return replace(compiled, export=replace(export, location=location))


class StatementFiles:
    """Finds what one statement reads.

    Args:
        execution: the statement.
        deps: the dependencies of statement execution.
    """

    def __init__(self, execution: Execution, deps: ExecutionDependencies) -> None:
        self._execution = execution
        self._deps = deps
        self._found: dict[FileRead, FileSet] = {}

    async def find(self, reads: Iterable[FileRead]) -> None:
        """Find the files that these calls read, with their columns.

        Raises:
            UnresolvedName: there are none, or their columns cannot be read.
            SqlError: they may not be read.
            StatementError, CancelledError: the warehouse that reads their columns cannot.
        """
        for read in reads:
            if read not in self._found:
                self._found[read] = await self._find(read)

    async def read(self, read: FileRead) -> FileSet:
        """Return the files that a call reads, with their columns."""
        await self.find([read])
        return self._found[read]

    async def files(self, read: FileRead) -> tuple[StoredFile, ...]:
        """Return the files that a call reads, each once, in the order of its paths.

        Raises:
            UnresolvedName: there are none.
            SqlError: they may not be read, or are too many.
        """
        statement = self._execution.statement
        find = self._deps.volumes.files_at
        listed = await asyncio.gather(
            *(find(statement.workspace, statement.workspace_uid, path, MAX_FILES + 1) for path in read.paths)
        )
        files = {file.url: file for found in listed for file in found}
        if len(files) > MAX_FILES or sum(map(len, files)) > MAX_ADDRESSES_LENGTH:
            raise SqlError(f"{read.function} reads at most {MAX_FILES} files; name fewer of them.")
        return tuple(files.values())

    async def _find(self, read: FileRead) -> FileSet:
        return await self.describe(read, await self.files(read))

    async def describe(self, read: FileRead, files: tuple[StoredFile, ...]) -> FileSet:
        """Return files with the columns that a call reads from them.

        Raises:
            UnresolvedName: their columns cannot be read.
            StatementError, CancelledError: the warehouse that reads them cannot.
        """
        endpoint = await self._deps.waker.endpoint(self._execution)
        request = StatementRequest(
            engine=EngineName.DUCKDB,
            sql=sql.describing_query(read, [file.url for file in files]),
            timeout_seconds=self._deps.settings.timeout_seconds,
        )
        state = await self._deps.dispatcher.ask(self._execution, endpoint, request)
        if state.status != "succeeded" or not state.schema:
            raise UnresolvedName(state.error_code or "CANNOT_READ_FILE", _sentence(state, files))
        return sql.described_files(read, files, [(each["name"], each["type"]) for each in state.schema])


def _sentence(state: StatementState, files: tuple[StoredFile, ...]) -> str:
    """Return why files cannot be read, with their paths in place of their addresses."""
    message = state.error_message or "The files have no columns."
    for file in files:
        message = message.replace(file.url, file.path)
    return message
