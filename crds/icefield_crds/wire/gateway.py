"""What the gateway of a warehouse is asked and what it answers.

PUT /statements/{id}?wait=SECONDS                   a StatementRequest; answered with a StatementState: 200 when final,
                                                    else 202
GET /statements/{id}?wait=SECONDS&keeps_content=1   a StatementState
POST /statements/{id}/cancel?keeps_content=1        a StatementState
GET /status                                         a GatewayStatus
POST /drain                                         a GatewayStatus: from now on no new statement is started, those that
                                                    run go on, and their states and results are still answered

A caller that keeps short results itself says so in each call: `content_bytes` of a PUT, `keeps_content` of the others.
To one that does not, such as an older API server that continues a newer one's statement, a short result that is not in
the object store is only answered after it has been stored there.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from .appends import Appended, AppendTarget, BadRows, Literals, literals_in
from .exports import ExportTarget
from .fields import as_object, boolean, choice, integer, optional_integer, optional_number, optional_text, text

MAX_WAIT_SECONDS = 60.0
"""How long one call may wait for a statement to end."""
MAX_INLINE_ROWS = 10_000
MAX_INLINE_BYTES = 8 * 1024 * 1024
MAX_CONTENT_BYTES = 1024 * 1024
DEFAULT_INLINE_BYTES = 1024 * 1024
MAX_SQL_LENGTH = 20 * 1024 * 1024
"""Characters: more than a request may have that the API server takes, for names are written out and casts added."""
MAX_BODY = 4 * MAX_SQL_LENGTH
"""Bytes of a request: as JSON a character may take several."""
MAX_KEY_LENGTH = 1024
MAX_SIGNATURE_LENGTH = 100
STATEMENT_ID = r"[A-Za-z0-9_-]{1,100}"


class EngineName(StrEnum):
    """An engine that runs statements."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class StatementPhase(StrEnum):
    """Where a statement is in its lifecycle."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether the statement has ended."""
        return self in FINAL_PHASES


FINAL_PHASES = frozenset({StatementPhase.SUCCEEDED, StatementPhase.FAILED, StatementPhase.CANCELLED})


@dataclass(frozen=True)
class StatementRequest:
    """One statement to run.

    Attributes:
        sql: in the engine's own dialect.
        append: the table that the query's rows are appended to; None for a statement that writes by itself, or reads.
        literals: columns of texts, all as long as the first, c0, c1 and so on of the table `literals` that `sql` reads.
        is_bulk: whether the rows that are appended are expected to be many.
        signature: the statement's id that the snapshots of a write carry; the id at the gateway where it is None.
        bad_rows: what becomes of rows of files that cannot be read, where rows are appended.
        export: the file that the query's rows are written to; the result is how many they were.
        result_key: key of the object that gets the result; None to keep no more than the inline rows.
        row_limit: how many rows the result has at most.
        inline_rows: how many of the first rows the answer carries.
        inline_bytes: how long they are at most, as an Arrow IPC stream.
        content_bytes: a result up to this length is not stored under result_key: the answer carries it, and the caller
            keeps it.
    """

    engine: EngineName
    sql: str
    is_write: bool = False
    result_key: str | None = None
    row_limit: int | None = None
    inline_rows: int = 0
    inline_bytes: int = DEFAULT_INLINE_BYTES
    content_bytes: int = 0
    timeout_seconds: float | None = None
    append: AppendTarget | None = None
    literals: Literals = ()
    is_bulk: bool = False
    signature: str | None = None
    export: ExportTarget | None = None
    bad_rows: BadRows | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the request as a JSON object."""
        return {
            "engine": self.engine,
            "sql": self.sql,
            "is_write": self.is_write,
            "result_key": self.result_key,
            "row_limit": self.row_limit,
            "inline_rows": self.inline_rows,
            "inline_bytes": self.inline_bytes,
            "content_bytes": self.content_bytes,
            "timeout_seconds": self.timeout_seconds,
            "append": self.append.to_json() if self.append else None,
            "literals": self.literals,
            "is_bulk": self.is_bulk,
            "signature": self.signature,
            "export": self.export.to_json() if self.export else None,
            "bad_rows": self.bad_rows.to_json() if self.bad_rows else None,
        }

    @classmethod
    def from_json(cls, document: object) -> StatementRequest:
        """Return the request in a JSON object.

        Raises:
            ValueError: a field is missing, of the wrong type or out of range; one sentence.
        """
        fields = as_object(document, "the statement")
        timeout_seconds = optional_number(fields, "timeout_seconds")
        if timeout_seconds == 0:
            raise ValueError("timeout_seconds must be more than 0")
        inline_bytes = optional_integer(fields, "inline_bytes", maximum=MAX_INLINE_BYTES)
        append = fields.get("append")
        return cls(
            engine=choice(fields, "engine", EngineName),
            sql=text(fields, "sql", MAX_SQL_LENGTH),
            is_write=boolean(fields, "is_write"),
            result_key=optional_text(fields, "result_key", MAX_KEY_LENGTH),
            row_limit=optional_integer(fields, "row_limit"),
            inline_rows=optional_integer(fields, "inline_rows", maximum=MAX_INLINE_ROWS) or 0,
            inline_bytes=DEFAULT_INLINE_BYTES if inline_bytes is None else inline_bytes,
            content_bytes=optional_integer(fields, "content_bytes", maximum=MAX_CONTENT_BYTES) or 0,
            timeout_seconds=timeout_seconds,
            append=AppendTarget.from_json(append) if append else None,
            literals=literals_in(fields.get("literals") or ()),
            is_bulk=boolean(fields, "is_bulk"),
            signature=optional_text(fields, "signature", MAX_SIGNATURE_LENGTH),
            export=ExportTarget.from_json(export) if (export := fields.get("export")) else None,
            bad_rows=BadRows.from_json(bad_rows) if (bad_rows := fields.get("bad_rows")) else None,
        )


@dataclass(frozen=True)
class ResultIndex:
    """The result of a statement: one Arrow IPC stream.

    Attributes:
        key: key of the object that has it, or gets it once it is asked for there.
        size: its length in bytes.
        schema_bytes: length of the schema's message, with which it begins.
        batches: (rows, offset, length) of each record batch.
    """

    key: str
    size: int
    schema_bytes: int
    batches: tuple[tuple[int, int, int], ...]

    @property
    def rows(self) -> int:
        """How many rows it has."""
        return sum(rows for rows, _, _ in self.batches)

    def to_json(self) -> dict[str, Any]:
        """Return the index as a JSON object, which is also how it is stored with the statement."""
        return {"key": self.key, "bytes": self.size, "schema_bytes": self.schema_bytes, "batches": self.batches}

    @classmethod
    def from_json(cls, document: object) -> ResultIndex:
        """Return the index in a JSON object.

        Raises:
            ValueError: a field is missing or of the wrong type.
        """
        fields = as_object(document, "result")
        batches = fields.get("batches")
        if not isinstance(batches, (list, tuple)):
            raise ValueError("batches must be a list")
        return cls(
            key=text(fields, "key"),
            size=integer(fields, "bytes"),
            schema_bytes=integer(fields, "schema_bytes"),
            batches=tuple((int(rows), int(offset), int(length)) for rows, offset, length in batches),
        )


@dataclass(frozen=True)
class StatementState:
    """How a statement is, or how it ended.

    Attributes:
        schema: [{"name", "type"}], with Spark's names of types; None when there is no result.
        rows_produced: rows of the result, which `row_limit` may have cut.
        truncated: whether it did.
        inline: the first rows, as an Arrow IPC stream.
        result: the result.
        content: the whole result, where it is not stored under its key; in JSON, `inline` is then absent when it is the
            same.
        appended: what was appended, where the request named a table to append to.
    """

    id: str
    status: StatementPhase
    engine: EngineName
    error_code: str | None = None
    error_message: str | None = None
    schema: list[dict[str, str]] | None = None
    rows_produced: int | None = None
    truncated: bool = False
    duration_ms: float | None = None
    inline: bytes | None = None
    result: ResultIndex | None = None
    content: bytes | None = None
    appended: Appended | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the state as a JSON object."""
        inline = None if self.inline == self.content else self.inline
        error = {"code": self.error_code, "message": self.error_message} if self.error_code else None
        return {
            "id": self.id,
            "status": self.status,
            "engine": self.engine,
            "error": error,
            "schema": self.schema,
            "rows_produced": self.rows_produced,
            "truncated": self.truncated,
            "duration_ms": self.duration_ms,
            "inline": _encoded(inline),
            "result": self.result.to_json() if self.result else None,
            "content": _encoded(self.content),
            "appended": self.appended.to_json() if self.appended else None,
        }

    @classmethod
    def from_json(cls, document: object) -> StatementState:
        """Return the state in a JSON object.

        Raises:
            ValueError: a field is missing or of the wrong type.
        """
        fields = as_object(document, "the state")
        error: Mapping[str, Any] = as_object(fields.get("error") or {}, "error")
        inline, result, content = _decoded(fields, "inline"), fields.get("result"), _decoded(fields, "content")
        appended = fields.get("appended")
        return cls(
            id=text(fields, "id"),
            status=choice(fields, "status", StatementPhase),
            engine=choice(fields, "engine", EngineName),
            error_code=optional_text(error, "code"),
            error_message=error.get("message"),
            schema=fields.get("schema"),
            rows_produced=optional_integer(fields, "rows_produced"),
            truncated=boolean(fields, "truncated"),
            duration_ms=optional_number(fields, "duration_ms"),
            inline=content if inline is None else inline,
            result=ResultIndex.from_json(result) if result else None,
            content=content,
            appended=Appended.from_json(appended) if appended else None,
        )


@dataclass(frozen=True)
class GatewayStatus:
    """What a gateway reports of itself.

    Attributes:
        spark: whether statements that Spark runs are served.
        running: how many statements run, or wait to.
        last_activity: when the last statement ended; the start of the gateway before the first.
        duckdb: whether statements that DuckDB runs are served.
        draining: whether it starts no more statements.
    """

    spark: bool
    running: int
    last_activity: datetime
    duckdb: bool = True
    draining: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the status as a JSON object."""
        return {
            "duckdb": self.duckdb,
            "spark": self.spark,
            "running": self.running,
            "last_activity": self.last_activity.isoformat(),
            "draining": self.draining,
        }

    @classmethod
    def from_json(cls, document: object) -> GatewayStatus:
        """Return the status in a JSON object.

        Raises:
            ValueError: a field is missing or of the wrong type.
        """
        fields = as_object(document, "the status")
        last_activity = datetime.fromisoformat(text(fields, "last_activity"))
        if last_activity.tzinfo is None:
            raise ValueError("last_activity must have a time zone")
        if fields.get("spark") is None:
            raise ValueError("spark must be true or false")
        return cls(
            duckdb=boolean(fields, "duckdb"),
            spark=boolean(fields, "spark"),
            running=integer(fields, "running"),
            last_activity=last_activity,
            draining=boolean(fields, "draining"),
        )


def _encoded(content: bytes | None) -> str | None:
    return None if content is None else base64.b64encode(content).decode()


def _decoded(fields: Mapping[str, Any], name: str) -> bytes | None:
    encoded = fields.get(name)
    return base64.b64decode(encoded) if encoded else None
