"""Tables, views and snapshots in a workspace's Iceberg catalog."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from cachetools import LRUCache

from icefield_apiserver.catalog import Catalogs, IcebergCatalog, LoadedTable, LoadedView, Namespace
from icefield_apiserver.catalog.facts import Snapshot, TableFacts, current_snapshot_id, facts_of, snapshots_of
from icefield_apiserver.catalog.gather import gather
from icefield_apiserver.catalog.loaded import dotted
from icefield_apiserver.catalog.names import check_name, problem_of_name
from icefield_apiserver.catalog.new_table import create_request
from icefield_apiserver.db.pages import after_text, page_of_rows
from icefield_apiserver.errors import NotFound
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.pagination import Page, Window, encode_cursor
from icefield_apiserver.schemas.catalog import TableCreate

T = TypeVar("T")
V = TypeVar("V")

MAX_FACTS = 20_000
MAIN_BRANCH = "main"


class TableRepository:
    """Finds, makes and drops tables, each call inside the caller's workspace.

    Args:
        catalogs: the workspaces' catalogs.
    """

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs
        self._facts: LRUCache[tuple[str, str], TableFacts] = LRUCache(MAX_FACTS)

    async def page(
        self,
        principal: Principal,
        namespace: Namespace,
        window: Window,
        shape: Callable[[str, TableFacts], T],
        shape_view: Callable[[str], V],
    ) -> Page[T | V]:
        """Return a page of the tables and views in a namespace, by name.

        Args:
            principal: the caller.
            namespace: where.
            window: which part.
            shape: makes a row of a table's name and facts.
            shape_view: makes a row of a view's name.

        Raises:
            NotFound: there is no such namespace.
        """
        catalog = self._catalogs.of(principal.workspace)
        tables, views = await asyncio.gather(catalog.list_tables(namespace), catalog.list_views(namespace))
        shown, more = _part([*tables, *views], window)
        are_views = frozenset(views)

        async def row(name: str) -> T | V | None:
            if name in are_views:
                return shape_view(name)
            try:
                return shape(name, self._facts_of(principal, await catalog.load_table(namespace, name)))
            except NotFound:
                return None  # dropped since it was listed

        return Page(data=[found for found in await gather(row, shown) if found is not None], next_cursor=more)

    async def find(self, principal: Principal, namespace: Namespace, name: str) -> TableFacts | LoadedView:
        """Return a table, or the view of that name.

        Raises:
            NotFound: there is neither.
        """
        try:
            return await self.get(principal, namespace, name)
        except NotFound as no_table:
            try:
                return await self.get_view(principal, namespace, name)
            except NotFound:
                raise no_table from None

    async def get(self, principal: Principal, namespace: Namespace, name: str) -> TableFacts:
        """Return a table.

        Raises:
            NotFound: there is none.
        """
        return self._facts_of(principal, await self._load(principal, namespace, name))

    async def create(self, principal: Principal, namespace: Namespace, table: TableCreate) -> TableFacts:
        """Create a table.

        Raises:
            BadRequest: it cannot be called so, or a type or a transform is none.
            Conflict: there is a table or a view of this name.
            NotFound: there is no such namespace.
        """
        check_name("table", table.name)
        request = create_request(
            table.name,
            [column.to_column() for column in table.columns],
            table.partition_columns or (),
            table.properties or {},
            table.description,
        )
        return facts_of(await self._catalogs.of(principal.workspace).create_table(namespace, request))

    async def delete(self, principal: Principal, namespace: Namespace, name: str) -> None:
        """Drop a table and delete its files.

        Raises:
            NotFound: there is none.
        """
        catalog = self._catalogs.of(principal.workspace)
        await catalog.drop_table(namespace, _known(namespace, name), purge=True)

    async def snapshots(
        self,
        principal: Principal,
        namespace: Namespace,
        name: str,
        window: Window,
        shape: Callable[[Snapshot, int | None], T],
    ) -> Page[T]:
        """Return a page of a table's snapshots, newest first.

        Args:
            principal: the caller.
            namespace: where the table is.
            name: which table.
            window: which part.
            shape: makes a row of a snapshot and the id of the current one.

        Raises:
            NotFound: there is no such table.
        """
        metadata = (await self._load(principal, namespace, name)).metadata
        current = current_snapshot_id(metadata)
        rows, after = snapshots_of(metadata), after_text(window)
        if after is not None:
            ids = [str(snapshot.id) for snapshot in rows]
            rows = rows[ids.index(after) + 1 :] if after in ids else []
        return page_of_rows(rows, window, lambda snapshot: str(snapshot.id), lambda snapshot: shape(snapshot, current))

    async def rollback(self, principal: Principal, namespace: Namespace, name: str, snapshot_id: int) -> TableFacts:
        """Make one of a table's snapshots the current one; nothing is deleted, so the way back stays open.

        Raises:
            Conflict: the table was written to in the meantime.
            NotFound: there is no such table, or it has no such snapshot.
        """
        catalog = self._catalogs.of(principal.workspace)
        loaded = await self._load(principal, namespace, name)
        metadata = loaded.metadata
        if all(snapshot["snapshot-id"] != snapshot_id for snapshot in metadata.get("snapshots") or ()):
            raise NotFound(f"Table {dotted(namespace, name)} has no snapshot {snapshot_id}.")
        current = current_snapshot_id(metadata)
        if current == snapshot_id:
            return self._facts_of(principal, loaded)
        retention = (metadata.get("refs") or {}).get(MAIN_BRANCH, {})
        update = {**retention, "action": "set-snapshot-ref", "ref-name": MAIN_BRANCH, "type": "branch"}
        requirements = [
            {"type": "assert-table-uuid", "uuid": metadata["table-uuid"]},
            {"type": "assert-ref-snapshot-id", "ref": MAIN_BRANCH, "snapshot-id": current},
        ]
        return facts_of(await catalog.commit(namespace, name, requirements, [{**update, "snapshot-id": snapshot_id}]))

    async def views(
        self, principal: Principal, namespace: Namespace, window: Window, shape: Callable[[str], T]
    ) -> Page[T]:
        """Return a page of the views in a namespace, by name.

        Raises:
            NotFound: there is no such namespace.
        """
        names, more = _part(await self._catalogs.of(principal.workspace).list_views(namespace), window)
        return Page(data=[shape(name) for name in names], next_cursor=more)

    async def get_view(self, principal: Principal, namespace: Namespace, name: str) -> LoadedView:
        """Return a view.

        Raises:
            NotFound: there is none.
        """
        return await self._catalogs.of(principal.workspace).load_view(namespace, _known(namespace, name, "view"))

    async def delete_view(self, principal: Principal, namespace: Namespace, name: str) -> None:
        """Drop a view.

        Raises:
            NotFound: there is none.
        """
        await self._catalogs.of(principal.workspace).drop_view(namespace, _known(namespace, name, "view"))

    async def _load(self, principal: Principal, namespace: Namespace, name: str) -> LoadedTable:
        catalog: IcebergCatalog = self._catalogs.of(principal.workspace)
        return await catalog.load_table(namespace, _known(namespace, name))

    def _facts_of(self, principal: Principal, loaded: LoadedTable) -> TableFacts:
        # By workspace, too: somebody's own catalog may say that its metadata lies at another workspace's location.
        key = principal.workspace, loaded.metadata_location
        if (kept := self._facts.get(key)) is None:
            kept = self._facts[key] = facts_of(loaded)
        return kept


def _part(names: list[str], window: Window) -> tuple[list[str], str | None]:
    """Return the names of a page, and the cursor of the next one."""
    after = after_text(window)
    rest = sorted(name for name in names if after is None or name > after)
    shown = rest[: window.limit]
    return shown, encode_cursor((shown[-1],)) if len(rest) > len(shown) else None


def _known(namespace: Namespace, name: str, kind: str = "table") -> str:
    """Return a name that may exist.

    Raises:
        NotFound: nothing can be called so; catalogs would answer 400.
    """
    if problem_of_name(name):
        raise NotFound(f"There is no {kind} {dotted(namespace, name)}.")
    return name
