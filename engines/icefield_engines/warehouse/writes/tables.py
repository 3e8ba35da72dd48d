"""The tables that rows are appended to, from the workspace's catalog."""

from __future__ import annotations

import threading
from copy import copy
from typing import Any

from cachetools import LRUCache
from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError
from pyiceberg.io import FileIO
from pyiceberg.table import Table, Transaction
from pyiceberg.table.locations import LocationProvider, SimpleLocationProvider
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import TableRequirement, TableUpdate

from icefield_crds.wire.appends import AppendTarget
from icefield_engines.catalog_client import RetryingCatalog
from icefield_engines.warehouse.errors import Code, EngineError
from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings

from .files import WorkspaceFiles
from .pending import PendingFiles

REMEMBERED_TABLES = 64
Uuid = str


class AppendTransaction(Transaction):
    """A transaction that appends, and looks at nothing that it changes itself."""

    @property
    def table_metadata(self) -> TableMetadata:
        """The metadata without its updates: PyIceberg would copy all of it, some twenty times for a commit."""
        return self._table.metadata


class AppendedTable(Table):
    """A table whose files go below its location, whatever class its properties name for finding their places."""

    pending: PendingFiles | None = None
    """What a commit names; it has to be stored before."""

    def transaction(self) -> AppendTransaction:
        """Return a transaction that nothing was staged in."""
        return AppendTransaction(self)

    def location_provider(self) -> LocationProvider:
        """Return what names new files."""
        return SimpleLocationProvider(self.metadata.location, {})

    def _do_commit(self, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...]) -> None:
        if self.pending:
            self.pending.wait()
        super()._do_commit(updates, requirements)


class _Catalog(RetryingCatalog):
    """The catalog; its answers do not choose the object store, its keys, or classes to load."""

    def __init__(self, settings: CatalogSettings, files: WorkspaceFiles) -> None:
        self._files = files
        access = {"uri": settings.uri, "warehouse": settings.warehouse, "token": settings.token.get_secret_value()}
        super().__init__(settings.warehouse, **access)

    def _load_file_io(self, properties: Any = None, location: str | None = None) -> FileIO:
        return self._files

    def _response_to_table(self, identifier_tuple: tuple[str, ...], table_response: Any) -> AppendedTable:
        found = super()._response_to_table(identifier_tuple, table_response)
        return AppendedTable(
            found.name(), found.metadata, found.metadata_location, found.io, found.catalog, found.config
        )


class Tables:
    """Loads tables, and remembers them as their last commit left them. Used by the threads of statements."""

    def __init__(self, settings: CatalogSettings, store: StoreSettings) -> None:
        """Prepare; nothing is called yet."""
        self._settings = settings
        self.files = WorkspaceFiles(store)
        self._lock = threading.Lock()
        self._catalog: _Catalog | None = None
        self._remembered: LRUCache[Uuid, AppendedTable] = LRUCache(REMEMBERED_TABLES)
        self._commits: LRUCache[Uuid, threading.Lock] = LRUCache(16 * REMEMBERED_TABLES)

    def load(self, target: AppendTarget) -> AppendedTable:
        """Return a table as it was planned with, or later but with the same columns and partitions.

        Raises:
            EngineError: TABLE_CHANGED; it is another table now, or has other columns or partitions.
        """
        with self._lock:
            known = self._remembered.get(target.table_uuid)
        if known is None or known.metadata_location != target.metadata_location:
            try:
                known = self.open_catalog().load_table((*target.namespace, target.name))
            except (NoSuchTableError, NoSuchNamespaceError) as error:
                raise changed(target) from error
            self.remember(known)
        return check(known, target)

    def remember(self, table: AppendedTable) -> None:
        """Remember a table as it was read or as a commit left it, unless a later state is known."""
        table.io, table.pending = self.files, None
        uuid = str(table.metadata.table_uuid)
        with self._lock:
            known = self._remembered.get(uuid)
            if known is None or known.metadata.last_updated_ms <= table.metadata.last_updated_ms:
                self._remembered[uuid] = table

    def newest(self, target: AppendTarget, pending: PendingFiles) -> AppendedTable:
        """Return a table in the latest state that is known, to commit to it; its state changes with the commit.

        Args:
            target: the table, as a statement was planned with it.
            pending: gets the metadata that the commit needs; it is committed once everything in it is stored.

        Raises:
            EngineError: TABLE_CHANGED.
        """
        with self._lock:
            known = self._remembered.get(target.table_uuid)
        table = copy(check(known or self.load(target), target))
        table.io = table.pending = pending
        return table

    def commit_lock(self, target: AppendTarget) -> threading.Lock:
        """Return the lock under which this process commits to a table: its own commits then never conflict."""
        with self._lock:
            lock: threading.Lock = self._commits.setdefault(target.table_uuid, threading.Lock())
            return lock

    def open_catalog(self) -> _Catalog:
        """Return the catalog, which is asked for its configuration at first use."""
        with self._lock:
            if self._catalog is None:
                self._catalog = _Catalog(self._settings, self.files)
            return self._catalog


def check(table: AppendedTable, target: AppendTarget) -> AppendedTable:
    """Return a table that is as a statement was planned with it.

    Raises:
        EngineError: TABLE_CHANGED.
    """
    metadata = table.metadata
    found = str(metadata.table_uuid), metadata.current_schema_id, metadata.default_spec_id
    if found != (target.table_uuid, target.schema_id, target.spec_id):
        raise changed(target)
    return table


def changed(target: AppendTarget) -> EngineError:
    """Return the error of a statement whose table is not as it was planned with."""
    name = ".".join((*target.namespace, target.name))
    return EngineError(Code.TABLE_CHANGED, f"The table {name} was changed while the statement ran.")
