"""Statements planned as the API server plans them, against the real catalog, and sent to a gateway."""

from __future__ import annotations

import asyncio
from typing import Any

import icefield_sql as sql
from icefield_apiserver.core.catalog.model import LoadedTable
from icefield_apiserver.core.catalog.reader import table_of
from icefield_crds.wire.appends import AppendTarget
from icefield_sql import Compiled, Names, Table, TableName, View
from tests.catalog import RunningCatalog

from .pod import Pod


class _Reader:
    def __init__(self, catalog: RunningCatalog, slug: str) -> None:
        self._catalog, self._slug = catalog, slug

    async def load(self, name: TableName) -> Table | View | None:
        path = f"{self._slug}/namespaces/{'%1F'.join(name.namespace)}/tables/{name.name}"
        answer = self._catalog.call("GET", path, self._slug)
        if answer.status_code == 404:
            return None
        loaded = answer.raise_for_status().json()
        return table_of(LoadedTable(loaded["metadata-location"], loaded["metadata"]))

    async def namespaces(self, parent: tuple[str, ...]) -> list[tuple[str, ...]]:
        return []

    async def relations(self, namespace: tuple[str, ...]) -> list[tuple[str, bool]]:
        return []


def compiled(catalog: RunningCatalog, slug: str, query: str, engine: str = "auto", params: Any = None) -> Compiled:
    """Return a statement compiled against the tables as they are."""
    statement = sql.parse(query, Names(slug, frozenset()), params=params)
    resolved = asyncio.run(sql.resolve(statement, _Reader(catalog, slug)))
    return sql.compile(resolved, sql.Engine(engine) if engine != "auto" else "auto")


def sent(pod: Pod, planned: Compiled, **request: Any) -> Any:
    """Send a compiled write to a gateway, as the API server would; return its state at the end."""
    target = planned.append and AppendTarget(
        planned.append.table.namespace,
        planned.append.table.name,
        planned.append.uuid,
        planned.append.schema_id,
        planned.append.spec_id,
        planned.append.metadata_location,
    )
    append = target.to_json() if target else None
    body = {"engine": planned.engine.value, "is_write": True, "result_key": None, "append": append}
    body |= {"literals": planned.literals}
    return pod.run(planned.sql, **{**body, **request})
