"""Loads in the REST API."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, Field

from icefield_apiserver.core.catalog.schema_changes import iceberg_type
from icefield_apiserver.core.schemas import RequestBody
from icefield_apiserver.features.statements.service import MAX_WAIT_SECONDS, rows_of_stream

from .queries import FileFormat, format_of
from .service import Load, Loaded

Options = Annotated[
    dict[str, str | bool | int],
    BeforeValidator(lambda value: orjson.loads(value) if isinstance(value, str) else value),
]


class FileOptions(RequestBody):
    """How files are read, and where."""

    format: FileFormat | None = Field(default=None, description="csv, json or parquet; from the name when absent.")
    options: Options = Field(
        default={}, description="Options of the format, as of read_csv; in a form, as JSON.", max_length=50
    )
    warehouse_id: str | None = Field(
        default=None, max_length=253, description="Id or name of the warehouse; the workspace's own when absent."
    )
    wait_timeout: float = Field(default=30, ge=0, le=MAX_WAIT_SECONDS, description="How many seconds to wait.")


class LoadOptions(FileOptions):
    """How files are loaded."""

    create: bool = Field(default=False, description="Make the table, with inferred types, where there is none.")
    merge_schema: bool = Field(default=False, description="Add columns that the table does not have.")
    force: bool = Field(default=False, description="Load files again that were loaded before.")


class PreviewRequest(FileOptions):
    """Request body to look at files."""

    path: str = Field(min_length=1, max_length=1024, description="Files of the workspace, as in SQL.")


class LoadRequest(LoadOptions):
    """Request body to load files."""

    path: str = Field(
        min_length=1,
        max_length=1024,
        description="Files of the workspace, as in SQL.",
        examples=["volumes/sales/raw/2026/*.csv"],
    )


class LoadResult(BaseModel):
    """A load."""

    statement_id: str = Field(description="Id of its statement.")
    status: Literal["pending", "running", "succeeded", "failed", "cancelled"] = Field(description="How it is.")
    created: bool = Field(description="Whether the table was made for it.")
    rows_loaded: int | None = Field(description="How many rows were added; null before its end.")
    files_skipped: int | None = Field(description="How many files had been loaded before.")
    elapsed_ms: int | None = Field(description="Milliseconds that its statement took.")
    error_code: str | None = Field(description="Error class, where it failed.")
    error_message: str | None = Field(description="Why it failed.")


class PreviewColumn(BaseModel):
    """A column of files."""

    name: str = Field(description="Its name.")
    type: str = Field(description="Its type, as Spark SQL names it.")
    iceberg_type: str = Field(description="The type of the column that create=true makes of it.")


class Preview(BaseModel):
    """Columns and first rows of files."""

    statement_id: str = Field(description="Id of the statement that read them.")
    columns: list[PreviewColumn] = Field(description="The columns, with inferred types.")
    rows: list[list[Any]] = Field(description="The first rows, at most a hundred.")
    error_message: str | None = Field(description="Why they cannot be read.")


def load_of(path: str, name: str, body: FileOptions, idempotency_key: str | None = None) -> Load:
    """Return what a request loads.

    Args:
        path: the files.
        name: the name that may say their format.
        body: the rest of the request.
        idempotency_key: the header's.

    Raises:
        BadRequest: neither the request nor the name says the format.
    """
    options = {name: _text(value) for name, value in body.options.items()}
    load = Load(
        path,
        body.format or format_of(name),
        options,
        warehouse=body.warehouse_id,
        wait_seconds=body.wait_timeout,
        idempotency_key=idempotency_key,
    )
    if not isinstance(body, LoadOptions):
        return load
    return replace(load, create=body.create, merge_schema=body.merge_schema, force=body.force)


def _text(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def result_of(loaded: Loaded) -> LoadResult:
    """Return a load as REST shows it."""
    statement = loaded.statement
    counts = _rows(loaded)
    rows, _, skipped, *_ = counts[0] if counts else (None, None, None)
    took = statement.finished_at - statement.submitted_at if statement.finished_at else None
    return LoadResult(
        statement_id=statement.id,
        status=statement.status,
        created=loaded.is_created,
        rows_loaded=rows,
        files_skipped=skipped,
        elapsed_ms=round(took.total_seconds() * 1000) if took else None,
        error_code=statement.error_code,
        error_message=statement.error_message,
    )


def preview_of(loaded: Loaded) -> Preview:
    """Return columns and rows as REST shows them."""
    statement = loaded.statement
    columns = [
        PreviewColumn(name=each["name"], type=each["type"], iceberg_type=iceberg_type(each["type"]))
        for each in statement.result_schema or ()
    ]
    return Preview(
        statement_id=statement.id, columns=columns, rows=_rows(loaded), error_message=statement.error_message
    )


def _rows(loaded: Loaded) -> list[list[Any]]:
    found: list[list[Any]] = orjson.loads(b"[" + rows_of_stream(loaded.rows)[1] + b"]") if loaded.rows else []
    return found
