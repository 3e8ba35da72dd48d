"""REST schemas of runs in oleander's API; of statements too, because the query router returns their ids."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from icefield_apiserver.features.runs.service import kind_of
from icefield_apiserver.features.statements.service import Statement
from icefield_crds import ConditionType, Run, RunPhase, RunStatus
from icefield_crds.names import JOB_NAME_ANNOTATION, JOB_NAMESPACE_ANNOTATION, RUN_TAGS_ANNOTATION, public_id

RunState = Literal["SUBMITTED", "RUNNING", "COMPLETE", "FAIL", "ABORT"]

_STATES: dict[str, RunState] = {
    RunPhase.PENDING: "SUBMITTED",
    RunPhase.RUNNING: "RUNNING",
    RunPhase.SUCCESS: "COMPLETE",
    RunPhase.FAILED: "FAIL",
    RunPhase.CANCELLED: "ABORT",
    "succeeded": "COMPLETE",
}
"""Statements have the same statuses, except for success."""


class RunTag(BaseModel):
    """A tag of a run."""

    key: str = Field(description="Key of the tag.")
    value: str = Field(description="Value of the tag.")
    source: str | None = Field(default=None, description="Source of the tag.")


class JobIdentity(BaseModel):
    """The job that a run counts as."""

    id: str = Field(description="Id of the job.")
    name: str = Field(description="Name of the job.")
    namespace: str = Field(description="Namespace of the job; the workspace's slug when the submitter named none.")


class RunStateRead(BaseModel):
    """A run's state and timing."""

    id: str = Field(description="Id of the run.", examples=["run_4812c0ffee00"])
    type: str | None = Field(description="command, tasks, polars, spark or sql.")
    mode: str | None = Field(description="query or script of a Polars workload; sql or application of Spark's.")
    state: RunState = Field(description="SUBMITTED, RUNNING, COMPLETE, FAIL or ABORT.")
    started_at: datetime | None = Field(description="When it started to run.")
    queued_at: datetime | None = Field(description="When it was submitted.")
    scheduled_at: datetime | None = Field(description="When it was admitted.")
    ended_at: datetime | None = Field(description="When it ended.")
    duration: float | None = Field(description="How long it took, or has been running, in milliseconds.")
    error: str | None = Field(description="Why it failed.")
    tags: list[RunTag] = Field(description="Tags of the run.")
    job: JobIdentity = Field(description="The job that it belongs to; a run of its own is its own job.")
    pipeline: JobIdentity = Field(description="Alias of job: there is nothing above jobs.")


_TAGS = TypeAdapter(list[RunTag])


def state_of_run(run: Run, workspace: str, job_id: str | None, job_name: str | None) -> RunStateRead:
    """Return the state of a run.

    Args:
        run: the run.
        workspace: slug.
        job_id: public id of its Job, if it has one.
        job_name: the Job's name.
    """
    status, annotations = run.status, run.metadata.annotations
    admitted = status.condition(ConditionType.ADMITTED) if status else None
    started, ended = (status.start_time, status.completion_time) if status else (None, None)
    identity = JobIdentity(
        id=job_id or run.public_id,
        name=annotations.get(JOB_NAME_ANNOTATION) or job_name or run.metadata.name,
        namespace=annotations.get(JOB_NAMESPACE_ANNOTATION) or workspace,
    )
    return RunStateRead(
        id=run.public_id,
        type=kind_of(run),
        mode=_mode_of(run),
        state=_STATES[run.phase],
        started_at=started,
        queued_at=run.metadata.creation_timestamp,
        scheduled_at=admitted.last_transition_time if admitted and admitted.status == "True" else None,
        ended_at=ended,
        duration=_measured(status) or _milliseconds(started, ended),
        error=status.error if status and run.phase is RunPhase.FAILED else None,
        tags=_tags(annotations.get(RUN_TAGS_ANNOTATION)),
        job=identity,
        pipeline=identity,
    )


def state_of_statement(statement: Statement) -> RunStateRead:
    """Return the state of a SQL statement; its job is its warehouse."""
    started, ended = statement.started_at, statement.finished_at
    identity = JobIdentity(
        id=public_id("wh", statement.warehouse_uid), name=statement.warehouse, namespace=statement.workspace
    )
    return RunStateRead(
        id=statement.id,
        type="sql",
        mode=statement.engine,
        state=_STATES[statement.status],
        started_at=started,
        queued_at=statement.submitted_at,
        scheduled_at=started,
        ended_at=ended,
        duration=_milliseconds(started, ended),
        error=statement.error_message,
        tags=[],
        job=identity,
        pipeline=identity,
    )


def _measured(status: RunStatus | None) -> float | None:
    """Return how long a workload itself took, as it reported: times of Kubernetes are whole seconds."""
    return status.polars.execution_milliseconds if status and status.polars else None


def _mode_of(run: Run) -> str | None:
    if run.spec.polars:
        return run.spec.polars.used_mode.value
    if run.spec.spark:
        return "sql" if run.spec.spark.sql else "application"
    return None


def _tags(text: str | None) -> list[RunTag]:
    try:
        recorded: Any = json.loads(text or "[]")
        return _TAGS.validate_python(recorded)
    except (ValueError, ValidationError):
        return []  # not written by this API


def _milliseconds(started: datetime | None, ended: datetime | None) -> float | None:
    if started is None:
        return None
    return max(0.0, round(((ended or datetime.now(UTC)) - started).total_seconds() * 1000, 3))
