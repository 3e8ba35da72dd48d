"""The workspace's Iceberg catalog by the names that SQL has for it, as oleander's clients ask for it."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.catalog import Catalogs, IcebergCatalog, LoadedTable, Namespace
from icefield_apiserver.catalog.facts import current_snapshot_id
from icefield_apiserver.catalog.gather import gather
from icefield_apiserver.catalog.loaded import dotted
from icefield_apiserver.catalog.manifests import Manifest, UnreadableManifestError, entries_of, manifests_of
from icefield_apiserver.catalog.names import DEFAULT_SCHEMA, problem_of_name
from icefield_apiserver.catalog.sizes import (
    PartitionFilter,
    Partitioning,
    Partitions,
    Size,
    Tally,
    size_of_files,
    size_of_summary,
)
from icefield_apiserver.errors import BadRequest, NotFound
from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube import Cluster
from icefield_apiserver.volumes.store import WorkspaceStores
from icefield_crds import Workspace

MAX_MANIFEST_BYTES = 32 * 1024 * 1024
MAX_MANIFESTS_BYTES = 256 * 1024 * 1024
"""Of all that one answer needs to be read: some million files of data."""
READ_AT_ONCE = 4


@dataclass(frozen=True)
class TableName:
    """A table, and the namespace that it is in."""

    namespace: Namespace
    name: str


@dataclass(frozen=True)
class SizeOfTable:
    """A size, and the snapshot it is of; None for a table that was never written to."""

    size: Size
    snapshot_id: int | None


class CatalogRepository:
    """Reads the catalog of the caller's workspace under the names it has.

    Args:
        catalogs: the workspaces' catalogs.
        cluster: the Workspaces, for what SQL calls their catalogs.
        stores: where manifests are read.
    """

    def __init__(self, catalogs: Catalogs, cluster: Cluster, stores: WorkspaceStores) -> None:
        self._catalogs = catalogs
        self._cluster = cluster
        self._stores = stores

    def workspace(self, principal: Principal) -> Workspace:
        """Return the caller's workspace.

        Raises:
            NotFound: it was deleted meanwhile.
        """
        workspace = self._cluster.workspace_directory.get(principal.workspace)
        if workspace is None:
            raise NotFound(f"There is no workspace {principal.workspace}.")
        return workspace

    async def namespaces(self, principal: Principal, catalog: str) -> list[Namespace]:
        """Return the databases and schemas, by name.

        Raises:
            NotFound: the workspace's catalog is not called so.
        """
        return await _namespaces(self._of(principal, catalog))

    async def tables(self, principal: Principal, catalog: str, namespace: str) -> list[TableName]:
        """Return the tables in a namespace, by name.

        Raises:
            NotFound: the workspace's catalog is not called so, or has no such namespace.
        """
        return await _tables(self._of(principal, catalog), _namespace(namespace))

    async def all_tables(self, principal: Principal) -> list[TableName]:
        """Return all tables of the catalog, by namespace and name."""
        catalog = self._catalogs.of(principal.workspace)

        async def tables(namespace: Namespace) -> list[TableName]:
            try:
                return await _tables(catalog, namespace)
            except NotFound:
                return []  # dropped since it was listed

        return list(itertools.chain(*await gather(tables, await _namespaces(catalog))))

    async def table(self, principal: Principal, catalog: str, namespace: str, name: str) -> LoadedTable:
        """Return a table.

        Raises:
            NotFound: the workspace's catalog is not called so, or has no such table.
        """
        found, place = self._of(principal, catalog), _namespace(namespace)
        if problem_of_name(name):
            raise NotFound(f"There is no table {dotted(place, name)}.")
        return await found.load_table(place, name)

    async def size(
        self,
        principal: Principal,
        table: LoadedTable,
        name: str,
        snapshot_id: int | None,
        filters: Sequence[PartitionFilter],
    ) -> SizeOfTable:
        """Return how much a table holds: of its current snapshot, unless another is asked for.

        Args:
            principal: the caller.
            table: the table.
            name: what to call it in errors.
            snapshot_id: which snapshot.
            filters: of which partitions; all when empty.

        Raises:
            BadRequest: it is not partitioned so, or its manifests cannot be read.
            NotFound: it has no such snapshot.
        """
        metadata = table.metadata
        wanted = await asyncio.to_thread(_wanted, metadata, filters, name) if filters else None
        snapshot_id = current_snapshot_id(metadata) if snapshot_id is None else snapshot_id
        if snapshot_id is None:
            return SizeOfTable(Size(), None)
        snapshot = next((s for s in metadata.get("snapshots") or () if s["snapshot-id"] == snapshot_id), None)
        if snapshot is None:
            raise NotFound(f"Table {name} has no snapshot {snapshot_id}.")
        if wanted is None and (size := size_of_summary(snapshot.get("summary") or {})) is not None:
            return SizeOfTable(size, snapshot_id)
        try:
            return SizeOfTable(await self._count(principal.workspace, snapshot, wanted, name), snapshot_id)
        except NotFound as error:
            raise BadRequest(f"A manifest of table {name} is gone.") from error
        except UnreadableManifestError as error:
            raise BadRequest(f"A manifest of table {name} cannot be read: {error}.") from error

    async def _count(
        self, workspace: str, snapshot: dict[str, Any], wanted: dict[int, Partitions] | None, name: str
    ) -> Size:
        if not (manifest_list := snapshot.get("manifest-list")):
            raise UnreadableManifestError("the snapshot has no list of them, as of an early version of Iceberg")
        content = await self._stores.fetch(workspace, manifest_list, MAX_MANIFEST_BYTES)
        manifests = await asyncio.to_thread(manifests_of, content)
        if wanted is not None:
            manifests = [manifest for manifest in manifests if manifest.spec_id in wanted]
        if sum(manifest.size_bytes for manifest in manifests) > MAX_MANIFESTS_BYTES:
            raise BadRequest(f"Table {name} has more than {MAX_MANIFESTS_BYTES} bytes of manifests to read for this.")
        tally = Tally()

        async def count(manifest: Manifest) -> None:
            content = await self._stores.fetch(workspace, manifest.location, MAX_MANIFEST_BYTES)
            partitions = wanted[manifest.spec_id] if wanted is not None else None
            tally.add(await asyncio.to_thread(lambda: size_of_files(entries_of(content), partitions)))

        await gather(count, manifests, READ_AT_ONCE)
        return tally.size

    def _of(self, principal: Principal, catalog: str) -> IcebergCatalog:
        if not self.workspace(principal).has_catalog(catalog):
            raise NotFound(f"There is no catalog {catalog} in this workspace.")
        return self._catalogs.of(principal.workspace)


def _wanted(metadata: Any, filters: Sequence[PartitionFilter], name: str) -> dict[int, Partitions]:
    try:
        partitioning = Partitioning(metadata)
    except ValueError as error:  # pydantic's: a type newer than PyIceberg
        raise BadRequest(f"Table {name} has a column of a type that partitions cannot be told apart with.") from error
    try:
        return partitioning.of(filters)
    except KeyError as error:
        keys = ", ".join(partitioning.keys)
        known = f"; it is by {keys}" if keys else ""
        raise BadRequest(f"Table {name} is not partitioned by {error.args[0]}{known}.") from error


async def _namespaces(catalog: IcebergCatalog) -> list[Namespace]:
    databases = await catalog.list_namespaces()

    async def schemas(database: Namespace) -> list[Namespace]:
        try:
            return await catalog.list_namespaces(database)
        except NotFound:
            return []  # dropped since it was listed

    return sorted([*databases, *itertools.chain(*await gather(schemas, databases))])


async def _tables(catalog: IcebergCatalog, namespace: Namespace) -> list[TableName]:
    return [TableName(namespace, name) for name in sorted(await catalog.list_tables(namespace))]


def _namespace(text: str) -> Namespace:
    """Return the namespace of a database or of a schema: `sales`, `sales.raw`; `sales.default` is the former.

    Raises:
        NotFound: nothing can be called so.
    """
    levels = tuple(text.split("."))
    if len(levels) > 2 or any(problem_of_name(level) for level in levels):
        raise NotFound(f"There is no namespace {text}.")
    return levels[:1] if levels[1:] == (DEFAULT_SCHEMA,) else levels
