"""The repositories, as routes ask for them; the application's lifespan puts them into its state."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from .jobs import JobRepository
from .runs import RunRepository


async def _jobs(request: Request) -> JobRepository:
    jobs: JobRepository = request.app.state.jobs
    return jobs


async def _runs(request: Request) -> RunRepository:
    runs: RunRepository = request.app.state.runs
    return runs


Jobs = Annotated[JobRepository, Depends(_jobs)]
Runs = Annotated[RunRepository, Depends(_runs)]
