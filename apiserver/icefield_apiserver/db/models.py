"""The tables."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    MetaData,
    String,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, aware on both sides; SQLite would drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """What all tables share."""

    metadata = MetaData(naming_convention=_NAMING)


class User(Base):
    """A person who can log in.

    Attributes:
        email: lower case; what Workspace.spec.members calls the person.
        password_hash: argon2id.
        session_epoch: log-in tokens carry it; raising it ends all of the person's sessions.
    """

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    email: Mapped[str] = mapped_column(String(253), unique=True)
    name: Mapped[str] = mapped_column(String(253))
    password_hash: Mapped[str] = mapped_column(String(255))
    is_platform_admin: Mapped[bool]
    is_active: Mapped[bool]
    session_epoch: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)


class ApiKey(Base):
    """A key that acts for a person in one workspace.

    Attributes:
        id: the eight hex digits that stand in the key itself.
        digest: sha256 of the whole key, in hex.
        workspace: slug of the workspace that the key opens.
        workspace_uid: its metadata.uid: a later workspace of the same name is another one.
        last_used_at: to within some minutes.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(253))
    digest: Mapped[str] = mapped_column(String(64))
    workspace: Mapped[str] = mapped_column(String(63))
    workspace_uid: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Statement(Base):
    """A SQL statement: what was asked, how it stands, and where its result lies.

    Attributes:
        id: `stmt_` and 32 hex digits; ids grow with time.
        workspace: slug of the workspace it runs in.
        workspace_uid: its metadata.uid: a later workspace of the same name is another one.
        warehouse: metadata.name of the warehouse.
        warehouse_uid: its metadata.uid.
        person: e-mail address, or `run:<name>`.
        idempotency_key: a second request of the person with the same key is answered with this statement.
        request: what is needed to plan it anew: schema, params, engine, row_limit.
        is_write: whether it changes tables.
        status: pending, running, succeeded, failed or cancelled.
        is_dispatched: whether it may have been sent to an engine; such a write is never sent again.
        attempts: how often it was given up for lost and begun anew; only ever of a read.
        result_schema: [{"name", "type"}] of its columns; None when it has no result.
        result: {"key", "bytes", "schema_bytes", "batches": [[rows, offset, length]]} of the object in the store; None
            when there is none, or not any more.
        expires_at: when the result is deleted.
        run_uid: metadata.uid of the Run that it belongs to.
        context: what the client said it belongs to, such as `job_run`.
        lineage: the "lineage" of the REST API.
        owner: which server process sees to it.
        lease_until: until when the owner need not be doubted; it renews this.
        cancel_requested: somebody wants it stopped.
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
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    run_uid: Mapped[str | None] = mapped_column(String(36))
    context: Mapped[str | None] = mapped_column(String(64))
    lineage: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    owner: Mapped[str] = mapped_column(String(64))
    lease_until: Mapped[datetime] = mapped_column(UtcDateTime)
    cancel_requested: Mapped[bool] = mapped_column(default=False)


class LineageEdge(Base):
    """A table that something read or wrote.

    Attributes:
        source: what did: id of a statement, or metadata.uid of a Run that went to the catalog by itself.
        direction: read or written.
        table_name: as lineage shows it, such as `acme.sales.orders`.
        snapshot_id: the snapshot seen or made; 0 where there is none.
        run_uid: metadata.uid of the Run that it was done for.
    """

    __tablename__ = "lineage"
    __table_args__ = (
        Index("ix_lineage_workspace_uid_table_name", "workspace_uid", "table_name"),
        Index("ix_lineage_run_uid", "run_uid"),
    )

    source: Mapped[str] = mapped_column(String(37), primary_key=True)
    direction: Mapped[str] = mapped_column(String(8), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(512), primary_key=True)
    snapshot_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    workspace_uid: Mapped[str] = mapped_column(String(36))
    run_uid: Mapped[str | None] = mapped_column(String(36))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class Volume(Base):
    """A folder of files in a database; the files themselves lie in the object store.

    Attributes:
        id: `vol_` and twelve hex digits.
        workspace_uid: metadata.uid of the workspace: a later workspace of the same name is another one.
        created_by: e-mail address, or `run:<name>`.
    """

    __tablename__ = "volumes"
    __table_args__ = (UniqueConstraint("workspace_uid", "database", "name", name="uq_volumes_workspace_uid"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    workspace_uid: Mapped[str] = mapped_column(String(36))
    database: Mapped[str] = mapped_column(String(128))
    name: Mapped[str] = mapped_column(String(128))
    description: Mapped[str | None] = mapped_column(Text)
    created_by: Mapped[str] = mapped_column(String(253))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)


class SparkArtifact(Base):
    """A program for Spark, in one version; the file itself lies in the object store.

    Attributes:
        id: `art_` and twelve hex digits.
        workspace_uid: metadata.uid of the workspace: a later workspace of the same name is another one.
        version: from 1, for each name.
        file: name of the file, which says what it is: .py, .jar or .zip.
        main_class: the class that a jar begins with.
        py_files: further Python files, as the upload named them, separated by commas.
        size: bytes.
        created_by: e-mail address, or `run:<name>`.
    """

    __tablename__ = "spark_artifacts"
    __table_args__ = (UniqueConstraint("workspace_uid", "name", "version", name="uq_spark_artifacts_workspace_uid"),)

    id: Mapped[str] = mapped_column(String(16), primary_key=True)
    workspace_uid: Mapped[str] = mapped_column(String(36))
    name: Mapped[str] = mapped_column(String(128))
    version: Mapped[int]
    file: Mapped[str] = mapped_column(String(128))
    main_class: Mapped[str | None] = mapped_column(String(512))
    py_files: Mapped[str | None] = mapped_column(Text)
    size: Mapped[int] = mapped_column(BigInteger)
    created_by: Mapped[str] = mapped_column(String(253))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
