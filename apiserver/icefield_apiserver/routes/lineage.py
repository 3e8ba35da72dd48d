"""Lineage of tables (API reference, "Audit & lineage"); that of a run is with the runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends

from icefield_apiserver.catalog.loaded import Namespace
from icefield_apiserver.catalog.names import DEFAULT_SCHEMA, schema_namespace
from icefield_apiserver.identity.principal import CurrentPrincipal
from icefield_apiserver.repositories.dependencies import CurrentLineage, Tables
from icefield_apiserver.schemas.lineage import TableLineage, neighbour_of
from icefield_apiserver.sql.names import TableName
from icefield_apiserver.state import CurrentCluster

router = APIRouter(prefix="/databases/{id}", tags=["Lineage"])


async def _namespace(id: str, schema: str = DEFAULT_SCHEMA) -> Namespace:  # noqa: A002 - as the reference has it
    return schema_namespace(id, schema)


Place = Annotated[Namespace, Depends(_namespace)]


@router.get("/tables/{table}/lineage", summary="Read a table's lineage")
@router.get(
    "/schemas/{schema}/tables/{table}/lineage",
    name="read_table_lineage_in_schema",
    summary="Read the lineage of a schema's table",
)
async def read_table_lineage(
    principal: CurrentPrincipal,
    place: Place,
    table: str,
    graph: CurrentLineage,
    cluster: CurrentCluster,
    tables: Tables,
) -> TableLineage:
    """Return the tables next to a table, as SQL statements and runs have connected them."""
    name = TableName(place, table).qualified(principal.workspace)
    workspace = cluster.workspace_directory.get(principal.workspace)
    uid = workspace.metadata.uid if workspace else ""
    upstream, downstream = await graph.upstream(uid, name), await graph.downstream(uid, name)
    if not upstream and not downstream:
        await tables.get(principal, place, table)  # 404 for what is not there; a dropped table keeps its lineage
    return TableLineage(
        table=name,
        upstream=[neighbour_of(each) for each in upstream],
        downstream=[neighbour_of(each) for each in downstream],
    )
