"""Runs and their tasks as REST says them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, Field

from icefield_crds import Run, RunPhase, Task, TaskPhase, TaskStatus

from .execution import ExecutionWrite, Params


class RunStart(BaseModel):
    """What a new run of a job gets."""

    params: Params | None = Field(default=None, description="Parameters; they win over the job's.")


class RunSubmit(ExecutionWrite):
    """A run of its own, without a job."""

    name: Annotated[str | None, BeforeValidator(lambda value: value or None)] = Field(
        default=None, max_length=253, description="What the run's name begins with."
    )


class RunStarted(BaseModel):
    """A run that was just created."""

    run_id: str = Field(description="Id of the new run.", examples=["run_4812c0ffee00"])
    status: RunPhase = Field(description="pending, running, success, failed or cancelled.")


class RunRead(BaseModel):
    """A run: its status and timing."""

    id: str = Field(description="Id of the run.", examples=["run_4812c0ffee00"])
    name: str = Field(description="Its name in Kubernetes.")
    job_id: str | None = Field(description="Id of its job; null for a run of its own.")
    job_name: str | None = Field(description="Name of its job.")
    status: RunPhase = Field(description="pending, running, success, failed or cancelled.")
    params: dict[str, str] = Field(description="Parameters it was started with.")
    error: str | None = Field(description="Why it failed, or what it waits for.")
    created_at: datetime | None = Field(description="When it was created.")
    started_at: datetime | None = Field(description="When its first task started.")
    finished_at: datetime | None = Field(description="When it ended.")
    duration_seconds: float | None = Field(description="How long it took, or has been running.")


class AttemptRead(BaseModel):
    """One attempt of a task."""

    attempt: int = Field(description="From 0.")
    status: TaskPhase = Field(description="pending, running, success, failed, cancelled or skipped.")
    started_at: datetime | None = Field(description="When its process started.")
    finished_at: datetime | None = Field(description="When it ended.")
    exit_code: int | None = Field(description="Exit code of its process.")
    error: str | None = Field(description="Why it failed, or what it waits for.")


class TaskRunRead(BaseModel):
    """A task of a run."""

    key: str = Field(description="Key of the task.")
    status: TaskPhase = Field(description="pending, running, success, failed, cancelled or skipped.")
    retry_count: int = Field(description="How often it was tried again.")
    depends_on: list[str] = Field(description="Keys of the tasks it waits for.")
    started_at: datetime | None = Field(description="When its first attempt started.")
    finished_at: datetime | None = Field(description="When it ended.")
    duration_seconds: float | None = Field(description="How long it took, or has been running.")
    exit_code: int | None = Field(description="Exit code of the last attempt.")
    error: str | None = Field(description="Why it failed, or what it waits for.")
    attempts: list[AttemptRead] = Field(description="Its attempts, oldest first.")


def run_of(run: Run, job_id: str | None, job_name: str | None) -> RunRead:
    """Return a run as REST shows it.

    Args:
        run: the run.
        job_id: public id of its job, where there is one.
        job_name: name that people gave the job.
    """
    started = run.status.start_time if run.status else None
    finished = run.status.completion_time if run.status else None
    execution = run.execution
    return RunRead(
        id=run.public_id,
        name=run.metadata.name,
        job_id=job_id,
        job_name=job_name,
        status=run.phase,
        params=execution.params if execution else run.spec.params,
        error=run.status.error if run.status else None,
        created_at=run.metadata.creation_timestamp,
        started_at=started,
        finished_at=finished,
        duration_seconds=_seconds(started, finished),
    )


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
        depends_on=task.depends_on,
        started_at=status.start_time,
        finished_at=status.completion_time,
        duration_seconds=_seconds(status.start_time, status.completion_time),
        exit_code=status.exit_code,
        error=status.error,
        attempts=[
            AttemptRead(
                attempt=attempt.attempt,
                status=attempt.status,
                started_at=attempt.start_time,
                finished_at=attempt.completion_time,
                exit_code=attempt.exit_code,
                error=attempt.error,
            )
            for attempt in status.attempts
        ],
    )


def _seconds(started: datetime | None, finished: datetime | None) -> float | None:
    if started is None:
        return None
    return max(0.0, round(((finished or datetime.now(UTC)) - started).total_seconds(), 3))
