"""What the routes of jobs, runs and logs work with, as dependencies; the application's lifespan makes it."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import Depends, FastAPI, Request

from icefield_apiserver.kube import Cluster
from icefield_apiserver.logs import Archive, LogReader, PodLogs

from .jobs import JobRepository
from .runs import RunRepository


def install(app: FastAPI, cluster: Cluster, archive: Archive) -> None:
    """Put the repositories into the application's state."""
    app.state.jobs = JobRepository(cluster)
    app.state.runs = RunRepository(cluster)
    app.state.logs = LogReader(archive, PodLogs(cluster.client))


async def _jobs(request: Request) -> JobRepository:
    return cast(JobRepository, request.app.state.jobs)


async def _runs(request: Request) -> RunRepository:
    return cast(RunRepository, request.app.state.runs)


async def _logs(request: Request) -> LogReader:
    return cast(LogReader, request.app.state.logs)


Jobs = Annotated[JobRepository, Depends(_jobs)]
Runs = Annotated[RunRepository, Depends(_runs)]
Logs = Annotated[LogReader, Depends(_logs)]
