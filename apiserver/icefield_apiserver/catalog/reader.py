"""A workspace's catalog as the plan of a statement asks for it (icefield_apiserver.sql.model.CatalogReader)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache

from icefield_apiserver.errors import NotFound
from icefield_apiserver.sql.model import Column, Snapshot, Table, View
from icefield_apiserver.sql.names import TableName

from . import facts
from .loaded import LoadedTable, LoadedView, Namespace
from .types import spark_type_name

if TYPE_CHECKING:
    from .client import IcebergCatalog

MAX_TABLES = 2000

TableCache = LRUCache[tuple[str, str], Table]
"""By workspace and metadata location: somebody's own catalog may name a location that is another workspace's."""


class Reader:
    """Reads tables, views and names for plans.

    Args:
        catalog: the workspace's catalog.
        tables: what was made of metadata files that were seen before.
    """

    def __init__(self, catalog: IcebergCatalog, tables: TableCache) -> None:
        self._catalog = catalog
        self._tables = tables

    async def load(self, name: TableName) -> Table | View | None:
        """Return the table or view of that name, or None when there is none."""
        try:
            return self._table(await self._catalog.load_table(name.namespace, name.name))
        except NotFound:
            pass
        try:
            return _view(await self._catalog.load_view(name.namespace, name.name))
        except NotFound:
            return None

    async def namespaces(self, parent: Namespace) -> list[Namespace]:
        """Return the namespaces directly below one; `()` asks for the databases."""
        try:
            return sorted(await self._catalog.list_namespaces(parent))
        except NotFound:
            return []

    async def relations(self, namespace: Namespace) -> list[tuple[str, bool]]:
        """Return (name, whether it is a view) of everything in a namespace; empty when there is no such namespace."""
        try:
            tables = await self._catalog.list_tables(namespace)
            views = await self._catalog.list_views(namespace)
        except NotFound:
            return []
        return sorted([*((name, False) for name in tables), *((name, True) for name in views)])

    def _table(self, loaded: LoadedTable) -> Table:
        key = self._catalog.workspace, loaded.metadata_location
        if (kept := self._tables.get(key)) is None:
            kept = self._tables[key] = table_of(loaded)
        return kept


def table_of(loaded: LoadedTable) -> Table:
    """Return a table as plans know it."""
    metadata = loaded.metadata
    schema = facts.current_schema(metadata)
    properties = metadata.get("properties") or {}
    return Table(
        metadata_location=loaded.metadata_location,
        snapshot_id=facts.current_snapshot_id(metadata),
        snapshots=tuple(
            Snapshot(int(s["snapshot-id"]), int(s["timestamp-ms"]), s.get("schema-id"))
            for s in metadata.get("snapshots") or ()
        ),
        columns=_columns(schema),
        format_version=int(metadata["format-version"]),
        partitioning=facts.partitioning_of(metadata, schema),
        properties=properties,
        location=str(metadata["location"]),
        refs={name: int(ref["snapshot-id"]) for name, ref in (metadata.get("refs") or {}).items()},
        history=tuple((int(e["timestamp-ms"]), int(e["snapshot-id"])) for e in metadata.get("snapshot-log") or ()),
        schema_id=metadata.get("current-schema-id"),
        comment=properties.get("comment"),
    )


def _view(loaded: LoadedView) -> View:
    version = facts.view_version(loaded)
    sql, dialect = facts.view_text(loaded)
    properties = loaded.metadata.get("properties") or {}
    return View(
        sql=sql,
        dialect=dialect,
        default_namespace=tuple(version.get("default-namespace") or ()),
        default_catalog=version.get("default-catalog"),
        columns=_columns(facts.view_schema(loaded)),
        properties=properties,
        comment=properties.get("comment"),
    )


def _columns(schema: Mapping[str, Any]) -> tuple[Column, ...]:
    found = facts.columns_of(schema, spark_type_name)
    return tuple(Column(column.name, column.type, column.nullable, column.description) for column in found)
