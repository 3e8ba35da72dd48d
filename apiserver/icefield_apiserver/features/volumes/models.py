"""The table of volumes."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from icefield_apiserver.core.db.base import Base, UtcDateTime, now


class Volume(Base):
    """A folder of files in a database; the files are in the object store.

    Attributes:
        id: `vol_` and twelve hex digits.
        workspace_uid: metadata.uid of the workspace: a later workspace of the same name has another.
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
