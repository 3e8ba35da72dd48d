"""Rows of volumes in the database."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.errors import Conflict

from .models import Volume


class VolumeStore:
    """Reads and writes volumes.

    Args:
        db: the database.
    """

    def __init__(self, db: Database) -> None:
        self._db = db

    async def list(self, workspace_uid: str, database: str, after: str | None, limit: int) -> Sequence[Volume]:
        """Return the volumes of a database by name.

        Args:
            workspace_uid: metadata.uid of the workspace.
            database: name of the database.
            after: return names greater than this.
            limit: maximum number of rows.
        """
        query = select(Volume).where(Volume.workspace_uid == workspace_uid, Volume.database == database)
        if after is not None:
            query = query.where(Volume.name > after)
        async with self._db.session() as session:
            return (await session.scalars(query.order_by(Volume.name).limit(limit))).all()

    async def find(self, workspace_uid: str, database: str, name_or_id: str) -> Volume | None:
        """Return a volume by name or id, or None."""
        query = select(Volume).where(
            Volume.workspace_uid == workspace_uid,
            Volume.database == database,
            (Volume.name == name_or_id) | (Volume.id == name_or_id),
        )
        async with self._db.session() as session:
            return await session.scalar(query)

    async def create(self, volume: Volume) -> None:
        """Store a new volume.

        Raises:
            Conflict: its name is taken.
        """
        try:
            async with self._db.session() as session:
                session.add(volume)
        except IntegrityError as error:
            raise Conflict(f"Volume {volume.name} already exists in database {volume.database}.") from error

    async def delete(self, volume: Volume) -> None:
        """Delete a volume's row."""
        async with self._db.session() as session:
            await session.execute(delete(Volume).where(Volume.id == volume.id))

    async def counts(self, workspace_uid: str) -> dict[str, int]:
        """Return the number of volumes of each database that has some, by its name."""
        query = (
            select(Volume.database, func.count())
            .where(Volume.workspace_uid == workspace_uid)
            .group_by(Volume.database)
            .order_by(Volume.database)
        )
        async with self._db.session() as session:
            return dict((await session.execute(query)).tuples().all())
