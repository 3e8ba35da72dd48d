"""COPY INTO: which files it loads, how they fit the table, and what it answers."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

import icefield_sql as sql
from icefield_apiserver.core.catalog import IcebergCatalog, SqlCatalogReader
from icefield_apiserver.core.catalog.reader import table_of
from icefield_apiserver.core.catalog.schema_changes import adding_columns
from icefield_crds.object_store import result_key
from icefield_crds.wire.gateway import EngineName, ResultIndex, StatementPhase, StatementState
from icefield_sql import Compiled, CopyInto, Engine, Table, TableName, UnresolvedName

from .execution import Execution, StatementError, StatementOutcome
from .files import StatementFiles

if TYPE_CHECKING:
    from .dependencies import ExecutionDependencies

POLL_SECONDS = 0.5
COLUMNS = ("num_affected_rows", "num_inserted_rows", "num_skipped_files", "num_skipped_bad_rows")
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""The end of an Arrow IPC stream."""


async def plan_copy(execution: Execution, deps: ExecutionDependencies, copy: CopyInto) -> Compiled:
    """Claim the files of a COPY INTO that are not loaded yet, and return the query of their rows; nothing without any.

    Raises:
        UnresolvedName: the table, or a file, does not exist.
        SqlError: the files do not fit the table.
        StatementError: the warehouse cannot read them, or a file may have been loaded.
        CancelledError: it was cancelled.
        ApiError: the catalog is unavailable.
    """
    catalog = deps.catalogs.of(execution.statement.workspace)
    reader = SqlCatalogReader(catalog)
    target = _table(await reader.load(copy.target), copy.target, execution)
    files = StatementFiles(execution, deps)
    loading = await _claimed(execution, deps, copy, target, await files.files(copy.read))
    if not loading:
        return Compiled(Engine.DUCKDB, "", True, written=(copy.target,))
    found = await files.describe(sql.lenient(copy), loading)
    if copy.merge_schema and (columns := sql.new_columns(copy, target, found.columns)):
        target = await _widened(catalog, copy.target, columns)
    return await _with_bad_rows(execution, deps, sql.compile_copy(copy, target, found))


async def _with_bad_rows(execution: Execution, deps: ExecutionDependencies, compiled: Compiled) -> Compiled:
    """Return a COPY INTO with the address of the file that gets the rows that cannot be read."""
    bad_rows, statement = compiled.bad_rows, execution.statement
    if bad_rows is None or bad_rows.path is None:
        return compiled
    location = await deps.volumes.location_at(
        statement.workspace, statement.workspace_uid, bad_rows.path, f"{statement.id}.jsonl"
    )
    return replace(compiled, bad_rows=replace(bad_rows, location=location))


def copied(execution: Execution, outcome: StatementOutcome) -> StatementOutcome:
    """Return the outcome of a COPY INTO with the row that it answers (Databricks, "COPY INTO")."""
    if outcome.status != "succeeded":
        return outcome
    statement, appended = execution.statement, outcome.state.appended if outcome.state else None
    rows = appended.rows if appended else outcome.rows_produced or 0
    left_out = appended.left_out if appended else 0
    batch = pa.RecordBatch.from_pydict(
        dict(zip(COLUMNS, ([rows], [rows], [execution.skipped_files], [left_out]), strict=True)),
        pa.schema([(name, pa.int64()) for name in COLUMNS]),
    )
    head, body = batch.schema.serialize().to_pybytes(), batch.serialize().to_pybytes()
    content = head + body + _END
    state = outcome.state or StatementState(statement.id, StatementPhase.SUCCEEDED, EngineName.DUCKDB)
    index = ResultIndex(
        result_key(statement.workspace, statement.id), len(content), len(head), ((1, len(head), len(body)),)
    )
    schema = [{"name": name, "type": "bigint"} for name in COLUMNS]
    execution.inline = content
    return replace(
        outcome, state=replace(state, schema=schema, result=index, content=content, rows_produced=1), rows_produced=1
    )


async def _claimed(
    execution: Execution,
    deps: ExecutionDependencies,
    copy: CopyInto,
    target: Table,
    files: tuple[sql.StoredFile, ...],
) -> tuple[sql.StoredFile, ...]:
    """Claim files; wait for other statements that load some of them."""
    statement = execution.statement
    while True:
        execution.check_cancelled()
        claims = await deps.copied_files.claim(
            statement.id, statement.workspace_uid, target.uuid, files, again=copy.force
        )
        if claims.doubtful:
            path, other = claims.doubtful
            raise StatementError(
                "OUTCOME_UNKNOWN",
                f"Whether {path} was loaded by {other} is unknown; look at the table, and load it with "
                "COPY_OPTIONS ('force' = 'true') if it was not.",
            )
        if not claims.waiting:
            execution.skipped_files = claims.loaded
            return claims.mine
        await asyncio.sleep(POLL_SECONDS)


def _table(found: Table | sql.View | None, name: TableName, execution: Execution) -> Table:
    if isinstance(found, Table):
        return found
    shown = name.qualified(execution.statement.workspace)
    if found is None:
        raise UnresolvedName("TABLE_OR_VIEW_NOT_FOUND", f"There is no table {shown}.")
    raise UnresolvedName("EXPECT_TABLE_NOT_VIEW", f"{shown} is a view.")


async def _widened(catalog: IcebergCatalog, name: TableName, columns: tuple[sql.Column, ...]) -> Table:
    loaded = await catalog.load_table(name.namespace, name.name)
    requirements, updates = adding_columns(loaded.metadata, [(column.name, column.type) for column in columns])
    return table_of(await catalog.commit(name.namespace, name.name, requirements, updates))
