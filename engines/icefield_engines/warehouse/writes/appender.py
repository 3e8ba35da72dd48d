"""Appends rows to the workspace's tables. PyIceberg is imported at first use, for that takes most of a second."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from icefield_crds.wire.appends import Appended, AppendTarget
from icefield_engines.warehouse.data_files_target import DataFilesTarget
from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings

if TYPE_CHECKING:
    from .tables import Tables

log = logging.getLogger(__name__)


class Appender:
    """Appends rows; used by the threads of statements."""

    def __init__(self, catalog: CatalogSettings, store: StoreSettings) -> None:
        """Prepare; nothing is called yet."""
        self._catalog = catalog
        self._store = store
        self._lock = threading.Lock()
        self._tables: Tables | None = None

    def append(self, target: AppendTarget, batches: Iterator[pa.RecordBatch], summary: Mapping[str, str]) -> Appended:
        """Append rows, in one commit (append.append has the arguments and what is raised)."""
        from .append import append

        return append(self._opened(), target, batches, summary)

    def append_files(
        self, target: AppendTarget, write: Callable[[DataFilesTarget], list[str]], summary: Mapping[str, str]
    ) -> Appended | None:
        """Append rows that are written as files, in one commit (append.append_files has the arguments)."""
        from .append import append_files

        return append_files(self._opened(), target, write, summary)

    def write_file(self, location: str, content: bytes) -> None:
        """Write a file of the workspace.

        Raises:
            OSError: it cannot be written.
        """
        self._opened().files.write(location, content)

    def warm_up(self) -> None:
        """Do what the first statement would otherwise wait for."""
        from .append import append  # noqa: F401 - the import takes the longest

        try:
            self._opened().open_catalog()
        except Exception as error:
            log.info("The catalog was not reached yet: %s", type(error).__name__)

    def _opened(self) -> Tables:
        from .tables import Tables

        with self._lock:
            if self._tables is None:
                self._tables = Tables(self._catalog, self._store)
            return self._tables
