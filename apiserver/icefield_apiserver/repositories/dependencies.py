"""What the routes of jobs, runs, logs and warehouses work with, as dependencies; the lifespan makes it."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request

from icefield_apiserver.kube import Cluster
from icefield_apiserver.logs import Archive, LogReader, PodLogs

from .jobs import JobRepository
from .runs import RunRepository
from .warehouses import WarehouseRepository


def install(app: FastAPI, cluster: Cluster, archive: Archive) -> None:
    """Put the repositories into the application's state."""
    app.state.jobs = JobRepository(cluster)
    app.state.runs = RunRepository(cluster)
    app.state.warehouses = WarehouseRepository(cluster)
    app.state.logs = LogReader(archive, PodLogs(cluster.client))


async def _jobs(request: Request) -> JobRepository:
    return cast(JobRepository, request.app.state.jobs)


async def _runs(request: Request) -> RunRepository:
    return cast(RunRepository, request.app.state.runs)


async def _logs(request: Request) -> LogReader:
    return cast(LogReader, request.app.state.logs)


async def _warehouses(request: Request) -> WarehouseRepository:
    return cast(WarehouseRepository, request.app.state.warehouses)


Jobs = Annotated[JobRepository, Depends(_jobs)]
Runs = Annotated[RunRepository, Depends(_runs)]
Logs = Annotated[LogReader, Depends(_logs)]
Warehouses = Annotated[WarehouseRepository, Depends(_warehouses)]
