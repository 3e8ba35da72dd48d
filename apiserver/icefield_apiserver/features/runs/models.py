"""The table of archived runs."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Index, String
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Mapped, mapped_column

from icefield_apiserver.core.db.base import Base, UtcDateTime

UID = String(36).with_variant(postgresql.VARCHAR(36, collation="C"), "postgresql")
"""Sorted as Python sorts text, whatever the database's language."""


class ArchivedRun(Base):
    """A run that has ended, as Kubernetes had it; it may still be there.

    Attributes:
        uid: metadata.uid.
        workspace_uid: metadata.uid of its workspace: a later workspace of the same name is another one.
        public_id: the id that REST shows.
        name: metadata.name.
        job: metadata.name of its Job.
        job_uid: metadata.uid of the Job that owns it.
        phase: success, failed or cancelled.
        sort_key: the first part of its key in lists (core.kube.indexes.RUNS); the second is the uid.
        finished_at: when it ended.
        manifest: the whole Run, without managedFields.
    """

    __tablename__ = "archived_runs"
    __table_args__ = (
        Index("ix_archived_runs_workspace_uid_sort_key", "workspace_uid", "sort_key", "uid"),
        Index("ix_archived_runs_workspace_uid_job_sort_key", "workspace_uid", "job", "sort_key", "uid"),
        Index("ix_archived_runs_workspace_uid_phase_sort_key", "workspace_uid", "phase", "sort_key", "uid"),
        Index("ix_archived_runs_workspace_uid_job_uid", "workspace_uid", "job_uid"),
        Index("ix_archived_runs_workspace_uid_public_id", "workspace_uid", "public_id"),
        Index("ix_archived_runs_workspace_uid_name", "workspace_uid", "name"),
        Index("ix_archived_runs_workspace_uid_finished_at", "workspace_uid", "finished_at"),
    )

    uid: Mapped[str] = mapped_column(UID, primary_key=True)
    workspace_uid: Mapped[str] = mapped_column(String(36))
    public_id: Mapped[str] = mapped_column(String(16))
    name: Mapped[str] = mapped_column(String(253))
    job: Mapped[str | None] = mapped_column(String(253))
    job_uid: Mapped[str | None] = mapped_column(String(36))
    phase: Mapped[str] = mapped_column(String(16))
    sort_key: Mapped[int] = mapped_column(BigInteger)
    finished_at: Mapped[datetime] = mapped_column(UtcDateTime)
    manifest: Mapped[dict[str, Any]] = mapped_column(JSON)
