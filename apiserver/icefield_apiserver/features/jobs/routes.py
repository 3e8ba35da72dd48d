"""Jobs (API reference, "Jobs"): a command or a DAG of tasks, and starting runs of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Query

from icefield_apiserver.core.bodies import OBJECT_BYTES
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.pagination import CurrentWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal

from .schemas import JobCreate, JobRead, JobSummary, JobUpdate, job_of
from .service import JobService
from .summaries import JobSummaries

router = Router(prefix="/jobs", tags=["Jobs"])

Jobs = Annotated[JobService, Depends(provided(JobService))]
Summaries = Annotated[JobSummaries, Depends(provided(JobSummaries))]


@router.get("", summary="List jobs")
async def list_jobs(
    principal: CurrentPrincipal,
    window: CurrentWindow,
    jobs: Jobs,
    summaries: Summaries,
    name: Annotated[str | None, Query(description="Only the job of this name.")] = None,
) -> Page[JobSummary]:
    """Return the workspace's jobs by name, without their files."""
    return jobs.page(principal, window, name, lambda job: summaries.of(job, jobs.last_run(job)))


@router.post("", status_code=201, max_body_size=OBJECT_BYTES, summary="Create a job")
async def create_job(principal: CurrentPrincipal, body: JobCreate, jobs: Jobs) -> JobRead:
    """Create a job: with `tasks` a DAG, without them a single `command`."""
    return job_of(await jobs.create(principal, body.name, body.to_spec()), None)


@router.get("/{id}", summary="Read a job")
async def read_job(principal: CurrentPrincipal, id: str, jobs: Jobs) -> JobRead:  # noqa: A002 - as the reference has it
    """Return one job, by id or name."""
    job = await jobs.get(principal, id)
    return job_of(job, jobs.last_run(job))


@router.put("/{id}", max_body_size=OBJECT_BYTES, summary="Update a job")
async def update_job(principal: CurrentPrincipal, id: str, body: JobUpdate, jobs: Jobs) -> JobRead:  # noqa: A002
    """Change the fields in the body. `tasks: null` leaves the DAG intact, `tasks: []` clears it; past runs stay."""
    job = await jobs.update(principal, id, body.to_change())
    return job_of(job, jobs.last_run(job))


@router.patch("/{id}", max_body_size=OBJECT_BYTES, summary="Change a job")
async def patch_job(principal: CurrentPrincipal, id: str, body: JobUpdate, jobs: Jobs) -> JobRead:  # noqa: A002
    """Change the fields in the body. Alias of PUT."""
    return await update_job(principal, id, body, jobs)


@router.delete("/{id}", status_code=204, summary="Delete a job")
async def delete_job(principal: CurrentPrincipal, id: str, jobs: Jobs) -> None:  # noqa: A002
    """Delete a job and its runs."""
    await jobs.delete(principal, id)
