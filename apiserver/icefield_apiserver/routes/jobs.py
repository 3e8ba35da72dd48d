"""Jobs (API reference, "Jobs"): a command or a DAG of tasks, and starting runs of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from icefield_apiserver.identity.principal import CurrentPrincipal
from icefield_apiserver.pagination import CurrentWindow, Page
from icefield_apiserver.repositories.dependencies import Jobs, Runs
from icefield_apiserver.schemas.execution import to_params
from icefield_apiserver.schemas.jobs import JobCreate, JobRead, JobSummary, JobUpdate, job_of, summary_of
from icefield_apiserver.schemas.runs import RunRead, RunStart, RunStarted, run_of

router = APIRouter(prefix="/jobs", tags=["Jobs"])


@router.get("", summary="List jobs")
async def list_jobs(
    principal: CurrentPrincipal,
    window: CurrentWindow,
    jobs: Jobs,
    name: Annotated[str | None, Query(description="Only the job of this name.")] = None,
) -> Page[JobSummary]:
    """Return the workspace's jobs by name, without their files."""
    return jobs.page(principal, window, name, lambda job: summary_of(job, jobs.last_run(job)))


@router.post("", status_code=201, summary="Create a job")
async def create_job(principal: CurrentPrincipal, body: JobCreate, jobs: Jobs) -> JobRead:
    """Create a job: with `tasks` a DAG, without them a single `command`."""
    return job_of(await jobs.create(principal, body), None)


@router.get("/{id}", summary="Read a job")
async def read_job(principal: CurrentPrincipal, id: str, jobs: Jobs) -> JobRead:  # noqa: A002 - as the reference has it
    """Return one job, by id or name."""
    job = await jobs.get(principal, id)
    return job_of(job, jobs.last_run(job))


@router.put("/{id}", summary="Update a job")
async def update_job(principal: CurrentPrincipal, id: str, body: JobUpdate, jobs: Jobs) -> JobRead:  # noqa: A002
    """Change what the body mentions. `tasks: null` leaves the DAG intact, `tasks: []` clears it; past runs stay."""
    job = await jobs.update(principal, id, body)
    return job_of(job, jobs.last_run(job))


@router.patch("/{id}", summary="Change a job")
async def patch_job(principal: CurrentPrincipal, id: str, body: JobUpdate, jobs: Jobs) -> JobRead:  # noqa: A002
    """Change what the body mentions; the same as PUT."""
    return await update_job(principal, id, body, jobs)


@router.delete("/{id}", status_code=204, summary="Delete a job")
async def delete_job(principal: CurrentPrincipal, id: str, jobs: Jobs) -> None:  # noqa: A002
    """Delete a job and its runs."""
    await jobs.delete(principal, id)


@router.post("/{id}/run", status_code=201, summary="Start a run")
async def run_job(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    jobs: Jobs,
    runs: Runs,
    response: Response,
    body: RunStart | None = None,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, description="A second request with the same key starts no second run.")
    ] = None,
) -> RunStarted:
    """Start a run of the job as it is now; 429 when `max_running_runs` runs are going on.

    201, because a run exists afterwards and `Location` says where: the reference shows no status for this call, and
    201 for the other one that creates something (POST /compute).
    """
    job = await jobs.get(principal, id)
    run = await runs.start(principal, job, to_params(body.params if body else None), idempotency_key)
    response.headers["Location"] = f"/api/v1/runs/{run.public_id}"
    return RunStarted(run_id=run.public_id, status=run.phase)


@router.get("/{id}/runs", summary="List a job's runs")
async def list_runs_of_job(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    window: CurrentWindow,
    jobs: Jobs,
    runs: Runs,
) -> Page[RunRead]:
    """Return the job's runs, newest first."""
    job = await jobs.get(principal, id)
    return runs.page(principal, window, lambda run: run_of(run, *runs.job_of(run)), job)
