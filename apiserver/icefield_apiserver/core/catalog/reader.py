"""Tables and views of a workspace's catalog, as SQL planning reads them (icefield_sql.CatalogReader)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from icefield_apiserver.core.errors import NotFound
from icefield_sql import Column, GrantRow, Snapshot, Table, TableName, View

from . import metadata as table_metadata
from .appends import append_obstacle
from .client import IcebergCatalog
from .model import LoadedTable, LoadedView, Namespace
from .types import spark_type_name


class SqlCatalogReader:
    """Reads tables, views and their names for SQL planning.

    Args:
        catalog: the workspace's catalog.
        grants: returns the grants on a database, or those that count for a table; None where SHOW GRANTS has none.
    """

    def __init__(
        self, catalog: IcebergCatalog, grants: Callable[[str, TableName | None], list[GrantRow]] | None = None
    ) -> None:
        self._catalog = catalog
        self._grants = grants

    async def load(self, name: TableName) -> Table | View | None:
        """Return the table or view of that name, or None when it does not exist."""
        try:
            return self._table(await self._catalog.load_table(name.namespace, name.name))
        except NotFound:
            pass
        try:
            return _view(await self._catalog.load_view(name.namespace, name.name))
        except NotFound:
            return None

    async def namespaces(self, parent: Namespace) -> list[Namespace]:
        """Return the namespaces directly below one; `()` lists the databases."""
        try:
            return sorted(await self._catalog.list_namespaces(parent))
        except NotFound:
            return []

    async def relations(self, namespace: Namespace) -> list[tuple[str, bool]]:
        """Return (name, whether it is a view) of every relation in a namespace; empty without the namespace."""
        try:
            tables = await self._catalog.list_tables(namespace)
            views = await self._catalog.list_views(namespace)
        except NotFound:
            return []
        return sorted([*((name, False) for name in tables), *((name, True) for name in views)])

    def grants(self, database: str, table: TableName | None) -> list[GrantRow]:
        """Return the grants on a database, or those that count for a table, as far as the caller may see them."""
        return self._grants(database, table) if self._grants else []

    def _table(self, loaded: LoadedTable) -> Table:
        key = self._catalog.workspace, loaded.metadata_location
        if (cached := self._catalog.planned_tables.get(key)) is None:
            cached = self._catalog.planned_tables[key] = table_of(loaded)
        return cached


def table_of(loaded: LoadedTable) -> Table:
    """Return a table as SQL planning reads it."""
    metadata = loaded.metadata
    schema = table_metadata.current_schema(metadata)
    properties = metadata.get("properties") or {}
    return Table(
        metadata_location=loaded.metadata_location,
        snapshot_id=table_metadata.current_snapshot_id(metadata),
        snapshots=tuple(
            Snapshot(
                int(s["snapshot-id"]),
                int(s["timestamp-ms"]),
                s.get("schema-id"),
                (s.get("summary") or {}).get("operation"),
            )
            for s in metadata.get("snapshots") or ()
        ),
        columns=_columns(schema),
        format_version=int(metadata["format-version"]),
        partitioning=table_metadata.partitioning_of(metadata, schema),
        properties=properties,
        location=str(metadata["location"]),
        refs={name: int(ref["snapshot-id"]) for name, ref in (metadata.get("refs") or {}).items()},
        history=tuple((int(e["timestamp-ms"]), int(e["snapshot-id"])) for e in metadata.get("snapshot-log") or ()),
        schema_id=metadata.get("current-schema-id"),
        comment=properties.get("comment"),
        uuid=str(metadata.get("table-uuid") or ""),
        spec_id=int(metadata.get("default-spec-id") or 0),
        append_obstacle=append_obstacle(metadata),
    )


def _view(loaded: LoadedView) -> View:
    version = table_metadata.view_version(loaded)
    sql, dialect = table_metadata.view_text(loaded)
    properties = loaded.metadata.get("properties") or {}
    return View(
        sql=sql,
        dialect=dialect,
        default_namespace=tuple(version.get("default-namespace") or ()),
        default_catalog=version.get("default-catalog"),
        columns=_columns(table_metadata.view_schema(loaded)),
        properties=properties,
        comment=properties.get("comment"),
        uuid=str(loaded.metadata.get("view-uuid") or ""),
    )


def _columns(schema: Mapping[str, Any]) -> tuple[Column, ...]:
    found = table_metadata.columns_of(schema, spark_type_name)
    return tuple(Column(column.name, column.type, column.nullable, column.description) for column in found)
