"""Rows of Spark artifacts in the database."""

from __future__ import annotations

import re
from typing import Any, NoReturn

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.exc import IntegrityError
from tenacity import RetryCallState, retry, retry_if_exception_type, stop_after_attempt, wait_random

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.errors import Conflict

from .models import SparkArtifact

ARTIFACT_ID = re.compile(r"art_[0-9a-f]{12}")
ATTEMPTS = 5
LONGEST_PAUSE_SECONDS = 0.05


def _refuse(state: RetryCallState) -> NoReturn:
    artifact: SparkArtifact = state.args[1]
    raise Conflict(f"Artifact {artifact.name} is being uploaded by others at the same time; try again.")


class ArtifactStore:
    """Reads and writes the rows of artifacts.

    Args:
        db: the database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def all(self, workspace_uid: str) -> list[SparkArtifact]:
        """Return all versions of a workspace's artifacts, by name, the newest first."""
        query = select(SparkArtifact).where(SparkArtifact.workspace_uid == workspace_uid)
        async with self._db.session() as session:
            rows = await session.scalars(query.order_by(SparkArtifact.name, SparkArtifact.version.desc()))
            return list(rows.all())

    async def newest(self, workspace_uid: str, name_or_id: str) -> SparkArtifact | None:
        """Return the version with this id, or the newest with this name; None when there is none."""
        query = select(SparkArtifact).where(*_matching(workspace_uid, name_or_id))
        async with self._db.session() as session:
            return await session.scalar(query.order_by(SparkArtifact.version.desc()).limit(1))

    async def count(self, workspace_uid: str) -> int:
        """Return the number of versions of all artifacts of a workspace."""
        async with self._db.session() as session:
            query = select(func.count()).where(SparkArtifact.workspace_uid == workspace_uid)
            return (await session.scalar(query)) or 0

    @retry(
        retry=retry_if_exception_type(IntegrityError),  # another upload of the same name took the version
        stop=stop_after_attempt(ATTEMPTS),
        wait=wait_random(0, LONGEST_PAUSE_SECONDS),
        retry_error_callback=_refuse,
    )
    async def add(self, artifact: SparkArtifact) -> SparkArtifact:
        """Insert a copy of an artifact as the next version of its name, and return it.

        Raises:
            Conflict: others upload the same name at the same time.
        """
        newest = select(func.max(SparkArtifact.version)).where(
            SparkArtifact.workspace_uid == artifact.workspace_uid, SparkArtifact.name == artifact.name
        )
        row = SparkArtifact(**_values(artifact))
        async with self._db.session() as session:
            row.version = ((await session.scalar(newest)) or 0) + 1
            session.add(row)
        return row

    async def delete(self, workspace_uid: str, name_or_id: str) -> list[SparkArtifact]:
        """Delete the version with this id, or all versions of this name, and return them."""
        async with self._db.session() as session:
            rows = (await session.scalars(select(SparkArtifact).where(*_matching(workspace_uid, name_or_id)))).all()
            await session.execute(delete(SparkArtifact).where(SparkArtifact.id.in_([row.id for row in rows])))
        return list(rows)


def _matching(workspace_uid: str, name_or_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    column = SparkArtifact.id if ARTIFACT_ID.fullmatch(name_or_id) else SparkArtifact.name
    return SparkArtifact.workspace_uid == workspace_uid, column == name_or_id


def _values(artifact: SparkArtifact) -> dict[str, Any]:
    names = ("id", "workspace_uid", "name", "file", "main_class", "py_files", "size", "created_by")
    return {name: getattr(artifact, name) for name in names}
