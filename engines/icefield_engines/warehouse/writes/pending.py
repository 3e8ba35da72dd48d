"""What one append stores: its files go to the object store beside each other, and all are there before the commit.

A manifest needs to know of data files, and a list of manifests of these, but only names and lengths. So nothing waits
for the store until the commit.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any

from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile, OutputStream

from icefield_engines.warehouse.errors import Code, EngineError

from .files import LONGEST_REMEMBERED, WorkspaceFiles


class PendingFiles(FileIO):
    """The workspace's files, with those that an append writes; used by the threads of one statement."""

    def __init__(self, files: WorkspaceFiles) -> None:
        """Read and write these."""
        super().__init__({})
        self._files = files
        self._stored: list[Future[None]] = []
        self._contents: dict[str, bytes] = {}

    def new_input(self, location: str) -> InputFile:
        """Return a file to read; one that is being stored, too."""
        if (content := self._contents.get(location)) is not None:
            return _Content(location, content)
        return self._files.new_input(location)

    def new_output(self, location: str) -> OutputFile:
        """Return a file to write as a whole, which is short: metadata."""
        return _Output(location, self)

    def open_stream(self, location: str) -> Any:
        """Return a stream to write a file of any length; `store` may close it."""
        return self._files.open_stream(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Delete a file, once it is stored."""
        self._end_all()
        self._files.delete(location)

    def write(self, location: str, content: bytes) -> None:
        """Store a file; a long one before this returns, for it would take memory until the commit."""
        if len(content) > LONGEST_REMEMBERED:
            self._files.write(location, content)
        else:
            self._contents[location] = content
            self.store(lambda: self._files.write(location, content))

    def store(self, work: Callable[[], None]) -> None:
        """Do what stores a file in another thread."""
        self._stored.append(self._files.threads.submit(work))

    def wait(self) -> None:
        """Return when everything is stored.

        Raises:
            EngineError: STORE_UNAVAILABLE; something is not.
        """
        self._end_all()
        for each in self._stored:
            if error := each.exception():
                raise EngineError(Code.STORE_UNAVAILABLE, f"The rows could not be stored: {error}") from error

    def _end_all(self) -> None:
        wait(self._stored)


class _Content(InputFile):
    """A file whose content is in memory."""

    def __init__(self, location: str, content: bytes) -> None:
        super().__init__(location)
        self._content = content

    def __len__(self) -> int:
        return len(self._content)

    def exists(self) -> bool:
        return True

    def open(self, seekable: bool = True) -> InputStream:
        return io.BytesIO(self._content)


class _Output(OutputFile):
    """A file that is written as a whole."""

    def __init__(self, location: str, files: PendingFiles) -> None:
        super().__init__(location)
        self._files = files
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def exists(self) -> bool:
        return self.to_input_file().exists()

    def to_input_file(self) -> InputFile:
        return self._files.new_input(self.location)

    def create(self, overwrite: bool = False) -> OutputStream:
        return _Whole(self)

    def write(self, content: bytes) -> None:
        self._length = len(content)
        self._files.write(self.location, content)


class _Whole(io.BytesIO):
    """A file's content, which is written when it is closed."""

    def __init__(self, file: _Output) -> None:
        super().__init__()
        self._file = file

    def __exit__(self, kind: Any, *rest: Any) -> None:
        if kind is None:
            self.close()

    def close(self) -> None:
        if not self.closed:
            content = self.getvalue()
            super().close()
            self._file.write(content)
