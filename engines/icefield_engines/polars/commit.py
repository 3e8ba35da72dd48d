"""The three kinds of commits that add files to a table (Iceberg REST protocol, updateTable)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias, cast

import pyarrow as pa
from pyarrow.fs import FileSelector, FileType
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import DataFile
from pyiceberg.partitioning import PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table import CommitTableResponse, CreateTableTransaction, Table, TableProperties, Transaction
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.sorting import UNSORTED_SORT_ORDER_ID, SortOrder
from pyiceberg.table.update import (
    AddPartitionSpecUpdate,
    AddSchemaUpdate,
    AddSortOrderUpdate,
    AssertLastAssignedFieldId,
    AssertRefSnapshotId,
    AssertTableUUID,
    SetCurrentSchemaUpdate,
    SetDefaultSortOrderUpdate,
    SetDefaultSpecUpdate,
    SetPropertiesUpdate,
    TableRequirement,
    TableUpdate,
    update_table_metadata,
)

_LAST_ADDED = -1
Rows: TypeAlias = "list[DataFile] | pa.Table"


class Target:
    """The table that a commit results in."""

    def __init__(self, metadata: TableMetadata, io: FileIO) -> None:
        """Write with this metadata: its schema, partitions and location."""
        self.metadata = metadata
        self.io = io

    @property
    def shape(self) -> object:
        """What written files depend on: they can be committed to any target of the same shape."""
        schema = self.metadata.schema().as_struct().model_dump_json()
        return self.metadata.location, schema, self.metadata.spec().model_dump_json()

    def names_under(self, prefix: str) -> Iterable[str]:
        """Yield the names of the Parquet files below a prefix that ends with a slash."""
        scheme, netloc, path = PyArrowFileIO.parse_location(prefix)
        files = cast("PyArrowFileIO", self.io).fs_by_scheme(scheme, netloc)
        for info in files.get_file_info(FileSelector(path, recursive=True, allow_not_found=True)):
            if info.type is FileType.File and info.path.endswith(".parquet"):
                yield info.path.removeprefix(path)

    def commit(self, rows: Rows, summary: dict[str, str], names: str | None) -> None:
        """Commit rows to the table.

        Args:
            rows: data files; or, for a table with partitions, what is written into them now.
            summary: entries of the snapshot's summary.
            names: the mapping of columns' names to ids, for files without ids.

        Raises:
            CommitFailedException: another writer committed first.
            CommitStateUnknownException: it is not known whether the commit was applied.
        """
        raise NotImplementedError


class Creation(Target):
    """A table that does not exist yet."""

    def __init__(self, transaction: CreateTableTransaction) -> None:
        """Stage it."""
        super().__init__(transaction.table_metadata, transaction._table.io)
        self._transaction = transaction

    def commit(self, rows: Rows, summary: dict[str, str], names: str | None) -> None:
        """Create the table with its rows."""
        _stage(self._transaction, rows, summary, names)
        self._transaction.commit_transaction()


class Addition(Target):
    """A table that gets more rows."""

    def __init__(self, table: Table) -> None:
        """Append rows that fit its schema."""
        super().__init__(table.metadata, table.io)
        self._table = table

    def commit(self, rows: Rows, summary: dict[str, str], names: str | None) -> None:
        """Add a snapshot; PyIceberg retries a few times."""
        transaction = self._table.transaction()
        _stage(transaction, rows, summary, names)
        transaction.commit_transaction()


class Replacement(Target):
    """A table all of whose rows are replaced, and its columns when they differ.

    With other columns it loses its partitions and sort order; properties and past snapshots are kept.
    """

    def __init__(self, table: Table, schema: Schema | None) -> None:
        """Replace the rows, and the schema when there is one; its field ids are all new."""
        self._table = table
        self._schema = schema
        self._updates = tuple(_structure(table.metadata, schema)) if schema else ()
        replaced = update_table_metadata(table.metadata, self._updates) if schema else table.metadata
        others = {name: ref for name, ref in replaced.refs.items() if name != MAIN_BRANCH}
        # Without its branch the new snapshot has no parent, and so none of the files that are there.
        bare = replaced.model_copy(update={"refs": others, "current_snapshot_id": None})
        super().__init__(bare, table.io)

    def commit(self, rows: Rows, summary: dict[str, str], names: str | None) -> None:
        """Set the branch to a snapshot of these rows, unless it has moved since the table was loaded."""
        there = cast("Catalog", _RedirectingCatalog(self._table, self._updates, self._requirements()))
        table = Table(self._table.name(), self.metadata, self._table.metadata_location, self.io, there)
        transaction = table.transaction()
        try:
            _stage(transaction, rows, summary, names)
            transaction.commit_transaction()
        except _ConflictError as conflict:
            raise CommitFailedException(str(conflict)) from conflict

    def _requirements(self) -> tuple[TableRequirement, ...]:
        before = self._table.metadata
        head = before.refs.get(MAIN_BRANCH)
        return (
            AssertTableUUID(uuid=before.table_uuid),
            AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=head.snapshot_id if head else None),
            AssertLastAssignedFieldId(last_assigned_field_id=before.last_column_id),
        )


class _ConflictError(Exception):
    """A conflict, hidden from PyIceberg, which would retry and lose the replacement."""


class _RedirectingCatalog:
    """Commits changes staged on the resulting table to the existing table."""

    def __init__(
        self, table: Table, updates: tuple[TableUpdate, ...], requirements: tuple[TableRequirement, ...]
    ) -> None:
        self._table = table
        self._updates = updates
        self._requirements = requirements

    def commit_table(self, _table: Table, _requirements: Any, updates: tuple[TableUpdate, ...]) -> CommitTableResponse:
        """Send all updates in one commit."""
        try:
            return self._table.catalog.commit_table(self._table, self._requirements, (*self._updates, *updates))
        except CommitFailedException as error:
            raise _ConflictError(*error.args) from error

    def __getattr__(self, name: str) -> Any:
        """Delegate everything else to the catalog."""
        return getattr(self._table.catalog, name)


def _structure(metadata: TableMetadata, schema: Schema) -> Iterable[TableUpdate]:
    # PyIceberg, which applies this here too, takes the number as it is: an old one would mean the old schema.
    number = max(known.schema_id for known in metadata.schemas) + 1
    yield AddSchemaUpdate(schema_=schema.model_copy(update={"schema_id": number}))
    yield SetCurrentSchemaUpdate(schema_id=_LAST_ADDED)
    if not metadata.spec().is_unpartitioned():
        plain = next((spec for spec in metadata.partition_specs if spec.is_unpartitioned()), None)
        if plain is None:
            number = max(spec.spec_id for spec in metadata.partition_specs) + 1
            yield AddPartitionSpecUpdate(spec=PartitionSpec(spec_id=number))
        yield SetDefaultSpecUpdate(spec_id=plain.spec_id if plain else _LAST_ADDED)
    if metadata.default_sort_order_id != UNSORTED_SORT_ORDER_ID:
        if all(order.order_id != UNSORTED_SORT_ORDER_ID for order in metadata.sort_orders):
            yield AddSortOrderUpdate(sort_order=SortOrder(order_id=UNSORTED_SORT_ORDER_ID))
        yield SetDefaultSortOrderUpdate(sort_order_id=UNSORTED_SORT_ORDER_ID)
    if TableProperties.DEFAULT_NAME_MAPPING in metadata.properties:
        yield SetPropertiesUpdate(updates={TableProperties.DEFAULT_NAME_MAPPING: schema.name_mapping.model_dump_json()})


def _stage(transaction: Transaction, rows: Rows, summary: dict[str, str], names: str | None) -> None:
    if names is not None:
        transaction.set_properties({TableProperties.DEFAULT_NAME_MAPPING: names})
    if isinstance(rows, pa.Table):
        transaction.append(rows, snapshot_properties=summary)
        return
    with transaction.update_snapshot(snapshot_properties=summary).fast_append() as snapshot:
        for file in rows:
            snapshot.append_data_file(file)
