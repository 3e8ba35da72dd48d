"""Reads the workspace's Iceberg catalog under its names in SQL, for oleander's clients."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.core.catalog import Catalogs, IcebergCatalog, LoadedTable, Namespace
from icefield_apiserver.core.catalog.concurrency import map_concurrently
from icefield_apiserver.core.catalog.manifests import Manifest, UnreadableManifestError, entries_of, manifests_of
from icefield_apiserver.core.catalog.metadata import current_snapshot_id
from icefield_apiserver.core.catalog.model import full_name
from icefield_apiserver.core.catalog.names import DEFAULT_SCHEMA, problem_of_name
from icefield_apiserver.core.catalog.sizes import (
    PartitionFilter,
    Partitioning,
    Partitions,
    Size,
    Tally,
    size_of_files,
    size_of_summary,
)
from icefield_apiserver.core.errors import BadRequest, NotFound
from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.core.objects.workspace_stores import WorkspaceStores
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Workspace

MAX_MANIFEST_BYTES = 32 * 1024 * 1024
MAX_MANIFESTS_BYTES = 256 * 1024 * 1024
"""Most bytes of manifests read for one response: some million data files."""
CONCURRENT_READS = 4


@dataclass(frozen=True)
class TableName:
    """A table's namespace and name."""

    namespace: Namespace
    name: str


@dataclass(frozen=True)
class SizeOfTable:
    """The size of a snapshot; its id is None for a table without snapshots."""

    size: Size
    snapshot_id: int | None


class CatalogService:
    """Reads the catalog of the caller's workspace.

    Args:
        catalogs: the workspaces' catalogs.
        cluster: the Workspaces, for the names of their catalogs.
        stores: the workspaces' files, for manifests.
    """

    def __init__(self, catalogs: Catalogs, cluster: Cluster, stores: WorkspaceStores) -> None:
        self._catalogs = catalogs
        self._cluster = cluster
        self._stores = stores

    def workspace(self, principal: Principal) -> Workspace:
        """Return the caller's workspace.

        Raises:
            NotFound: it was deleted concurrently.
        """
        return self._cluster.workspace_directory.existing(principal.workspace)

    async def namespaces(self, principal: Principal, catalog: str) -> list[Namespace]:
        """Return the databases and schemas, by name.

        Raises:
            NotFound: the workspace's catalog does not have this name.
        """
        return await _namespaces(self._of(principal, catalog))

    async def tables(self, principal: Principal, catalog: str, namespace: str) -> list[TableName]:
        """Return the tables in a namespace, by name.

        Raises:
            NotFound: the workspace's catalog does not have this name or this namespace.
        """
        return await _tables(self._of(principal, catalog), _namespace(namespace))

    async def all_tables(self, principal: Principal) -> list[TableName]:
        """Return all tables of the catalog, by namespace and name."""
        catalog = principal.catalog(self._catalogs)

        async def tables(namespace: Namespace) -> list[TableName]:
            try:
                return await _tables(catalog, namespace)
            except NotFound:
                return []  # dropped since it was listed

        return list(itertools.chain(*await map_concurrently(tables, await _namespaces(catalog))))

    async def table(self, principal: Principal, catalog: str, namespace: str, name: str) -> LoadedTable:
        """Return a table.

        Raises:
            NotFound: the workspace's catalog does not have this name or this table.
        """
        found, place = self._of(principal, catalog), _namespace(namespace)
        if problem_of_name(name):
            raise NotFound(f"There is no table {full_name(place, name)}.")
        return await found.load_table(place, name)

    async def size(
        self,
        principal: Principal,
        table: LoadedTable,
        name: str,
        snapshot_id: int | None,
        filters: Sequence[PartitionFilter],
    ) -> SizeOfTable:
        """Return the size of a snapshot of a table.

        Args:
            principal: the caller.
            table: the table.
            name: its name for error messages.
            snapshot_id: id of the snapshot; the current one when None.
            filters: filters on the partitions; all partitions when empty.

        Raises:
            BadRequest: a filter is not on a partition field, or the manifests cannot be read.
            NotFound: the snapshot does not exist.
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
            raise BadRequest(f"A manifest of table {name} is missing.") from error
        except UnreadableManifestError as error:
            raise BadRequest(f"A manifest of table {name} cannot be read: {error}.") from error

    async def _count(
        self, workspace: str, snapshot: dict[str, Any], wanted: dict[int, Partitions] | None, name: str
    ) -> Size:
        if not (manifest_list := snapshot.get("manifest-list")):
            raise UnreadableManifestError("the snapshot has no manifest list, as early versions of Iceberg wrote it")
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

        await map_concurrently(count, manifests, CONCURRENT_READS)
        return tally.size

    def _of(self, principal: Principal, catalog: str) -> IcebergCatalog:
        if not self.workspace(principal).has_catalog(catalog):
            raise NotFound(f"There is no catalog {catalog} in this workspace.")
        return principal.catalog(self._catalogs)


def _wanted(metadata: Any, filters: Sequence[PartitionFilter], name: str) -> dict[int, Partitions]:
    try:
        partitioning = Partitioning(metadata)
    except ValueError as error:  # pydantic's: a type newer than PyIceberg
        raise BadRequest(f"Table {name} has a column of a type that is not supported.") from error
    try:
        return partitioning.matching(filters)
    except KeyError as error:
        keys = ", ".join(partitioning.keys)
        known = f"; its partition fields are {keys}" if keys else ""
        raise BadRequest(f"Table {name} is not partitioned by {error.args[0]}{known}.") from error


async def _namespaces(catalog: IcebergCatalog) -> list[Namespace]:
    databases = await catalog.list_namespaces()

    async def schemas(database: Namespace) -> list[Namespace]:
        try:
            return await catalog.list_namespaces(database)
        except NotFound:
            return []  # dropped since it was listed

    return sorted([*databases, *itertools.chain(*await map_concurrently(schemas, databases))])


async def _tables(catalog: IcebergCatalog, namespace: Namespace) -> list[TableName]:
    return [TableName(namespace, name) for name in sorted(await catalog.list_tables(namespace))]


def _namespace(text: str) -> Namespace:
    """Return the namespace of a database or of a schema: `sales`, `sales.raw`; `sales.default` is the database.

    Raises:
        NotFound: the name is invalid, so nothing has it.
    """
    levels = tuple(text.split("."))
    if len(levels) > 2 or any(problem_of_name(level) for level in levels):
        raise NotFound(f"There is no namespace {text}.")
    return levels[:1] if levels[1:] == (DEFAULT_SCHEMA,) else levels
