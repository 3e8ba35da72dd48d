"""What a statement reads from files, and what the object store has of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from icefield_sql.analysis.model import Column
from icefield_sql.lang.file_paths import FilePath

Value = str | bool | int | tuple[str, ...] | tuple[tuple[str, str], ...]
"""Of an option: a text, a yes or no, a number, several texts, or types by the names of columns."""

FUNCTIONS = {"read_csv": "csv", "read_parquet": "parquet", "read_json": "json"}
"""The table functions that read files, and the formats that they read."""


@dataclass(frozen=True)
class FileRead:
    """A call that reads files.

    Args:
        format: csv, parquet or json.
        paths: what it names.
        options: DuckDB's, by name.
    """

    format: str
    paths: tuple[FilePath, ...]
    options: tuple[tuple[str, Value], ...] = ()

    @property
    def function(self) -> str:
        """The name of the table function."""
        return f"read_{self.format}"


@dataclass(frozen=True)
class StoredFile:
    """A file in the object store; `path` is its name in statements, `url` its address."""

    path: str
    url: str
    etag: str
    size: int


@dataclass(frozen=True)
class FileSet:
    """The files that a call reads, and the columns that they have together, in Spark's types.

    Args:
        files: in the object store.
        columns: of all of them.
        zoned: names of the columns of CSV files that are times with a zone.
    """

    files: tuple[StoredFile, ...]
    columns: tuple[Column, ...]
    zoned: frozenset[str] = frozenset()


class FileReader(Protocol):
    """What planning reads from files of the workspace."""

    async def read(self, read: FileRead) -> FileSet:
        """Return the files that a call reads, with their columns.

        Raises:
            UnresolvedName: there are none, or their columns cannot be read.
        """
        ...
