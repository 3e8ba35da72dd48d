"""Volumes of a workspace's databases: rows here, files in the object store."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TypeVar

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError

from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.catalog.names import check_name, database_namespace
from icefield_apiserver.db import Database
from icefield_apiserver.db.models import Volume
from icefield_apiserver.db.pages import after_text, page_of_rows
from icefield_apiserver.errors import Conflict, NotFound
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube import Cluster
from icefield_apiserver.pagination import Page, Window
from icefield_apiserver.volumes.store import WorkspaceStores
from icefield_crds.object_store import volume_prefix

T = TypeVar("T")

_MOST_ROWS = 100_000


class VolumeRepository:
    """Finds, makes and drops volumes, each call inside the caller's workspace.

    Args:
        db: where the rows are.
        cluster: the Workspaces.
        catalogs: whether a database exists.
        stores: where the files are.
    """

    def __init__(self, db: Database, cluster: Cluster, catalogs: Catalogs, stores: WorkspaceStores) -> None:
        self._db = db
        self._cluster = cluster
        self._catalogs = catalogs
        self._stores = stores

    async def page(self, principal: Principal, database: str, window: Window, shape: Callable[[Volume], T]) -> Page[T]:
        """Return a page of a database's volumes, by name.

        Raises:
            NotFound: there is no such database.
        """
        await self._check_database(principal, database)
        query = select(Volume).where(Volume.workspace_uid == self._uid(principal), Volume.database == database)
        if (after := after_text(window)) is not None:
            query = query.where(Volume.name > after)
        query = query.order_by(Volume.name).limit(min(window.limit, _MOST_ROWS) + 1)
        async with self._db.session() as session:
            rows = (await session.scalars(query)).all()
        return page_of_rows(rows, window, lambda volume: volume.name, shape)

    async def get(self, principal: Principal, database: str, volume: str) -> Volume:
        """Return a volume, by name or id.

        Raises:
            NotFound: there is none.
        """
        async with self._db.session() as session:
            found = await session.scalar(
                select(Volume).where(
                    Volume.workspace_uid == self._uid(principal),
                    Volume.database == database,
                    (Volume.name == volume) | (Volume.id == volume),
                )
            )
        if found is None:
            raise NotFound(f"There is no volume {volume} in database {database}.")
        return found

    async def create(self, principal: Principal, database: str, name: str, description: str | None) -> Volume:
        """Create a volume.

        Raises:
            BadRequest: it cannot be called so.
            Conflict: there is one already.
            NotFound: there is no such database.
        """
        await self._check_database(principal, database)
        check_name("volume", name)
        volume = Volume(
            id=f"vol_{uuid.uuid4().hex[:12]}",
            workspace_uid=self._uid(principal),
            database=database,
            name=name,
            description=description,
            created_by=principal.person,
        )
        try:
            async with self._db.session() as session:
                session.add(volume)
        except IntegrityError as error:
            raise Conflict(f"There already is a volume {name} in database {database}.") from error
        return volume

    async def delete(self, principal: Principal, database: str, name: str, *, with_files: bool) -> None:
        """Delete a volume.

        Args:
            principal: the caller.
            database: where it is.
            name: its name or id.
            with_files: whether its files are deleted, too.

        Raises:
            Conflict: it holds files, and they shall stay.
            NotFound: there is none.
        """
        volume = await self.get(principal, database, name)
        prefix = self.prefix(principal, volume)
        if not with_files and not await self._stores.is_empty(principal.workspace, prefix):
            raise Conflict(f"Volume {name} holds files; delete them first, or say force=true.")
        await self._stores.delete_all(principal.workspace, prefix)
        async with self._db.session() as session:
            await session.execute(delete(Volume).where(Volume.id == volume.id))

    async def count(self, principal: Principal, database: str) -> int:
        """Return how many volumes a database has."""
        query = select(func.count()).where(Volume.workspace_uid == self._uid(principal), Volume.database == database)
        async with self._db.session() as session:
            return (await session.scalar(query)) or 0

    def prefix(self, principal: Principal, volume: Volume) -> str:
        """Return the key prefix of a volume's files, without a slash at its end."""
        return volume_prefix(principal.workspace, volume.database, volume.name)

    async def _check_database(self, principal: Principal, database: str) -> None:
        await self._catalogs.of(principal.workspace).load_namespace(database_namespace(database))

    def _uid(self, principal: Principal) -> str:
        workspace = self._cluster.workspace_directory.get(principal.workspace)
        if workspace is None:
            raise NotFound(f"There is no workspace called {principal.workspace}.")
        return workspace.metadata.uid
