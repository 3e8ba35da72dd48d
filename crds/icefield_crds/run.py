"""Run: one execution of a job's tasks, or of a command of its own."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from .conditions import ConditionType, Reason
from .execution import MAX_ATTEMPTS, MAX_TASKS, Execution
from .meta import Model, Resource, Status, Time
from .names import GROUP
from .polars import PolarsOutcome, PolarsWorkload
from .spark import SparkApplication

REPLACED_BY_ANNOTATION = f"{GROUP}/replaced-by"
"""On a Run that a schedule replaces: the name of the Run that it starts instead. It cancels, as desiredState does."""


class DesiredState(StrEnum):
    """Desired state of a run."""

    RUNNING = "running"
    CANCELLED = "cancelled"


class RunPhase(StrEnum):
    """Status of a run (API reference, "Runs & tasks")."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_terminal(self) -> bool:
        """Whether the run has ended, whichever way."""
        return self in (RunPhase.SUCCESS, RunPhase.FAILED, RunPhase.CANCELLED)


class TaskPhase(StrEnum):
    """Status of a task, or of one attempt of it."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCESS = "success"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"

    @property
    def is_terminal(self) -> bool:
        """Whether the task has ended, whichever way."""
        return self not in (TaskPhase.PENDING, TaskPhase.RUNNING)


class JobReference(Model):
    """The Job, in the same namespace, that a run executes."""

    name: Annotated[str, Field(description="Name of the Job.", min_length=1, max_length=253)]


def _immutable(field: str) -> JsonDict:
    return {
        "rule": f"has(self.{field}) == has(oldSelf.{field}) && (!has(self.{field}) || self.{field} == oldSelf.{field})",
        "message": f"{field} of a run cannot be changed; only desiredState can",
    }


_COLLECTIONS = ("env", "files", "params")


def _only_of_tasks(workload: str, *fields: str) -> JsonDict:
    """A workload refuses the fields that would have no effect on it."""
    given = (
        f"has(self.{field})" + (f" && size(self.{field}) > 0" if field in _COLLECTIONS else "") for field in fields
    )
    return {
        "rule": f"!has(self.{workload}) || !({' || '.join(given)})",
        "message": f"{', '.join(fields[:-1])} and {fields[-1]} go with a command or tasks, not with {workload}",
    }


_EXECUTION_FIELDS = [field.alias or name for name, field in Execution.model_fields.items()]


class RunSpec(Execution):
    """What one run executes; fixed when the Run is created, except desiredState."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "!(has(self.command) && has(self.tasks))",
                    "message": "a run has either a command or tasks, not both",
                },
                {
                    "rule": "has(self.jobRef) || has(self.command) || has(self.tasks) || "
                    "has(self.polars) || has(self.spark)",
                    "message": "a run needs a jobRef, a command, tasks, polars or spark",
                },
                {
                    "rule": "[has(self.polars), has(self.spark), "
                    "has(self.jobRef) || has(self.command) || has(self.tasks)].filter(given, given).size() <= 1",
                    "message": "polars and spark go with nothing else that runs",
                },
                _only_of_tasks("polars", "image", "flavor", "env", "files", "params", "maxRetries"),
                _only_of_tasks("spark", "image", "flavor", "files"),
                {
                    "rule": "self.desiredState == oldSelf.desiredState || oldSelf.desiredState != 'cancelled'",
                    "message": "a cancelled run cannot be set going again; create a new one",
                },
                *(_immutable(name) for name in ("jobRef", "polars", "spark", *_EXECUTION_FIELDS)),
            ]
        }
    )

    job_ref: Annotated[
        JobReference | None,
        Field(
            description="The Job this run belongs to; when nothing else is given, also what it runs.",
        ),
    ] = None
    polars: Annotated[PolarsWorkload | None, Field(description="A Polars workload, instead of a command or tasks.")] = (
        None
    )
    spark: Annotated[
        SparkApplication | None, Field(description="A Spark application, instead of a command or tasks.")
    ] = None
    desired_state: Annotated[DesiredState, Field(description="running, or cancelled to stop the run for good.")] = (
        DesiredState.RUNNING
    )


class AttemptStatus(Model):
    """One attempt of a task: one pod."""

    attempt: Annotated[int, Field(description="Number of the attempt, from 0.", ge=0, le=MAX_ATTEMPTS - 1)]
    pod_name: Annotated[str, Field(description="Name of the pod.")]
    pod_uid: Annotated[str | None, Field(description="uid of the pod.")] = None
    status: Annotated[TaskPhase, Field(description="Status of the attempt.")]
    start_time: Annotated[Time | None, Field(description="When its process started.")] = None
    completion_time: Annotated[Time | None, Field(description="When it ended.")] = None
    exit_code: Annotated[int | None, Field(description="Exit code of its process.")] = None
    error: Annotated[str | None, Field(description="Reason of its failure, or of its waiting.", max_length=4096)] = None
    disrupted: Annotated[
        bool,
        Field(description="Whether the cluster ended it, which counts as a disruption and not as a failure."),
    ] = False
    logs_archived: Annotated[
        bool, Field(description="Whether all that can be archived of its log is in the object store.")
    ] = False
    logs_complete: Annotated[
        bool | None, Field(description="false when lines of its log are missing; the log says where.")
    ] = None
    logs_start_unknown: Annotated[
        bool, Field(description="Whether its log was read too late to tell whether its first lines are missing.")
    ] = False


class TaskStatus(Model):
    """Observed state of one task of the run."""

    key: Annotated[str, Field(description="Key of the task.", max_length=63)]
    status: Annotated[
        TaskPhase, Field(description="pending, running, success, failed, cancelled or skipped (upstream failed).")
    ]
    retry_count: Annotated[int, Field(description="How often it was retried after a failure.", ge=0)] = 0
    disruptions: Annotated[int, Field(description="How often the cluster ended an attempt of it.", ge=0)] = 0
    start_time: Annotated[Time | None, Field(description="When its first attempt started.")] = None
    completion_time: Annotated[Time | None, Field(description="When it ended.")] = None
    exit_code: Annotated[int | None, Field(description="Exit code of the last attempt.")] = None
    error: Annotated[str | None, Field(description="Reason of its failure, or what it waits for.", max_length=4096)] = (
        None
    )
    attempts: Annotated[
        list[AttemptStatus],
        Field(
            description="Its attempts, oldest first.",
            max_length=MAX_ATTEMPTS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["attempt"]},
        ),
    ] = []


class RunStatus(Status):
    """Observed state of the run."""

    phase: Annotated[RunPhase, Field(description="pending, running, success, failed or cancelled.")] = RunPhase.PENDING
    start_time: Annotated[Time | None, Field(description="When the first task was started.")] = None
    completion_time: Annotated[Time | None, Field(description="When the run ended.")] = None
    progress: Annotated[str | None, Field(description="Tasks that ended, of all tasks, such as 1/2.")] = None
    error: Annotated[
        str | None, Field(description="Reason of the failure, or what the run waits for.", max_length=4096)
    ] = None
    tasks: Annotated[
        list[TaskStatus],
        Field(
            description="State of each task; a run of a single command has one, named main.",
            max_length=MAX_TASKS,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["key"]},
        ),
    ] = []
    snapshot: Annotated[
        Execution | None,
        Field(description="What runs, copied from the job once when spec names only a job."),
    ] = None
    polars: Annotated[PolarsOutcome | None, Field(description="What a Polars workload produced.")] = None

    @property
    def attempts(self) -> list[AttemptStatus]:
        """The attempts of all tasks, those of a task oldest first."""
        return [attempt for task in self.tasks for attempt in task.attempts]

    @property
    def holds_place(self) -> bool:
        """Whether the run counts against the quota of its workspace: admitted, also while its pods are refused."""
        admitted = self.condition(ConditionType.ADMITTED)
        return admitted is not None and is_place_held(admitted.status, admitted.reason)


class Run(Resource[RunSpec, RunStatus]):
    """One execution: of a job's tasks, or of a command or tasks of its own."""

    KIND: ClassVar[str] = "Run"
    PLURAL: ClassVar[str] = "runs"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("irun",)
    ID_PREFIX: ClassVar[str] = "run"
    PRINTER_COLUMNS: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "Job", "type": "string", "jsonPath": ".spec.jobRef.name"},
        {"name": "Status", "type": "string", "jsonPath": ".status.phase"},
        {"name": "Tasks", "type": "string", "jsonPath": ".status.progress"},
        {"name": "Started", "type": "date", "jsonPath": ".status.startTime"},
        {"name": "Finished", "type": "date", "jsonPath": ".status.completionTime"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Error", "type": "string", "jsonPath": ".status.error", "priority": 1},
    )
    NAME_RULES: ClassVar[tuple[dict[str, str], ...]] = (
        {"rule": "size(self.metadata.name) <= 63", "message": "a run's name is at most 63 characters long"},
    )

    @property
    def replaced_by(self) -> str | None:
        """Name of the Run that its job's schedule starts instead of this one; None when there is none."""
        return self.metadata.annotations.get(REPLACED_BY_ANNOTATION)

    @property
    def cancellation_requested(self) -> bool:
        """Whether the run is to be cancelled, or was."""
        return is_cancellation_requested(self.spec.desired_state, self.metadata.annotations)

    @property
    def phase(self) -> RunPhase:
        """Status of the run; pending before the operator first reconciled it."""
        return self.status.phase if self.status else RunPhase.PENDING

    @property
    def execution(self) -> Execution | None:
        """What the run executes: its own spec, else the snapshot of its job; None before that was made."""
        if self.spec.job_ref is None or self.spec.command is not None or self.spec.tasks is not None:
            return self.spec
        return self.status.snapshot if self.status else None


def is_place_held(status: str, reason: str) -> bool:
    """Return whether a run with this condition Admitted counts against the quota of its workspace."""
    return status == "True" or reason == Reason.POD_REFUSED


def is_cancellation_requested(desired_state: str | None, annotations: Mapping[str, str]) -> bool:
    """Return whether a run is to be cancelled: its owner wants that, or a schedule replaces it.

    Args:
        desired_state: its spec's; None when absent.
        annotations: its metadata's.
    """
    return desired_state == DesiredState.CANCELLED or REPLACED_BY_ANNOTATION in annotations


def logs_complete(attempts: Iterable[AttemptStatus]) -> bool | None:
    """Return whether no line of the logs of these attempts is missing; None while that is not known."""
    known = [_log_complete(attempt) for attempt in attempts]
    if False in known:
        return False
    return None if not known or None in known else True


def _log_complete(attempt: AttemptStatus) -> bool | None:
    if not attempt.logs_archived:
        return None
    if attempt.logs_complete is False:
        return False
    return None if attempt.logs_start_unknown else True
