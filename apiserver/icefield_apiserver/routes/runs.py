"""Runs and their tasks (API reference, "Runs & tasks")."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Response
from fastapi.responses import StreamingResponse

from icefield_apiserver.errors import NotFound
from icefield_apiserver.identity.principal import CurrentPrincipal
from icefield_apiserver.pagination import CurrentWindow, Page
from icefield_apiserver.polars.service import INLINE_ROWS
from icefield_apiserver.repositories.dependencies import CurrentLineage, CurrentPolars, Jobs, Runs
from icefield_apiserver.repositories.job_spec import run_of_its_own
from icefield_apiserver.schemas.lineage import Lineage
from icefield_apiserver.schemas.polars import RunResult, result_of
from icefield_apiserver.schemas.runs import RunDetail, RunRead, RunSubmit, TaskRunRead, detail_of, run_of, tasks_of
from icefield_apiserver.state import CurrentCluster
from icefield_crds import RunPhase

router = APIRouter(prefix="/runs", tags=["Runs & tasks"])

ARROW = "application/vnd.apache.arrow.stream"


@router.get("", summary="List runs")
async def list_runs(
    principal: CurrentPrincipal,
    window: CurrentWindow,
    jobs: Jobs,
    runs: Runs,
    job: Annotated[str | None, Query(description="Only runs of this job, by id or name.")] = None,
    status: Annotated[RunPhase | None, Query(description="Only runs that stand so.")] = None,
) -> Page[RunRead]:
    """Return the workspace's runs, newest first."""
    of_job = await jobs.get(principal, job) if job else None
    return runs.page(principal, window, lambda run: run_of(run, *runs.job_of(run)), of_job, status)


@router.post("", status_code=201, summary="Start a run without a job")
async def submit_run(principal: CurrentPrincipal, body: RunSubmit, jobs: Jobs, runs: Runs) -> RunRead:
    """Run a command or a DAG once. The same quota holds as for runs of jobs."""
    spec = run_of_its_own(body)
    await jobs.check_flavors(spec)
    run = await runs.submit(principal, spec, body.name)
    return run_of(run, None, None)


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
    polars: CurrentPolars,
) -> None:
    """Delete a run that has ended, and its result."""
    await polars.delete_result(principal, await runs.delete(principal, id))


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
    polars: CurrentPolars,
    format: Annotated[  # noqa: A002
        Literal["json", "arrow"], Query(description="json: the first rows; arrow: all of them, as a stream.")
    ] = "json",
    limit: Annotated[int, Query(ge=1, le=INLINE_ROWS, description="Most rows, with json.")] = INLINE_ROWS,
) -> Response:
    """Return the rows that a Polars workload came to. They are kept as long as its run.

    JSON carries at most 16 MiB of rows. Integers are numbers of any size, decimals strings, times ISO 8601, binary
    base64, NaN and infinities strings.
    """
    run = await runs.get(principal, id)
    if format == "arrow":
        return StreamingResponse(await polars.arrow(principal, run), media_type=ARROW)
    return Response(result_of(await polars.result(principal, run, limit)), media_type="application/json")


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


@router.get("/{id}/lineage", summary="Read a run's lineage")
async def read_lineage(
    principal: CurrentPrincipal,
    id: str,  # noqa: A002
    runs: Runs,
    graph: CurrentLineage,
    cluster: CurrentCluster,
) -> Lineage:
    """Return the tables that the run read and wrote, by SQL statements and through the catalog itself."""
    run = await runs.get(principal, id)
    workspace = cluster.workspace_directory.get(principal.workspace)
    return Lineage.model_validate(await graph.of_run(workspace.metadata.uid if workspace else "", run.metadata.uid))


@router.post("/{id}/cancel", summary="Cancel a run")
async def cancel_run(principal: CurrentPrincipal, id: str, runs: Runs) -> RunRead:  # noqa: A002
    """Ask for a run to be stopped: pending tasks at once, running ones by SIGTERM, then SIGKILL. Idempotent."""
    run = await runs.cancel(principal, id)
    return run_of(run, *runs.job_of(run))
