"""Typed client of a workspace's Iceberg catalog."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote

from cachetools import LRUCache

from icefield_apiserver.core.errors import Conflict, NotFound
from icefield_apiserver.core.kube.secrets import WorkspaceSecrets
from icefield_sql import Table

from .errors import CatalogError, error_messages
from .model import LoadedTable, LoadedView, Namespace, full_name, namespace_label
from .transport import CatalogConfig, CatalogResponse, CatalogTransport

MAX_CACHED_BYTES = 32 * 1024 * 1024
"""Of metadata as JSON; parsed, it takes a few times as much memory."""
MAX_PLANNED_TABLES = 2000
MAX_PAGES = 10_000
_SEPARATOR = "\x1f"

_CacheKey = tuple[str, Namespace, str]

TableCache = LRUCache[tuple[str, str], Table]
"""Keyed by workspace and metadata location: an external catalog may report a location of another workspace."""


class Catalogs:
    """The catalogs of all workspaces, with a cache of loaded tables.

    Args:
        transport: sends the requests.
    """

    def __init__(self, transport: CatalogTransport) -> None:
        self.transport = transport
        self._loaded: LRUCache[_CacheKey, tuple[LoadedTable, int]] = LRUCache(
            MAX_CACHED_BYTES, getsizeof=lambda entry: entry[1]
        )
        self._tables: TableCache = LRUCache(MAX_PLANNED_TABLES)

    @classmethod
    @asynccontextmanager
    async def open(cls, secrets: WorkspaceSecrets) -> AsyncIterator[Self]:
        """Open the catalogs for the duration of the context, without a request yet."""
        async with CatalogTransport.open(secrets) as transport:
            yield cls(transport)

    def of(self, workspace: str) -> IcebergCatalog:
        """Return the catalog of the workspace with this slug, without checking that it exists."""
        return IcebergCatalog(workspace, self.transport, self._loaded, self._tables)


class IcebergCatalog:
    """One workspace's catalog. Every call raises Unavailable when the catalog is unreachable.

    Args:
        workspace: slug.
        transport: sends the requests.
        loaded: cache of loaded tables, each with the size of its response in bytes.
        planned_tables: cache of tables built for SQL planning; see SqlCatalogReader.
    """

    def __init__(
        self,
        workspace: str,
        transport: CatalogTransport,
        loaded: LRUCache[_CacheKey, tuple[LoadedTable, int]],
        planned_tables: TableCache,
    ) -> None:
        self.workspace = workspace
        self._transport = transport
        self._loaded = loaded
        self.planned_tables = planned_tables

    async def config(self) -> CatalogConfig:
        """Return the catalog's configuration of its warehouse."""
        return await self._transport.config(self.workspace)

    async def list_namespaces(self, parent: Namespace = ()) -> list[Namespace]:
        """Return the namespaces directly below one.

        Raises:
            NotFound: the parent does not exist.
        """
        query = {"parent": _SEPARATOR.join(parent)} if parent else {}
        with error_messages(not_found=_no_namespace(parent)):
            return [tuple(levels) async for levels in self._pages("namespaces", "namespaces", query)]

    async def load_namespace(self, namespace: Namespace) -> dict[str, str]:
        """Return the properties of a namespace.

        Raises:
            NotFound: it does not exist.
        """
        with error_messages(not_found=_no_namespace(namespace)):
            response = await self._call("GET", _path(namespace))
        return dict((await response.json()).get("properties") or {})

    async def create_namespace(self, namespace: Namespace, properties: Mapping[str, str]) -> None:
        """Create a namespace.

        Raises:
            Conflict: it exists already.
            NotFound: its parent does not exist.
        """
        with error_messages(
            not_found=_no_namespace(namespace[:-1]),
            conflict=f"{_capitalized(namespace_label(namespace))} already exists.",
        ):
            await self._call("POST", "namespaces", body={"namespace": list(namespace), "properties": dict(properties)})

    async def drop_namespace(self, namespace: Namespace) -> None:
        """Drop an empty namespace.

        Raises:
            Conflict: it is not empty.
            NotFound: it does not exist.
        """
        try:
            with error_messages(not_found=_no_namespace(namespace)):
                await self._call("DELETE", _path(namespace))
        except CatalogError as error:
            if error.status_code == 409 or "NotEmpty" in error.kind:
                raise Conflict(f"{_capitalized(namespace_label(namespace))} is not empty.") from error
            raise

    async def list_tables(self, namespace: Namespace) -> list[str]:
        """Return the names of the tables in a namespace.

        Raises:
            NotFound: the namespace does not exist.
        """
        return await self._list_identifiers(namespace, "tables")

    async def list_views(self, namespace: Namespace) -> list[str]:
        """Return the names of the views in a namespace; empty where the catalog does not support views.

        Raises:
            NotFound: the namespace does not exist.
        """
        endpoints = (await self.config()).endpoints
        if endpoints is not None and "GET /v1/{prefix}/namespaces/{namespace}/views" not in endpoints:
            return []
        return await self._list_identifiers(namespace, "views")

    async def load_table(self, namespace: Namespace, name: str) -> LoadedTable:
        """Return the current state of a table, with a conditional request when it is cached.

        Raises:
            NotFound: it does not exist.
        """
        key = self.workspace, namespace, name
        cached, _ = self._loaded.get(key, (None, 0))
        headers = {"If-None-Match": cached.etag} if cached and cached.etag else None
        try:
            with error_messages(not_found=f"There is no table {full_name(namespace, name)}."):
                response = await self._call("GET", _path(namespace, "tables", name), headers=headers)
        except NotFound:
            self._loaded.pop(key, None)
            raise
        if response.status == 304 and cached:
            return cached
        return await self._cache(key, response)

    def last_loaded(self, namespace: Namespace, name: str) -> LoadedTable | None:
        """Return a table as it was last loaded, without a request; None when it is not cached."""
        cached, _ = self._loaded.get((self.workspace, namespace, name), (None, 0))
        return cached

    async def load_view(self, namespace: Namespace, name: str) -> LoadedView:
        """Return the current state of a view.

        Raises:
            NotFound: it does not exist.
        """
        with error_messages(not_found=f"There is no view {full_name(namespace, name)}."):
            response = await self._call("GET", _path(namespace, "views", name))
            result = await response.json()
        return LoadedView(str(result.get("metadata-location") or ""), result["metadata"])

    async def create_table(self, namespace: Namespace, request: Mapping[str, Any]) -> LoadedTable:
        """Create a table.

        Args:
            namespace: its namespace.
            request: a CreateTableRequest: name, schema, partition-spec, write-order, properties, location.

        Raises:
            Conflict: a table or view of this name exists.
            NotFound: the namespace does not exist.
        """
        name = str(request["name"])
        with error_messages(
            not_found=_no_namespace(namespace),
            conflict=f"A table or view {full_name(namespace, name)} already exists.",
        ):
            response = await self._call("POST", _path(namespace, "tables"), body=request)
        return await self._cache((self.workspace, namespace, name), response)

    async def drop_table(self, namespace: Namespace, name: str, *, purge: bool) -> None:
        """Drop a table.

        Args:
            namespace: its namespace.
            name: its name.
            purge: whether its files are deleted as well.

        Raises:
            NotFound: it does not exist.
        """
        with error_messages(not_found=f"There is no table {full_name(namespace, name)}."):
            query = {"purgeRequested": "true" if purge else "false"}
            await self._call("DELETE", _path(namespace, "tables", name), query=query)
        self._loaded.pop((self.workspace, namespace, name), None)

    async def drop_view(self, namespace: Namespace, name: str) -> None:
        """Drop a view.

        Raises:
            NotFound: it does not exist.
        """
        with error_messages(not_found=f"There is no view {full_name(namespace, name)}."):
            await self._call("DELETE", _path(namespace, "views", name))

    async def commit(
        self,
        namespace: Namespace,
        name: str,
        requirements: Sequence[Mapping[str, Any]],
        updates: Sequence[Mapping[str, Any]],
    ) -> LoadedTable:
        """Commit a change of a table.

        Args:
            namespace: its namespace.
            name: its name.
            requirements: TableRequirements, checked by the catalog before it commits.
            updates: TableUpdates.

        Raises:
            Conflict: a requirement does not hold because of a concurrent change.
            NotFound: the table does not exist.
        """
        body = {"requirements": [dict(each) for each in requirements], "updates": [dict(each) for each in updates]}
        with error_messages(
            not_found=f"There is no table {full_name(namespace, name)}.",
            conflict=f"Table {full_name(namespace, name)} was changed concurrently; try again.",
        ):
            response = await self._call("POST", _path(namespace, "tables", name), body=body)
        return await self._cache((self.workspace, namespace, name), response)

    async def _cache(self, key: _CacheKey, response: CatalogResponse) -> LoadedTable:
        result = await response.json()
        loaded = LoadedTable(str(result["metadata-location"]), result["metadata"], response.headers.get("ETag"))
        if len(response.body) <= MAX_CACHED_BYTES:
            self._loaded[key] = loaded, len(response.body)
        return loaded

    async def _list_identifiers(self, namespace: Namespace, kind: str) -> list[str]:
        with error_messages(not_found=_no_namespace(namespace)):
            return [found["name"] async for found in self._pages(_path(namespace, kind), "identifiers", {})]

    async def _pages(self, path: str, field: str, query: Mapping[str, str]) -> AsyncIterator[Any]:
        """Yield the rows of a list, page by page."""
        token: str | None = None
        for _ in range(MAX_PAGES):
            response = await self._call("GET", path, query={**query, "pageToken": token} if token else query)
            result = await response.json()
            for row in result.get(field) or ():
                yield row
            token = result.get("next-page-token")
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
    ) -> CatalogResponse:
        return await self._transport.call(self.workspace, method, path, query=query, headers=headers, body=body)


def _path(namespace: Namespace, *below: str) -> str:
    parts = ["namespaces", _SEPARATOR.join(namespace), *below]
    return "/".join(quote(part, safe="") for part in parts)


def _no_namespace(namespace: Namespace) -> str:
    return f"There is no {namespace_label(namespace)}."


def _capitalized(text: str) -> str:
    return text[:1].upper() + text[1:]
