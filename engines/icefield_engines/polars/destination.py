"""Destinations: rows are written to Parquet files first, and added to the table by one commit.

    create   no table yet     staged: the catalog knows nothing of it before the commit
    append   one more snapshot
    replace  the rows, and the schema when it is another: a snapshot without a parent, as CREATE OR REPLACE makes one

After a conflict with another writer the table is loaded again and the same files are committed again; they are written
again only when the table's schema, partitions or location changed meanwhile.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import requests
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import (
    CommitFailedException,
    CommitStateUnknownException,
    NamespaceAlreadyExistsError,
    NoSuchTableError,
    RESTError,
    TableAlreadyExistsError,
)
from pyiceberg.io.pyarrow import parquet_file_to_data_file, schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table, TableProperties
from pyiceberg.table.metadata import TableMetadata
from tenacity import RetryError, Retrying, TryAgain, retry_never, stop_after_attempt, wait_exponential_jitter

from icefield_crds.wire.outcome import FailureKind
from icefield_crds.wire.workload import Workload

from .commit import Addition, Creation, Replacement, Target
from .compute import Compute, ParquetTarget
from .errors import WorkloadError, describe
from .tables import Identifier, Tables, store_options
from .types import dtype_of, misfits, same, schema_of

RUN_ID = "icefield.run-id"
"""Key of a snapshot's summary: the run that wrote it."""
MAX_ATTEMPTS = 8
_UNKNOWN = (CommitStateUnknownException, requests.RequestException)
_CONFLICT = (CommitFailedException, TableAlreadyExistsError)
_READS_AT_ONCE = 8


@dataclass(frozen=True)
class Written:
    """Result of a write."""

    rows: int
    frame: pl.LazyFrame
    """The rows that were written."""


@dataclass(frozen=True)
class _Files:
    """Rows in the object store that are not committed yet."""

    shape: object
    """Target.shape that they were written for."""
    prefix: str
    files: list[DataFile]
    rows: pa.Table | None
    """Instead of files, for a table with partitions."""
    frame: pl.LazyFrame

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.rows) if self.rows is not None else sum(file.record_count for file in self.files)


def write(workload: Workload, frame: pl.LazyFrame, tables: Tables, engine: Compute) -> Written:
    """Compute a frame into the workload's destination.

    Raises:
        WorkloadError: WRITE; the rows do not fit the table, or the catalog refuses.
        BaseException: the computation failed; the table is as it was.
    """
    return _Write(workload, frame, tables, engine, tables.identifier(workload.destination or "")).run()


class _Write:
    def __init__(
        self, workload: Workload, frame: pl.LazyFrame, tables: Tables, engine: Compute, identifier: Identifier
    ) -> None:
        self._workload = workload
        self._frame = frame
        self._columns = frame.collect_schema()
        self._catalog: Catalog = tables.catalog
        self._engine = engine
        self._identifier = identifier
        self._created_namespaces: list[Identifier] = []

    def run(self) -> Written:
        """Try until it is committed, or until it is known that it cannot be."""
        written: _Files | None = None
        try:
            for attempt in _retrying():
                with attempt:
                    table = self._table()
                    if written is not None and table is not None and self._has_landed(table):
                        return Written(written.count, written.frame)
                    target = self._target(table)
                    if written is None or written.shape != target.shape:
                        self._discard(written, target)
                        written = self._compute(target)
                    if self._commit(target, written):
                        return Written(written.count, written.frame)
                    raise TryAgain
            raise AssertionError("every attempt returns or raises")
        except RetryError:
            self._drop_namespaces()
            raise self._failure(f"other writers kept changing it ({MAX_ATTEMPTS} attempts)") from None
        except BaseException:
            self._drop_namespaces()
            raise

    def _table(self) -> Table | None:
        try:
            return self._catalog.load_table(self._identifier)
        except NoSuchTableError:
            return None
        except (RESTError, requests.RequestException) as error:
            raise self._failure(describe(error)) from error

    def _target(self, table: Table | None) -> Target:
        if table is None:
            schema = schema_of(self._columns)
            self._ensure_namespace()
            try:
                return Creation(self._catalog.create_table_transaction(self._identifier, schema))
            except TableAlreadyExistsError:
                return self._target(self._table())  # created meanwhile: written to as it is now
            except (RESTError, requests.RequestException) as error:
                raise self._failure(describe(error)) from error
        if self._workload.save_mode == "append":
            if problems := list(misfits(self._columns, table.schema())):
                raise self._failure("; ".join(problems))
            return Addition(table)
        fresh = schema_of(self._columns, first_id=table.metadata.last_column_id + 1)
        return Replacement(table, None if same(fresh, table.schema()) else fresh)

    def _compute(self, target: Target) -> _Files:
        fields = target.metadata.schema().fields
        casts = {field.name: dtype_of(field.field_type) or pl.Null() for field in fields}
        frame = self._frame.select(pl.col(field.name).cast(casts[field.name]) for field in fields)
        if not target.metadata.spec().is_unpartitioned():
            rows = pl.concat(self._engine.batches(frame))
            arrow = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
            return _Files(target.shape, "", [], arrow, rows.lazy())
        base = target.metadata.properties.get(TableProperties.WRITE_DATA_PATH, f"{target.metadata.location}/data")
        prefix = f"{base.rstrip('/')}/{uuid.uuid4()}/"
        options = store_options(target.io)
        try:
            self._engine.sink(frame, ParquetTarget(prefix, schema_to_pyarrow(target.metadata.schema()), options))
            paths = _paths(target, prefix)
            files = _data_files(target, paths)
            self._refuse_nulls(target.metadata, files)
        except BaseException:
            _delete(target, prefix)
            raise
        back = pl.scan_parquet(paths, storage_options=options) if paths else pl.LazyFrame(schema=frame.collect_schema())
        return _Files(target.shape, prefix, files, None, back)

    def _commit(self, target: Target, written: _Files) -> bool:
        """Commit; return False after a conflict, or when it is not known whether the commit was applied."""
        names = None if self._engine.writes_field_ids else target.metadata.schema().name_mapping.model_dump_json()
        try:
            target.commit(written.rows if written.rows is not None else written.files, self._summary(), names)
        except (*_CONFLICT, *_UNKNOWN):
            return False
        except RESTError as error:
            _delete(target, written.prefix)
            raise self._failure(describe(error)) from error
        return True

    def _summary(self) -> dict[str, str]:
        return {RUN_ID: self._workload.id, "engine-name": "polars", "engine-version": pl.__version__}

    def _has_landed(self, table: Table) -> bool:
        return any(
            snapshot.summary is not None and snapshot.summary.get(RUN_ID) == self._workload.id
            for snapshot in table.metadata.snapshots
        )

    def _refuse_nulls(self, metadata: TableMetadata, files: Iterable[DataFile]) -> None:
        required = {field.field_id: field.name for field in metadata.schema().fields if field.required}
        for file in files:
            for number, nulls in (file.null_value_counts or {}).items():
                if nulls and number in required:
                    raise self._failure(f"column '{required[number]}' must not be null, and the result has nulls in it")

    def _ensure_namespace(self) -> None:
        namespace = self._identifier[:-1]
        for depth in range(1, len(namespace) + 1):
            try:
                if self._catalog.namespace_exists(namespace[:depth]):
                    continue
                self._catalog.create_namespace(namespace[:depth])
                self._created_namespaces.append(namespace[:depth])
            except NamespaceAlreadyExistsError:
                continue
            except (RESTError, requests.RequestException) as error:
                raise self._failure(describe(error)) from error

    def _drop_namespaces(self) -> None:
        for namespace in reversed(self._created_namespaces):
            with suppress(Exception):
                self._catalog.drop_namespace(namespace)

    def _discard(self, written: _Files | None, target: Target) -> None:
        if written is not None:
            _delete(target, written.prefix)

    def _failure(self, why: str) -> WorkloadError:
        return WorkloadError(FailureKind.WRITE, f"'{self._workload.destination}' was not written: {why}")


def _retrying() -> Retrying:
    """Return the attempts of a commit: only those that raise TryAgain are repeated."""
    return Retrying(
        retry=retry_never,
        stop=stop_after_attempt(MAX_ATTEMPTS),
        wait=wait_exponential_jitter(initial=0.05, max=5.0, jitter=0.05),
    )


def _paths(target: Target, prefix: str) -> list[str]:
    return sorted(f"{prefix}{name}" for name in target.names_under(prefix))


def _data_files(target: Target, paths: list[str]) -> list[DataFile]:
    with ThreadPoolExecutor(_READS_AT_ONCE) as pool:
        return list(pool.map(lambda path: parquet_file_to_data_file(target.io, target.metadata, path), paths))


def _delete(target: Target, prefix: str) -> None:
    """Delete files that are not committed; orphan clean-up removes what remains."""
    if prefix:
        with suppress(Exception):
            for path in _paths(target, prefix):
                target.io.delete(path)
