"""Runs and their tasks (API reference, "Runs & tasks")."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Depends, Header, Query, Response
from fastapi.responses import StreamingResponse

from icefield_apiserver.core.bodies import OBJECT_BYTES
from icefield_apiserver.core.errors import NotFound
from icefield_apiserver.core.execution import RunStarted, to_params
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.pagination import CurrentWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.features.jobs.service import JobService
from icefield_apiserver.identity.dependencies import CurrentPrincipal
from icefield_crds import RunPhase

from .schemas import (
    RunDetail,
    RunRead,
    RunResult,
    RunStart,
    RunSubmit,
    TaskRunRead,
    detail_of,
    result_of,
    run_of,
    tasks_of,
)
from .service import INLINE_ROWS, RunService

router = Router(prefix="/runs", tags=["Runs & tasks"])
jobs_router = Router(prefix="/jobs", tags=["Jobs"])

Jobs = Annotated[JobService, Depends(provided(JobService))]
Runs = Annotated[RunService, Depends(provided(RunService))]

ARROW = "application/vnd.apache.arrow.stream"


@router.get("", summary="List runs")
async def list_runs(
    principal: CurrentPrincipal,
    window: CurrentWindow,
    jobs: Jobs,
    runs: Runs,
    job: Annotated[str | None, Query(description="Only runs of this job, by id or name.")] = None,
    status: Annotated[RunPhase | None, Query(description="Only runs with this status.")] = None,
) -> Page[RunRead]:
    """Return the workspace's runs, newest first."""
    of_job = await jobs.get(principal, job) if job else None
    return await runs.page(principal, window, lambda run: run_of(run, *runs.job_of(run)), of_job, status)


@router.post("", status_code=201, max_body_size=OBJECT_BYTES, summary="Start a run without a job")
async def submit_run(principal: CurrentPrincipal, body: RunSubmit, runs: Runs) -> RunRead:
    """Run a command or a DAG once. The quota is that of runs of jobs."""
    return run_of(await runs.submit(principal, body.to_spec(), body.name, on_quota=body.on_quota), None, None)


@router.get("/{id}", summary="Read a run")
async def read_run(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002 - as the reference has it
    runs: Runs,
) -> RunDetail:
    """Return a run's status (pending, running, success, failed, cancelled) and timing, and what it executes."""
    run = await runs.get(principal, id)
    return detail_of(run, *runs.job_of(run))


@router.delete("/{id}", status_code=204, summary="Delete a run")
async def delete_run(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    runs: Runs,
) -> None:
    """Delete a run that has ended, and its result."""
    await runs.delete(principal, id)


@router.get(
    "/{id}/result",
    response_model=RunResult,
    responses={
        200: {
            "description": "The first rows as JSON, or the whole result as an Arrow IPC stream.",
            "content": {ARROW: {"schema": {"type": "string", "format": "binary"}}},
        }
    },
    summary="Read the result of a run",
)
async def read_result(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    runs: Runs,
    format: Annotated[  # noqa: A002
        Literal["json", "arrow"], Query(description="json: the first rows; arrow: all of them, as a stream.")
    ] = "json",
    limit: Annotated[int, Query(ge=1, le=INLINE_ROWS, description="Most rows, with json.")] = INLINE_ROWS,
) -> Response:
    """Return the rows that a Polars workload returned. They are kept as long as its run.

    JSON carries at most 16 MiB of rows. Integers are numbers of any size, decimals strings, times ISO 8601, binary
    base64, NaN and infinities strings.
    """
    run = await runs.get(principal, id)
    if format == "arrow":
        return StreamingResponse(await runs.stream_result(principal, run), media_type=ARROW)
    return Response(result_of(await runs.result(principal, run, limit)), media_type="application/json")


@router.get("/{id}/tasks", summary="List a run's tasks")
async def list_tasks(principal: CurrentPrincipal, id: str, runs: Runs) -> list[TaskRunRead]:  # noqa: A002
    """Return one row per task; none for a single command."""
    return tasks_of(await runs.get(principal, id))


@router.get("/{id}/tasks/{key}", summary="Read a task of a run")
async def read_task(principal: CurrentPrincipal, id: str, key: str, runs: Runs) -> TaskRunRead:  # noqa: A002
    """Return one task's row."""
    for task in tasks_of(await runs.get(principal, id)):
        if task.key == key:
            return task
    raise NotFound(f"Run {id} has no task {key}.")


@router.post("/{id}/cancel", summary="Cancel a run")
async def cancel_run(principal: CurrentPrincipal, id: str, runs: Runs) -> RunRead:  # noqa: A002
    """Request that a run stops: pending tasks at once, running ones by SIGTERM, then SIGKILL. Idempotent."""
    run = await runs.cancel(principal, id)
    return run_of(run, *runs.job_of(run))


@jobs_router.post("/{id}/run", status_code=201, summary="Start a run")
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
    """Start a run of the job as it is now; 429 when `max_running_runs` runs are running, unless it may wait.

    201, because the call creates a run, whose path is in `Location`: the reference shows no status for this call, and
    201 for the other one that creates something (POST /compute).
    """
    job = await jobs.get(principal, id)
    start = body or RunStart()
    run = await runs.start(principal, job, to_params(start.params), idempotency_key, start.on_quota)
    response.headers["Location"] = f"/api/v1/runs/{run.public_id}"
    return RunStarted(run_id=run.public_id, status=run.phase)


@jobs_router.get("/{id}/runs", summary="List a job's runs")
async def list_runs_of_job(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    window: CurrentWindow,
    jobs: Jobs,
    runs: Runs,
) -> Page[RunRead]:
    """Return the job's runs, newest first."""
    job = await jobs.get(principal, id)
    return await runs.page(principal, window, lambda run: run_of(run, *runs.job_of(run)), job)
