"""Tables, views and snapshots in a workspace's Iceberg catalog."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from cachetools import LRUCache
from sqlalchemy.exc import SQLAlchemyError

from icefield_apiserver.core.catalog import (
    Catalogs,
    IcebergCatalog,
    LoadedTable,
    LoadedView,
    Namespace,
)
from icefield_apiserver.core.catalog.concurrency import map_concurrently
from icefield_apiserver.core.catalog.metadata import (
    SnapshotInfo,
    TableInfo,
    current_snapshot_id,
    snapshots_of,
    table_info,
)
from icefield_apiserver.core.catalog.model import full_name
from icefield_apiserver.core.catalog.names import check_name, problem_of_name
from icefield_apiserver.core.catalog.table_definition import TableDefinition, create_request
from icefield_apiserver.core.db.pages import after_text, page_of_rows
from icefield_apiserver.core.errors import NotFound
from icefield_apiserver.core.pagination import Page, Window, encode_cursor
from icefield_apiserver.features.lineage.service import LineageRecorder
from icefield_apiserver.identity.principal import Principal

log = logging.getLogger(__name__)

T = TypeVar("T")
V = TypeVar("V")

MAX_CACHED_TABLES = 20_000
MAIN_BRANCH = "main"


class TableService:
    """Reads, creates and deletes tables and views in the caller's workspace.

    Args:
        catalogs: the workspaces' catalogs.
        lineage: records what is dropped.
    """

    def __init__(self, catalogs: Catalogs, lineage: LineageRecorder) -> None:
        self._catalogs = catalogs
        self._lineage = lineage
        self._cache: LRUCache[tuple[str, str], TableInfo] = LRUCache(MAX_CACHED_TABLES)

    async def page(
        self,
        principal: Principal,
        namespace: Namespace,
        window: Window,
        shape: Callable[[str, TableInfo], T],
        shape_view: Callable[[str], V],
    ) -> Page[T | V]:
        """Return a page of the tables and views in a namespace, by name.

        Args:
            principal: the caller.
            namespace: the namespace.
            window: the page requested.
            shape: makes a row from a table's name and the table.
            shape_view: makes a row from a view's name.

        Raises:
            NotFound: the namespace does not exist.
        """
        catalog = principal.catalog(self._catalogs)
        tables, views = await asyncio.gather(catalog.list_tables(namespace), catalog.list_views(namespace))
        shown, more = _part([*tables, *views], window)
        are_views = frozenset(views)

        async def row(name: str) -> T | V | None:
            if name in are_views:
                return shape_view(name)
            try:
                return shape(name, self._info_of(principal, await catalog.load_table(namespace, name)))
            except NotFound:
                return None  # dropped since it was listed

        return Page(data=[found for found in await map_concurrently(row, shown) if found is not None], next_cursor=more)

    async def find(self, principal: Principal, namespace: Namespace, name: str) -> TableInfo | LoadedView:
        """Return a table, or the view of that name.

        Raises:
            NotFound: neither exists.
        """
        try:
            return await self.get(principal, namespace, name)
        except NotFound as no_table:
            try:
                return await self.get_view(principal, namespace, name)
            except NotFound:
                raise no_table from None

    async def get(self, principal: Principal, namespace: Namespace, name: str) -> TableInfo:
        """Return a table.

        Raises:
            NotFound: it does not exist.
        """
        return self._info_of(principal, await self._load(principal, namespace, name))

    async def create(self, principal: Principal, namespace: Namespace, table: TableDefinition) -> TableInfo:
        """Create a table.

        Raises:
            BadRequest: the name, a column type or a transform is invalid.
            Conflict: a table or view of this name exists.
            NotFound: the namespace does not exist.
        """
        check_name("table", table.name)
        catalog = principal.catalog(self._catalogs)
        return table_info(await catalog.create_table(namespace, create_request(table)))

    async def delete(self, principal: Principal, namespace: Namespace, name: str) -> None:
        """Drop a table and delete its files.

        Raises:
            NotFound: it does not exist.
        """
        catalog = principal.catalog(self._catalogs)
        await catalog.drop_table(namespace, _checked(namespace, name), purge=True)
        await self._note_dropped(principal, namespace, name)

    async def snapshots(
        self,
        principal: Principal,
        namespace: Namespace,
        name: str,
        window: Window,
        shape: Callable[[SnapshotInfo, int | None], T],
    ) -> Page[T]:
        """Return a page of a table's snapshots, newest first.

        Args:
            principal: the caller.
            namespace: the table's namespace.
            name: name of the table.
            window: the page requested.
            shape: makes a row from a snapshot and the id of the current one.

        Raises:
            NotFound: the table does not exist.
        """
        metadata = (await self._load(principal, namespace, name)).metadata
        current = current_snapshot_id(metadata)
        rows, after = snapshots_of(metadata), after_text(window)
        if after is not None:
            ids = [str(snapshot.id) for snapshot in rows]
            rows = rows[ids.index(after) + 1 :] if after in ids else []
        return page_of_rows(rows, window, lambda snapshot: str(snapshot.id), lambda snapshot: shape(snapshot, current))

    async def rollback(self, principal: Principal, namespace: Namespace, name: str, snapshot_id: int) -> TableInfo:
        """Make one of a table's snapshots the current one; no snapshot is deleted.

        Raises:
            Conflict: the table was changed concurrently.
            NotFound: the table or the snapshot does not exist.
        """
        catalog = principal.catalog(self._catalogs)
        loaded = await self._load(principal, namespace, name)
        metadata = loaded.metadata
        if all(snapshot["snapshot-id"] != snapshot_id for snapshot in metadata.get("snapshots") or ()):
            raise NotFound(f"Table {full_name(namespace, name)} has no snapshot {snapshot_id}.")
        current = current_snapshot_id(metadata)
        if current == snapshot_id:
            return self._info_of(principal, loaded)
        retention = (metadata.get("refs") or {}).get(MAIN_BRANCH, {})
        update = {**retention, "action": "set-snapshot-ref", "ref-name": MAIN_BRANCH, "type": "branch"}
        requirements = [
            {"type": "assert-table-uuid", "uuid": metadata["table-uuid"]},
            {"type": "assert-ref-snapshot-id", "ref": MAIN_BRANCH, "snapshot-id": current},
        ]
        return table_info(await catalog.commit(namespace, name, requirements, [{**update, "snapshot-id": snapshot_id}]))

    async def views(
        self, principal: Principal, namespace: Namespace, window: Window, shape: Callable[[str], T]
    ) -> Page[T]:
        """Return a page of the views in a namespace, by name.

        Raises:
            NotFound: the namespace does not exist.
        """
        names, more = _part(await principal.catalog(self._catalogs).list_views(namespace), window)
        return Page(data=[shape(name) for name in names], next_cursor=more)

    async def get_view(self, principal: Principal, namespace: Namespace, name: str) -> LoadedView:
        """Return a view.

        Raises:
            NotFound: it does not exist.
        """
        return await principal.catalog(self._catalogs).load_view(namespace, _checked(namespace, name, "view"))

    async def delete_view(self, principal: Principal, namespace: Namespace, name: str) -> None:
        """Drop a view.

        Raises:
            NotFound: it does not exist.
        """
        await principal.catalog(self._catalogs).drop_view(namespace, _checked(namespace, name, "view"))
        await self._note_dropped(principal, namespace, name)

    async def _note_dropped(self, principal: Principal, namespace: Namespace, name: str) -> None:
        """Tell lineage; the catalog has dropped it, whatever the database answers."""
        try:
            await self._lineage.table_dropped(
                principal.workspace, f"{principal.workspace}.{full_name(namespace, name)}"
            )
        except (SQLAlchemyError, TimeoutError) as error:
            log.error("the drop of %s is not recorded in lineage: %s", full_name(namespace, name), error)

    async def _load(self, principal: Principal, namespace: Namespace, name: str) -> LoadedTable:
        catalog: IcebergCatalog = principal.catalog(self._catalogs)
        return await catalog.load_table(namespace, _checked(namespace, name))

    def _info_of(self, principal: Principal, loaded: LoadedTable) -> TableInfo:
        # Keyed by workspace as well: an external catalog may report a metadata location of another workspace.
        key = principal.workspace, loaded.metadata_location
        if (cached := self._cache.get(key)) is None:
            cached = self._cache[key] = table_info(loaded)
        return cached


def _part(names: list[str], window: Window) -> tuple[list[str], str | None]:
    """Return the names of a page, and the cursor of the next one."""
    after = after_text(window)
    rest = sorted(name for name in names if after is None or name > after)
    shown = rest[: window.limit]
    return shown, encode_cursor((shown[-1],)) if len(rest) > len(shown) else None


def _checked(namespace: Namespace, name: str, kind: str = "table") -> str:
    """Return a name that may exist.

    Raises:
        NotFound: the name is invalid, which catalogs would answer with 400.
    """
    if problem_of_name(name):
        raise NotFound(f"There is no {kind} {full_name(namespace, name)}.")
    return name
