"""Queries that find their engine, as a feature."""

from __future__ import annotations

from contextlib import AsyncExitStack

from icefield_apiserver.core.feature import API_V1, API_V2, Core, Feature, Mount, Services
from icefield_apiserver.features.polars.service import PolarsService
from icefield_apiserver.features.spark.service import SparkService
from icefield_apiserver.features.statements.service import StatementService
from icefield_apiserver.features.warehouses.service import WarehouseService

from .planning import QueryPlanner
from .routes import router, spark_router
from .service import QueryService
from .spark import SparkQueries
from .warehouses import WarehouseStatements


async def install(core: Core, services: Services, stack: AsyncExitStack) -> None:
    """Provide the service of queries."""
    planner = QueryPlanner(core.catalogs, core.planning)
    spark = SparkQueries(planner, services.get(SparkService), core.catalogs, core.cluster.workspace_directory)
    statements = WarehouseStatements(services.get(StatementService), services.get(WarehouseService), core.cluster)
    services.provide(spark, QueryService(planner, statements, services.get(PolarsService), spark))


feature = Feature(
    "query",
    (Mount(API_V1, router), Mount(API_V2, spark_router)),
    install,
    needs=("statements", "warehouses", "runs", "polars", "spark"),
)
