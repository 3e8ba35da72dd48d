"""Response bodies of POST /sql/execute, written as JSON directly: every statement waits for them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from icefield_apiserver.core.arrow.cells import json_of, rows_of
from icefield_apiserver.core.db.base import now
from icefield_apiserver.features.lineage.service import lineage_of

from .models import Statement
from .results import as_json


def submitted(statement: Statement) -> bytes:
    """Return the body for a statement that has not ended (schemas.statements.Submitted)."""
    return as_json({"statement_id": statement.id, "status": statement.status})


def executed(statement: Statement, stream: bytes | None) -> bytes:
    """Return the body for a statement that has ended (schemas.statements.Executed).

    Args:
        statement: the statement.
        stream: the first rows, as an Arrow IPC stream; empty where they were deleted, None where they are not wanted.
    """
    count, rows = rows_of_stream(stream) if stream else (0, b"")
    total = statement.rows_produced or 0
    has_rows = statement.result_schema is not None
    ended = statement.finished_at or now()
    fields: dict[str, Any] = {
        "statement_id": statement.id,
        "status": statement.status,
        "columns": [column["name"] for column in statement.result_schema or ()],
        "truncated": statement.truncated or (has_rows and stream is not None and count < total),
        "rows_produced": statement.rows_produced,
        "engine": statement.engine,
        "elapsed_ms": round((ended - statement.submitted_at).total_seconds() * 1000),
        "lineage": statement.lineage or lineage_of((), ()),
        "error_code": statement.error_code,
        "error_message": statement.error_message,
    }
    return as_json(fields)[:-1] + b',"rows":[' + rows + b"]}"


def rows_of_stream(stream: bytes) -> tuple[int, bytes]:
    """Return how many rows an Arrow IPC stream has, and the rows as JSON without the brackets of the list."""
    count, pieces = 0, []
    with pa.ipc.open_stream(stream) as reader:
        for batch in reader:
            count += batch.num_rows
            if batch.num_rows:
                pieces.append(json_of(rows_of(batch)))
    return count, b",".join(pieces)
