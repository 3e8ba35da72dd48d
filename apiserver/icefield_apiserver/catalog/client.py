"""The Iceberg catalog of a workspace, as typed calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote

from cachetools import LRUCache

from icefield_apiserver.errors import Conflict, NotFound
from icefield_apiserver.kube.secrets import WorkspaceSecrets

from .loaded import LoadedTable, LoadedView, Namespace, called, dotted
from .reader import MAX_TABLES, Reader, TableCache
from .refusals import CatalogRefusal, saying
from .transport import Answer, CatalogConfig, CatalogTransport

MAX_CACHED_BYTES = 32 * 1024 * 1024
"""Of metadata as JSON; parsed, it takes a few times as much memory."""
MAX_PAGES = 10_000
_PARSED_ASIDE_BYTES = 256 * 1024
"""A longer answer is parsed in a thread: it would hold up every other request for milliseconds."""
_SEPARATOR = "\x1f"

_CacheKey = tuple[str, Namespace, str]


class Catalogs:
    """The catalogs of all workspaces, and the tables they were last asked for.

    Args:
        transport: how they are reached.
    """

    def __init__(self, transport: CatalogTransport) -> None:
        self.transport = transport
        self._loaded: LRUCache[_CacheKey, tuple[LoadedTable, int]] = LRUCache(
            MAX_CACHED_BYTES, getsizeof=lambda kept: kept[1]
        )
        self._tables: TableCache = LRUCache(MAX_TABLES)

    @classmethod
    @asynccontextmanager
    async def open(cls, secrets: WorkspaceSecrets) -> AsyncIterator[Self]:
        """Give the catalogs for as long as the context lasts; nothing is asked of them yet."""
        async with CatalogTransport.open(secrets) as transport:
            yield cls(transport)

    def of(self, workspace: str) -> IcebergCatalog:
        """Return the catalog of the workspace with this slug; whether there is one shows when it is asked."""
        return IcebergCatalog(workspace, self.transport, self._loaded, self._tables)


class IcebergCatalog:
    """One workspace's catalog. Every call raises Unavailable where the catalog cannot be reached.

    Args:
        workspace: slug.
        transport: how the catalog is reached.
        loaded: the tables that were loaded last, with their size in bytes.
        tables: what plans made of metadata files.
    """

    def __init__(
        self,
        workspace: str,
        transport: CatalogTransport,
        loaded: LRUCache[_CacheKey, tuple[LoadedTable, int]],
        tables: TableCache,
    ) -> None:
        self.workspace = workspace
        self._transport = transport
        self._loaded = loaded
        self._tables = tables

    def reader(self) -> Reader:
        """Return the catalog as the plan of a statement asks for it."""
        return Reader(self, self._tables)

    async def config(self) -> CatalogConfig:
        """Return what the catalog says of its warehouse."""
        return await self._transport.config(self.workspace)

    async def list_namespaces(self, parent: Namespace = ()) -> list[Namespace]:
        """Return the namespaces directly below one.

        Raises:
            NotFound: there is no such parent.
        """
        query = {"parent": _SEPARATOR.join(parent)} if parent else {}
        with saying(not_found=_no_namespace(parent)):
            return [tuple(levels) async for levels in self._pages("namespaces", "namespaces", query)]

    async def load_namespace(self, namespace: Namespace) -> dict[str, str]:
        """Return the properties of a namespace.

        Raises:
            NotFound: there is none.
        """
        with saying(not_found=_no_namespace(namespace)):
            answer = await self._call("GET", _path(namespace))
        return dict(answer.json().get("properties") or {})

    async def create_namespace(self, namespace: Namespace, properties: Mapping[str, str]) -> None:
        """Create a namespace.

        Raises:
            Conflict: there is one already.
            NotFound: its parent does not exist.
        """
        with saying(not_found=_no_namespace(namespace[:-1]), conflict=f"There already is a {called(namespace)}."):
            await self._call("POST", "namespaces", body={"namespace": list(namespace), "properties": dict(properties)})

    async def drop_namespace(self, namespace: Namespace) -> None:
        """Drop an empty namespace.

        Raises:
            Conflict: it is not empty.
            NotFound: there is none.
        """
        try:
            with saying(not_found=_no_namespace(namespace)):
                await self._call("DELETE", _path(namespace))
        except CatalogRefusal as error:
            if error.status_code == 409 or "NotEmpty" in error.kind:
                raise Conflict(f"The {called(namespace)} is not empty.") from error
            raise

    async def list_tables(self, namespace: Namespace) -> list[str]:
        """Return the names of the tables in a namespace.

        Raises:
            NotFound: there is no such namespace.
        """
        return await self._list_identifiers(namespace, "tables")

    async def list_views(self, namespace: Namespace) -> list[str]:
        """Return the names of the views in a namespace; none where the catalog keeps no views.

        Raises:
            NotFound: there is no such namespace.
        """
        endpoints = (await self.config()).endpoints
        if endpoints is not None and "GET /v1/{prefix}/namespaces/{namespace}/views" not in endpoints:
            return []
        return await self._list_identifiers(namespace, "views")

    async def load_table(self, namespace: Namespace, name: str) -> LoadedTable:
        """Return a table as it is now; when it has not changed since it was last loaded, the catalog only says so.

        Raises:
            NotFound: there is none.
        """
        key = self.workspace, namespace, name
        kept, _ = self._loaded.get(key, (None, 0))
        headers = {"If-None-Match": kept.etag} if kept and kept.etag else None
        try:
            with saying(not_found=f"There is no table {dotted(namespace, name)}."):
                answer = await self._call("GET", _path(namespace, "tables", name), headers=headers)
        except NotFound:
            self._loaded.pop(key, None)
            raise
        if answer.status == 304 and kept:
            return kept
        return await self._keep(key, answer)

    async def load_view(self, namespace: Namespace, name: str) -> LoadedView:
        """Return a view as it is now.

        Raises:
            NotFound: there is none.
        """
        with saying(not_found=f"There is no view {dotted(namespace, name)}."):
            said = (await self._call("GET", _path(namespace, "views", name))).json()
        return LoadedView(str(said.get("metadata-location") or ""), said["metadata"])

    async def create_table(self, namespace: Namespace, request: Mapping[str, Any]) -> LoadedTable:
        """Create a table.

        Args:
            namespace: where.
            request: a CreateTableRequest: name, schema, partition-spec, write-order, properties, location.

        Raises:
            Conflict: there is a table or a view of this name.
            NotFound: there is no such namespace.
        """
        name = str(request["name"])
        with saying(
            not_found=_no_namespace(namespace),
            conflict=f"There already is a table or a view {dotted(namespace, name)}.",
        ):
            answer = await self._call("POST", _path(namespace, "tables"), body=request)
        return await self._keep((self.workspace, namespace, name), answer)

    async def drop_table(self, namespace: Namespace, name: str, *, purge: bool) -> None:
        """Drop a table.

        Args:
            namespace: where it is.
            name: which.
            purge: whether its files are deleted as well.

        Raises:
            NotFound: there is none.
        """
        with saying(not_found=f"There is no table {dotted(namespace, name)}."):
            query = {"purgeRequested": "true" if purge else "false"}
            await self._call("DELETE", _path(namespace, "tables", name), query=query)
        self._loaded.pop((self.workspace, namespace, name), None)

    async def drop_view(self, namespace: Namespace, name: str) -> None:
        """Drop a view.

        Raises:
            NotFound: there is none.
        """
        with saying(not_found=f"There is no view {dotted(namespace, name)}."):
            await self._call("DELETE", _path(namespace, "views", name))

    async def commit(
        self,
        namespace: Namespace,
        name: str,
        requirements: Sequence[Mapping[str, Any]],
        updates: Sequence[Mapping[str, Any]],
    ) -> LoadedTable:
        """Change a table in one step.

        Args:
            namespace: where it is.
            name: which.
            requirements: TableRequirements: what must hold for the change to be made.
            updates: TableUpdates.

        Raises:
            Conflict: a requirement does not hold: somebody else was faster.
            NotFound: there is no such table.
        """
        body = {"requirements": [dict(each) for each in requirements], "updates": [dict(each) for each in updates]}
        with saying(
            not_found=f"There is no table {dotted(namespace, name)}.",
            conflict=f"Table {dotted(namespace, name)} was changed by someone else in the meantime; try again.",
        ):
            answer = await self._call("POST", _path(namespace, "tables", name), body=body)
        return await self._keep((self.workspace, namespace, name), answer)

    async def _keep(self, key: _CacheKey, answer: Answer) -> LoadedTable:
        if len(answer.body) > _PARSED_ASIDE_BYTES:
            said = await asyncio.to_thread(answer.json)
        else:
            said = answer.json()
        loaded = LoadedTable(str(said["metadata-location"]), said["metadata"], answer.headers.get("ETag"))
        if len(answer.body) <= MAX_CACHED_BYTES:
            self._loaded[key] = loaded, len(answer.body)
        return loaded

    async def _list_identifiers(self, namespace: Namespace, kind: str) -> list[str]:
        with saying(not_found=_no_namespace(namespace)):
            return [found["name"] async for found in self._pages(_path(namespace, kind), "identifiers", {})]

    async def _pages(self, path: str, field: str, query: Mapping[str, str]) -> AsyncIterator[Any]:
        """Yield the rows of a list; catalogs that page say where the next page begins."""
        token: str | None = None
        for _ in range(MAX_PAGES):
            said = (await self._call("GET", path, query={**query, "pageToken": token} if token else query)).json()
            for row in said.get(field) or ():
                yield row
            token = said.get("next-page-token")
            if not token:
                return

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
    ) -> Answer:
        return await self._transport.call(self.workspace, method, path, query=query, headers=headers, body=body)


def _path(namespace: Namespace, *below: str) -> str:
    parts = ["namespaces", _SEPARATOR.join(namespace), *below]
    return "/".join(quote(part, safe="") for part in parts)


def _no_namespace(namespace: Namespace) -> str:
    return f"There is no {called(namespace)}."
