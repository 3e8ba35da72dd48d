"""The table of Spark artifacts."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import BigInteger, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from icefield_apiserver.core.db.base import Base, UtcDateTime, now


class SparkArtifact(Base):
    """One version of a program for Spark; its file is in the object store.

    Attributes:
        id: `art_` and twelve hex digits.
        workspace_uid: metadata.uid of the workspace: a later workspace of the same name is another one.
        version: from 1, for each name.
        file: name of the file; its suffix is the kind: .py, .jar or .zip.
        main_class: main class of a jar.
        py_files: further Python files as in the upload, separated by commas.
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
