"""Rows into a table, in one commit (Iceberg REST protocol, updateTable)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import pyarrow as pa
from pyiceberg.exceptions import (
    BadRequestError,
    CommitFailedException,
    ForbiddenError,
    NoSuchTableError,
    UnauthorizedError,
    ValidationException,
)
from pyiceberg.manifest import DataFile
from pyiceberg.table import TableProperties
from pyiceberg.table.update import AssertCurrentSchemaId, AssertDefaultSortOrderId, AssertDefaultSpecId
from pyiceberg.table.update.snapshot import _MergeAppendFiles

from icefield_crds.wire.appends import Appended, AppendTarget
from icefield_engines.warehouse.data_files_target import DataFilesTarget
from icefield_engines.warehouse.errors import Code, EngineError

from .data_files import DataFileWriter
from .footers import data_files_target, described
from .pending import PendingFiles
from .tables import AppendedTable, Tables

log = logging.getLogger(__name__)

_REFUSALS = (
    BadRequestError, CommitFailedException, ForbiddenError, NoSuchTableError, UnauthorizedError, ValidationException
)  # fmt: skip
"""What the catalog answers when it did not commit; after anything else it may have."""


_PARTITIONS = "changed-partition-count"


def append(
    tables: Tables, target: AppendTarget, batches: Iterator[pa.RecordBatch], summary: Mapping[str, str]
) -> Appended:
    """Write rows into data files as they come, and commit them; without rows, too, as Spark does.

    Args:
        tables: the workspace's tables.
        target: the table, as the statement was planned with it.
        batches: rows, with the columns of the table in their order and in the Arrow types of theirs.
        summary: entries of the snapshot's summary.

    Raises:
        EngineError: NOT_NULL, TABLE_CHANGED, COMMIT_FAILED, STORE_UNAVAILABLE: nothing was committed. ENGINE_LOST: that
            is not known.
        Exception: what the batches raise; nothing was committed.
    """
    pending = PendingFiles(tables.files)
    writer = DataFileWriter(tables.load(target), pending)
    with _aborting(writer.abort):
        for batch in batches:
            writer.add(batch)
        return _committed(tables, target, writer.finish(), pending, summary)


def append_files(
    tables: Tables,
    target: AppendTarget,
    write: Callable[[DataFilesTarget], list[str]],
    summary: Mapping[str, str],
) -> Appended | None:
    """Commit rows that DuckDB writes into data files; return None, and do nothing, where the table's are not like that.

    Args:
        tables: the workspace's tables.
        target: the table, as the statement was planned with it.
        write: writes the files, and returns their addresses.
        summary: entries of the snapshot's summary.

    Raises:
        EngineError: see `append`.
        Exception: what `write` raises; nothing was committed.
    """
    table = tables.load(target)
    wanted = data_files_target(table)
    if wanted is None:
        return None
    with _aborting(lambda: tables.files.delete_folder(wanted.folder)):
        files = [described(table, tables.files, location) for location in write(wanted)]
        if not files:
            tables.files.delete_folder(wanted.folder)  # a file without rows
        return _committed(tables, target, files, PendingFiles(tables.files), summary)


@contextmanager
def _aborting(abort: Callable[[], None]) -> Iterator[None]:
    """Delete what was written for a commit that did not come about, as far as that is known.

    Raises:
        EngineError: instead of what the store raised: STORE_UNAVAILABLE.
    """
    try:
        yield
    except EngineError as error:
        if error.code != Code.ENGINE_LOST:
            abort()
        raise
    except OSError as error:
        abort()
        raise EngineError(Code.STORE_UNAVAILABLE, f"The rows could not be stored: {error}") from error
    except BaseException:
        abort()
        raise


def _committed(
    tables: Tables, target: AppendTarget, files: list[DataFile], pending: PendingFiles, summary: Mapping[str, str]
) -> Appended:
    with tables.commit_lock(target):
        table = tables.newest(target, pending)
        _commit(table, files, summary)
        tables.remember(table)
    snapshot = table.current_snapshot()
    assert snapshot is not None  # noqa: S101 - there is one after a commit
    return Appended(snapshot.snapshot_id, sum(file.record_count for file in files), len(files))


def _commit(table: AppendedTable, files: list[DataFile], summary: Mapping[str, str]) -> None:
    """Add a snapshot with these files, whatever other snapshots were made meanwhile; the table is then as it left it.

    Raises:
        EngineError: COMMIT_FAILED or STORE_UNAVAILABLE; or ENGINE_LOST, when nobody knows.
    """
    transaction = table.transaction()
    summary = dict(summary)
    if table.spec().is_unpartitioned():
        summary[_PARTITIONS] = str(min(1, len(files)))  # as Iceberg's Java library counts; PyIceberg says nothing
    with transaction.update_snapshot(snapshot_properties=summary).merge_append() as snapshot:
        assert isinstance(snapshot, _MergeAppendFiles)  # noqa: S101 - its __enter__ is declared to return less
        if TableProperties.MANIFEST_MERGE_ENABLED not in table.properties:
            snapshot._merge_enabled = True  # Iceberg's default; PyIceberg has another
        for file in files:
            snapshot.append_data_file(file)
    metadata = table.metadata
    transaction._stage(
        (),
        (
            AssertCurrentSchemaId(current_schema_id=metadata.current_schema_id),
            AssertDefaultSpecId(default_spec_id=metadata.default_spec_id),
            AssertDefaultSortOrderId(default_sort_order_id=metadata.default_sort_order_id),
        ),
    )
    try:
        transaction.commit_transaction()
    except EngineError:
        raise
    except _REFUSALS as error:
        raise EngineError(Code.COMMIT_FAILED, f"The catalog refused the commit: {error}") from error
    except Exception as error:
        log.warning("a commit was not answered: %s", type(error).__name__)
        raise EngineError(Code.ENGINE_LOST, f"The catalog did not answer the commit: {error}") from error
