"""The tables of SQL statements, and of the files that COPY INTO has loaded."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Float, Index, LargeBinary, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from icefield_apiserver.core.db.base import Base, UtcDateTime


class Statement(Base):
    """A SQL statement: its request, its status, and where its result is stored.

    Attributes:
        id: `stmt_` and 32 hex digits; ids grow with time.
        workspace: slug of the workspace it runs in.
        workspace_uid: its metadata.uid: a later workspace of the same name is another one.
        warehouse: metadata.name of the warehouse.
        warehouse_uid: its metadata.uid.
        person: e-mail address, or `run:<name>`.
        idempotency_key: a second request of the person with the same key is answered with this statement.
        request: what is needed to plan it again: schema, params, engine, row_limit.
        is_write: whether it changes tables.
        status: pending, running, succeeded, failed or cancelled.
        is_dispatched: whether it may have been sent to an engine; such a write is never sent again.
        attempts: how often it was started again, because it was lost or moved to Spark; only for reads.
        result_schema: [{"name", "type"}] of its columns; None when it has no result.
        result: {"key", "bytes", "schema_bytes", "batches": [[rows, offset, length]]} of the result; None when there is
            none, or it was deleted.
        result_content: the result, where it is short; None of one that is an object in the store. Loaded only by
            queries that ask for it.
        expires_at: when the result is deleted.
        run_uid: metadata.uid of the Run that it belongs to.
        context: what it is executed for, as the client named it, such as `job_run`.
        lineage: the "lineage" of the REST API.
        owner: the server process that runs it.
        lease_until: until when the owner holds it; the owner renews this.
        cancel_requested: whether its cancellation was requested.
        is_accepted: whether its owner knows that the record is stored. Where it does not, the request was
            answered with an error, and nobody runs it.
        before_write: of a write that was dispatched, the tables that it writes as they were before (BeforeWrite).
        write_lineage: of a write that was dispatched, what it reads (WriteLineage).
    """

    __tablename__ = "statements"
    __table_args__ = (
        Index("ix_statements_workspace_uid_id", "workspace_uid", "id"),
        Index("ix_statements_status_lease_until", "status", "lease_until"),
        Index("ix_statements_expires_at", "expires_at"),
        UniqueConstraint("workspace_uid", "person", "idempotency_key", name="uq_statements_idempotency_key"),
    )

    id: Mapped[str] = mapped_column(String(37), primary_key=True)
    workspace: Mapped[str] = mapped_column(String(63))
    workspace_uid: Mapped[str] = mapped_column(String(36))
    warehouse: Mapped[str] = mapped_column(String(253))
    warehouse_uid: Mapped[str] = mapped_column(String(36))
    person: Mapped[str] = mapped_column(String(253))
    idempotency_key: Mapped[str | None] = mapped_column(String(255))
    query: Mapped[str] = mapped_column(Text)
    dialect: Mapped[str] = mapped_column(String(16))
    request: Mapped[dict[str, Any]] = mapped_column(JSON)
    is_write: Mapped[bool]
    engine: Mapped[str | None] = mapped_column(String(16))
    status: Mapped[str] = mapped_column(String(16))
    is_dispatched: Mapped[bool] = mapped_column(default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    error_code: Mapped[str | None] = mapped_column(String(128))
    error_message: Mapped[str | None] = mapped_column(Text)
    submitted_at: Mapped[datetime] = mapped_column(UtcDateTime)
    started_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    duration_ms: Mapped[float | None] = mapped_column(Float)
    rows_produced: Mapped[int | None] = mapped_column(BigInteger)
    truncated: Mapped[bool] = mapped_column(default=False)
    result_schema: Mapped[list[dict[str, str]] | None] = mapped_column(JSON(none_as_null=True))
    result: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    result_content: Mapped[bytes | None] = mapped_column(LargeBinary, deferred=True, deferred_raiseload=True)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    run_uid: Mapped[str | None] = mapped_column(String(36))
    context: Mapped[str | None] = mapped_column(String(64))
    lineage: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    owner: Mapped[str] = mapped_column(String(64))
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    is_accepted: Mapped[bool] = mapped_column(default=False)
    before_write: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    write_lineage: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class CopiedFile(Base):
    """A file that a COPY INTO loads, or has loaded, into a table; it is loaded once.

    Attributes:
        table_uuid: of the table: another one of the same name has another.
        file_id: digest of the file's address and ETag.
        workspace_uid: metadata.uid of the workspace.
        path: as statements name it.
        statement_id: the statement that loads it.
        is_loaded: whether that has succeeded.
    """

    __tablename__ = "copied_files"
    __table_args__ = (Index("ix_copied_files_statement_id", "statement_id"),)

    table_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    file_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    workspace_uid: Mapped[str] = mapped_column(String(36))
    path: Mapped[str] = mapped_column(Text)
    statement_id: Mapped[str] = mapped_column(String(37))
    is_loaded: Mapped[bool] = mapped_column(default=False)
