"""REST schemas of runs, their tasks and their results."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, Field

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.core.execution import ExecutionWrite, Params, build_spec
from icefield_apiserver.core.on_quota import OnQuota, OnQuotaField
from icefield_apiserver.core.schemas import RequestBody
from icefield_crds import AttemptStatus, PolarsOutcome, Run, RunPhase, RunSpec, SaveMode, Task, TaskPhase, TaskStatus
from icefield_crds.job import MAX_DISPLAY_NAME_LENGTH
from icefield_crds.polars import Mode
from icefield_crds.run import logs_complete

from .outcome import RunKind, execution_time, has_result, kind_of
from .results import ResultRows

LOGS_COMPLETE = (
    "false: lines of its log are missing; the log says where. null: not known, as it is not archived yet, or was read "
    "too late to tell whether its first lines are missing."
)


class RunStart(RequestBody):
    """Request body to start a run of a job."""

    params: Params | None = Field(default=None, description="Parameters; they override the job's.")
    on_quota: OnQuotaField = OnQuota.REFUSE


class RunSubmit(ExecutionWrite):
    """Request body to start a run without a job."""

    name: Annotated[str | None, BeforeValidator(lambda value: value or None)] = Field(
        default=None, max_length=MAX_DISPLAY_NAME_LENGTH, description="Prefix of the run's name."
    )
    on_quota: OnQuotaField = OnQuota.REFUSE

    def to_spec(self) -> RunSpec:
        """Return what the run executes.

        Raises:
            BadRequest: there is nothing to run, or a command and tasks, or a value cannot be stored.
        """
        self.check_work("A run has either a command or tasks, not both.")
        if not self.tasks and self.command is None:
            raise BadRequest("A run needs a command or tasks.")
        return build_spec(
            lambda: RunSpec(
                command=self.command,
                tasks=self.task_specs() if self.tasks else None,
                **self.execution_fields(),
            )
        )


class PolarsRunRead(BaseModel):
    """The Polars workload that a run executes, and its outcome."""

    mode: Mode = Field(description="query or script.")
    destination: str | None = Field(description="Table that the result is written to.")
    save_mode: SaveMode = Field(description="overwrite or append.")
    vcpus: int = Field(description="CPU limit of its sandbox.")
    distributed: bool = Field(description="Whether it runs on Polars Cloud.")
    row_count: int | None = Field(description="How many rows the result has.")
    execution_time: str | None = Field(description="How long the workload itself took.", examples=["340ms"])
    rows_written: int | None = Field(description="How many rows were written to the destination.")
    error_line: int | None = Field(description="Line of the script that failed, from 1.")
    has_result: bool = Field(description="Whether GET /runs/:id/result returns rows.")


class SparkRunRead(BaseModel):
    """The Spark application that a run executes."""

    entrypoint: str | None = Field(description="The program; null for a query.")
    output_table: str | None = Field(description="Table that a query's result is written to.")
    write_mode: SaveMode | None = Field(description="overwrite or append; null for a program.")
    executors: int = Field(description="How many executors; 0 when the driver does all the work.")


class RunRead(BaseModel):
    """A run: its status and timing."""

    id: str = Field(description="Id of the run.", examples=["run_4812c0ffee00"])
    name: str = Field(description="Its name in Kubernetes.")
    job_id: str | None = Field(description="Id of its job; null for a run of its own.")
    job_name: str | None = Field(description="Name of its job.")
    status: RunPhase = Field(description="pending, running, success, failed or cancelled.")
    params: dict[str, str] = Field(description="Parameters it was started with.")
    error: str | None = Field(description="Why it failed or was replaced, or what it is waiting for.")
    created_at: datetime | None = Field(description="When it was created.")
    started_at: datetime | None = Field(description="When its first task started.")
    finished_at: datetime | None = Field(description="When it ended.")
    duration_seconds: float | None = Field(description="How long it took, or has been running.")
    logs_complete: bool | None = Field(description=LOGS_COMPLETE)
    kind: RunKind | None = Field(description="command, tasks, polars or spark; null while unknown.")
    polars: PolarsRunRead | None = Field(description="The Polars workload, if it is one.")
    spark: SparkRunRead | None = Field(description="The Spark application, if it is one.")


class AttemptRead(BaseModel):
    """One attempt of a task."""

    attempt: int = Field(description="Number of the attempt, from 0.")
    status: TaskPhase = Field(description="pending, running, success, failed, cancelled or skipped.")
    started_at: datetime | None = Field(description="When its process started.")
    finished_at: datetime | None = Field(description="When it ended.")
    exit_code: int | None = Field(description="Exit code of its process.")
    error: str | None = Field(description="Why it failed, or what it is waiting for.")
    disrupted: bool = Field(description="Whether the cluster ended it, which counts as a disruption, not a failure.")
    logs_complete: bool | None = Field(description=LOGS_COMPLETE)


class RunDetail(RunRead):
    """A run, and the text of what it executes."""

    text: str | None = Field(
        description="The query or script of a Polars workload, the query of a Spark application, or the command."
    )
    attempts: list[AttemptRead] | None = Field(
        description="The attempts of a run without tasks, oldest first; null for a DAG, whose tasks have them."
    )


class RunResult(BaseModel):
    """The result of a run."""

    columns: list[str] = Field(description="Names of the columns.")
    column_types: list[str] = Field(description="Types of the columns in Polars.", examples=[["String", "Float64"]])
    rows: list[list[Any]] = Field(description="The rows, or the first of them.")
    row_count: int = Field(description="How many rows the whole result has.")
    truncated: bool = Field(description="Whether there are more rows than these.")


class TaskRunRead(BaseModel):
    """A task of a run."""

    key: str = Field(description="Key of the task.")
    status: TaskPhase = Field(description="pending, running, success, failed, cancelled or skipped.")
    retry_count: int = Field(description="How often it was retried after a failure.")
    disruptions: int = Field(description="How often the cluster ended an attempt of it.")
    depends_on: list[str] = Field(description="Keys of the tasks it waits for.")
    started_at: datetime | None = Field(description="When its first attempt started.")
    finished_at: datetime | None = Field(description="When it ended.")
    duration_seconds: float | None = Field(description="How long it took, or has been running.")
    exit_code: int | None = Field(description="Exit code of the last attempt.")
    error: str | None = Field(description="Why it failed, or what it is waiting for.")
    logs_complete: bool | None = Field(description=LOGS_COMPLETE)
    attempts: list[AttemptRead] = Field(description="Its attempts, oldest first.")


def run_of(run: Run, job_id: str | None, job_name: str | None) -> RunRead:
    """Return a run as lists show it.

    Args:
        run: the run.
        job_id: public id of its job, if it has one.
        job_name: display name of the job.
    """
    return RunRead(**_fields(run, job_id, job_name))


def detail_of(run: Run, job_id: str | None, job_name: str | None) -> RunDetail:
    """Return a run as REST shows it by itself; see `run_of`."""
    is_dag = run.execution is not None and run.execution.tasks is not None
    tried = run.status.attempts if run.status else []
    attempts = None if is_dag else [_attempt(attempt) for attempt in tried]
    return RunDetail(**_fields(run, job_id, job_name), text=_text_of(run), attempts=attempts)


def result_of(result: ResultRows) -> bytes:
    """Return the body for a result (RunResult)."""
    return orjson.dumps({**result.json_fields(), "row_count": result.row_count, "truncated": result.truncated})


def _fields(run: Run, job_id: str | None, job_name: str | None) -> dict[str, Any]:
    started = run.status.start_time if run.status else None
    finished = run.status.completion_time if run.status else None
    return {
        "id": run.public_id,
        "name": run.metadata.name,
        "job_id": job_id,
        "job_name": job_name,
        "status": run.phase,
        "params": _params(run),
        "error": run.status.error if run.status else None,
        "created_at": run.metadata.creation_timestamp,
        "started_at": started,
        "finished_at": finished,
        "duration_seconds": _seconds(started, finished),
        "logs_complete": logs_complete(run.status.attempts if run.status else ()),
        "kind": kind_of(run),
        "polars": _polars(run),
        "spark": _spark(run),
    }


def _params(run: Run) -> dict[str, str]:
    if run.spec.polars:
        values = run.spec.polars.params.items()
        return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values}
    return (run.execution or run.spec).params


def _polars(run: Run) -> PolarsRunRead | None:
    workload = run.spec.polars
    if workload is None:
        return None
    outcome = (run.status.polars if run.status else None) or PolarsOutcome()
    return PolarsRunRead(
        mode=workload.used_mode,
        destination=workload.destination,
        save_mode=workload.save_mode,
        vcpus=workload.vcpus,
        distributed=workload.distributed,
        row_count=outcome.row_count,
        execution_time=execution_time(run),
        rows_written=outcome.saved.rows_written if outcome.saved else None,
        error_line=outcome.error_line,
        has_result=has_result(run),
    )


def _spark(run: Run) -> SparkRunRead | None:
    application = run.spec.spark
    if application is None:
        return None
    query = application.sql
    return SparkRunRead(
        entrypoint=application.entrypoint,
        output_table=query.output_table if query else None,
        write_mode=query.write_mode if query and query.output_table else None,
        executors=application.executors,
    )


def _text_of(run: Run) -> str | None:
    if workload := run.spec.polars:
        return workload.script if workload.is_script else workload.query
    if run.spec.spark:
        return run.spec.spark.sql.query if run.spec.spark.sql else None
    return run.execution.command if run.execution else None


def tasks_of(run: Run) -> list[TaskRunRead]:
    """Return the tasks of a run in the order they are declared; none for a single command."""
    execution = run.execution
    known = {task.key: task for task in run.status.tasks} if run.status else {}
    return [_task(task, known.get(task.key)) for task in (execution.tasks or ())] if execution else []


def _task(task: Task, status: TaskStatus | None) -> TaskRunRead:
    status = status or TaskStatus(key=task.key, status=TaskPhase.PENDING)
    return TaskRunRead(
        key=task.key,
        status=status.status,
        retry_count=status.retry_count,
        disruptions=status.disruptions,
        depends_on=task.depends_on,
        started_at=status.start_time,
        finished_at=status.completion_time,
        duration_seconds=_seconds(status.start_time, status.completion_time),
        exit_code=status.exit_code,
        error=status.error,
        logs_complete=logs_complete(status.attempts),
        attempts=[_attempt(attempt) for attempt in status.attempts],
    )


def _attempt(attempt: AttemptStatus) -> AttemptRead:
    return AttemptRead(
        attempt=attempt.attempt,
        status=attempt.status,
        started_at=attempt.start_time,
        finished_at=attempt.completion_time,
        exit_code=attempt.exit_code,
        error=attempt.error,
        disrupted=attempt.disrupted,
        logs_complete=logs_complete([attempt]),
    )


def _seconds(started: datetime | None, finished: datetime | None) -> float | None:
    if started is None:
        return None
    return max(0.0, round(((finished or datetime.now(UTC)) - started).total_seconds(), 3))
