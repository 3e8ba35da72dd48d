"""What the routes work with, as dependencies; the application's lifespan makes it."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request

from icefield_apiserver.catalog import Catalogs
from icefield_apiserver.kube import Cluster
from icefield_apiserver.kube.secrets import WorkspaceSecrets
from icefield_apiserver.lineage.graph import LineageGraph
from icefield_apiserver.logs import Archive, LogReader, PodLogs
from icefield_apiserver.maintenance.runs import MaintenanceRuns
from icefield_apiserver.polars.service import PolarsService
from icefield_apiserver.query.applications import SparkQueries
from icefield_apiserver.query.planning import QueryPlanner
from icefield_apiserver.query.service import QueryRouter
from icefield_apiserver.query.warehouses import WarehouseStatements
from icefield_apiserver.spark.applications import SparkApplications
from icefield_apiserver.statements.service import Statements
from icefield_apiserver.volumes.store import WorkspaceStores

from .artifacts import ArtifactRepository
from .catalogs import CatalogRepository
from .databases import DatabaseRepository
from .environment import EnvironmentRepository
from .jobs import JobRepository
from .runs import RunRepository
from .tables import TableRepository
from .volumes import VolumeRepository
from .warehouses import WarehouseRepository


def install(app: FastAPI, cluster: Cluster, archive: Archive) -> None:
    """Put the repositories into the application's state."""
    app.state.jobs = JobRepository(cluster)
    app.state.runs = RunRepository(cluster)
    app.state.warehouses = WarehouseRepository(cluster)
    app.state.environment = EnvironmentRepository(cluster.client)
    app.state.logs = LogReader(archive, PodLogs(cluster.client))


def install_catalog(
    app: FastAPI, cluster: Cluster, catalogs: Catalogs, secrets: WorkspaceSecrets, stores: WorkspaceStores
) -> None:
    """Put what works on the workspaces' catalogs and files into the application's state, after `install`."""
    app.state.stores = stores
    app.state.volumes = VolumeRepository(app.state.db, cluster, catalogs, stores)
    app.state.databases = DatabaseRepository(catalogs, cluster, secrets, app.state.volumes)
    app.state.tables = TableRepository(catalogs)
    app.state.named_catalogs = CatalogRepository(catalogs, cluster, stores)
    app.state.maintenance = MaintenanceRuns(app.state.tables, app.state.warehouses, app.state.runs)


def install_queries(app: FastAPI, cluster: Cluster, catalogs: Catalogs) -> None:
    """Put what runs queries and Spark applications into the application's state, after everything that it runs on."""
    state, planner = app.state, QueryPlanner(catalogs)
    state.spark = SparkApplications(state.runs)
    state.spark_queries = SparkQueries(planner, state.spark, catalogs, cluster.workspace_directory)
    warehouse = WarehouseStatements(state.statements, state.warehouses, cluster)
    state.queries = QueryRouter(planner, warehouse, state.polars, state.spark_queries)
    state.artifacts = ArtifactRepository(state.db, cluster, state.secrets, state.stores)


async def _jobs(request: Request) -> JobRepository:
    return cast(JobRepository, request.app.state.jobs)


async def _runs(request: Request) -> RunRepository:
    return cast(RunRepository, request.app.state.runs)


async def _environment(request: Request) -> EnvironmentRepository:
    return cast(EnvironmentRepository, request.app.state.environment)


async def _logs(request: Request) -> LogReader:
    return cast(LogReader, request.app.state.logs)


async def _warehouses(request: Request) -> WarehouseRepository:
    return cast(WarehouseRepository, request.app.state.warehouses)


async def _databases(request: Request) -> DatabaseRepository:
    return cast(DatabaseRepository, request.app.state.databases)


async def _tables(request: Request) -> TableRepository:
    return cast(TableRepository, request.app.state.tables)


async def _named_catalogs(request: Request) -> CatalogRepository:
    return cast(CatalogRepository, request.app.state.named_catalogs)


async def _volumes(request: Request) -> VolumeRepository:
    return cast(VolumeRepository, request.app.state.volumes)


async def _stores(request: Request) -> WorkspaceStores:
    return cast(WorkspaceStores, request.app.state.stores)


async def _maintenance(request: Request) -> MaintenanceRuns:
    return cast(MaintenanceRuns, request.app.state.maintenance)


async def _lineage(request: Request) -> LineageGraph:
    return cast(LineageGraph, request.app.state.lineage_graph)


async def _statements(request: Request) -> Statements:
    return cast(Statements, request.app.state.statements)


async def _polars(request: Request) -> PolarsService:
    return cast(PolarsService, request.app.state.polars)


async def _queries(request: Request) -> QueryRouter:
    return cast(QueryRouter, request.app.state.queries)


async def _spark_queries(request: Request) -> SparkQueries:
    return cast(SparkQueries, request.app.state.spark_queries)


async def _artifacts(request: Request) -> ArtifactRepository:
    return cast(ArtifactRepository, request.app.state.artifacts)


async def _spark(request: Request) -> SparkApplications:
    return cast(SparkApplications, request.app.state.spark)


Jobs = Annotated[JobRepository, Depends(_jobs)]
Runs = Annotated[RunRepository, Depends(_runs)]
Environment = Annotated[EnvironmentRepository, Depends(_environment)]
Logs = Annotated[LogReader, Depends(_logs)]
Warehouses = Annotated[WarehouseRepository, Depends(_warehouses)]
Databases = Annotated[DatabaseRepository, Depends(_databases)]
NamedCatalogs = Annotated[CatalogRepository, Depends(_named_catalogs)]
Tables = Annotated[TableRepository, Depends(_tables)]
MaintenanceOfTables = Annotated[MaintenanceRuns, Depends(_maintenance)]
CurrentPolars = Annotated[PolarsService, Depends(_polars)]
Artifacts = Annotated[ArtifactRepository, Depends(_artifacts)]
CurrentQueries = Annotated[QueryRouter, Depends(_queries)]
CurrentSpark = Annotated[SparkApplications, Depends(_spark)]
CurrentSparkQueries = Annotated[SparkQueries, Depends(_spark_queries)]
CurrentStatements = Annotated[Statements, Depends(_statements)]
Volumes = Annotated[VolumeRepository, Depends(_volumes)]
Stores = Annotated[WorkspaceStores, Depends(_stores)]
CurrentLineage = Annotated[LineageGraph, Depends(_lineage)]
