"""The table of lineage."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from icefield_apiserver.core.db.base import Base, UtcDateTime


class LineageEdge(Base):
    """A table that a statement or run read or wrote.

    Attributes:
        source: id of the statement, or metadata.uid of the Run that used the catalog directly.
        direction: read or written.
        table_name: name with the catalog, such as `acme.sales.orders`.
        snapshot_id: the snapshot read or committed; 0 for none.
        run_uid: metadata.uid of the Run to which the statement belongs.
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
    at: Mapped[datetime] = mapped_column(UtcDateTime)
