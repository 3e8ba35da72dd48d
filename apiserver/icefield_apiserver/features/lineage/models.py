"""The tables of lineage."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from icefield_apiserver.core.db.base import Base, UtcDateTime


class LineageAccess(Base):
    """A table that a statement read or wrote, or that a process loaded from the catalog or committed to.

    Attributes:
        source: id of the statement, or of the CatalogUnit.
        direction: read or written.
        table_name: name with the catalog, such as `acme.sales.orders`.
        snapshot_id: the snapshot read or committed; 0 for none.
        run_uid: metadata.uid of the Run to which it belongs.
        table_uuid: the table's identity; None in rows of servers that recorded none.
        at: when it was read or written first.
    """

    __tablename__ = "lineage"
    __table_args__ = (
        Index("ix_lineage_workspace_uid_table_name", "workspace_uid", "table_name"),
        Index("ix_lineage_run_uid", "run_uid"),
        Index("ix_lineage_workspace_uid_at", "workspace_uid", "at"),
    )

    source: Mapped[str] = mapped_column(String(37), primary_key=True)
    direction: Mapped[str] = mapped_column(String(8), primary_key=True)
    table_name: Mapped[str] = mapped_column(String(512), primary_key=True)
    snapshot_id: Mapped[int] = mapped_column(BigInteger, primary_key=True)
    workspace_uid: Mapped[str] = mapped_column(String(36))
    run_uid: Mapped[str | None] = mapped_column(String(36))
    table_uuid: Mapped[str | None] = mapped_column(String(36))
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class LineageTable(Base):
    """A table or view that has lineage, by its identity.

    Attributes:
        uuid: `table-uuid`, `view-uuid`, or the identity of a name.
        name: its name with the catalog, the last one that is known.
        is_view: whether it is a view.
        is_name_only: whether only its name is known, because it was recorded before identities were.
        seen_at: when it was there under this name, or went.
        gone_at: since when it is not there; None while it is.
    """

    __tablename__ = "lineage_tables"
    __table_args__ = (
        Index("ix_lineage_tables_workspace_uid_name", "workspace_uid", "name"),
        Index("ix_lineage_tables_workspace_uid_seen_at", "workspace_uid", "seen_at"),
    )

    workspace_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(512))
    is_view: Mapped[bool]
    is_name_only: Mapped[bool] = mapped_column(default=False)
    seen_at: Mapped[datetime] = mapped_column(UtcDateTime)
    gone_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class LineageFlow(Base):
    """What one unit did between two tables: which statement, or which process, read the one and wrote the other.

    Attributes:
        source_uuid: what was read.
        target_uuid: what was written.
        unit: id of the statement, or of the CatalogUnit.
        run_uid: metadata.uid of the Run to which the unit belongs.
        through_uuid: the view through which the source was read; None where it was read directly.
        inferred: whether only the order of a process's calls tells it.
        at: when it was last written.
    """

    __tablename__ = "lineage_flows"
    __table_args__ = (
        Index("ix_lineage_flows_workspace_uid_target_uuid_at", "workspace_uid", "target_uuid", "at"),
        Index("ix_lineage_flows_workspace_uid_source_uuid_at", "workspace_uid", "source_uuid", "at"),
        Index("ix_lineage_flows_workspace_uid_at", "workspace_uid", "at"),
    )

    workspace_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    source_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    target_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    unit: Mapped[str] = mapped_column(String(37), primary_key=True)
    run_uid: Mapped[str | None] = mapped_column(String(36))
    through_uuid: Mapped[str | None] = mapped_column(String(36))
    inferred: Mapped[bool]
    at: Mapped[datetime] = mapped_column(UtcDateTime)


class LineageEdge(Base):
    """That data flowed between two tables directly: all of their flows as one row, for the graph.

    Attributes:
        source_uuid: what was read.
        target_uuid: what was written.
        inferred: whether no flow is known otherwise.
        last_at: when data last flowed.
        last_run_uid: metadata.uid of the newest Run between them.
        last_statement_id: the newest statement between them.
    """

    __tablename__ = "lineage_edges"
    __table_args__ = (
        Index("ix_lineage_edges_workspace_uid_target_uuid", "workspace_uid", "target_uuid"),
        Index("ix_lineage_edges_workspace_uid_last_at", "workspace_uid", "last_at"),
    )

    workspace_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    source_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    target_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    inferred: Mapped[bool]
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_run_uid: Mapped[str | None] = mapped_column(String(36))
    last_statement_id: Mapped[str | None] = mapped_column(String(37))


class LineageColumns(Base):
    """One of the ways in which statements make the columns of a table.

    Attributes:
        target_uuid: the table.
        digest: the same for statements that make its columns of the same.
        columns: ColumnSet, as JSON.
        last_statement_id: the newest of them.
        last_at: when that ended.
    """

    __tablename__ = "lineage_columns"
    __table_args__ = (Index("ix_lineage_columns_workspace_uid_last_at", "workspace_uid", "last_at"),)

    workspace_uid: Mapped[str] = mapped_column(String(36), primary_key=True)
    target_uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), primary_key=True)
    columns: Mapped[dict[str, Any]] = mapped_column(JSON)
    last_statement_id: Mapped[str] = mapped_column(String(37))
    last_at: Mapped[datetime] = mapped_column(UtcDateTime)
