"""REST schemas of jobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from icefield_apiserver.core.execution import ExecutionRead, ExecutionWrite, OptionalText, build_spec, execution_of
from icefield_apiserver.core.maintenance import MaintenanceDeclared, declared_of
from icefield_apiserver.core.schemas import NotNull
from icefield_crds import ConcurrencyPolicy, ConditionType, Job, JobSpec, Run, RunPhase
from icefield_crds.execution import IN_A_PATH
from icefield_crds.job import (
    MAX_DESCRIPTION_LENGTH,
    MAX_DISPLAY_NAME_LENGTH,
    MAX_SCHEDULE_LENGTH,
    MAX_TIME_ZONE_LENGTH,
)

from .next_run import next_run_at
from .spec import EITHER_COMMAND_OR_TASKS, JobChange

SCHEDULE = "When runs start: a cron expression of five fields, or a macro such as @daily."

Policy = Annotated[
    ConcurrencyPolicy, BeforeValidator(lambda value: value.capitalize() if isinstance(value, str) else value)
]
Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=MAX_DISPLAY_NAME_LENGTH,
        pattern=IN_A_PATH,
        description="Display name, unique in the workspace.",
    ),
]


class JobWrite(ExecutionWrite):
    """The fields of a job besides its name."""

    description: OptionalText = Field(
        default=None, max_length=MAX_DESCRIPTION_LENGTH, description="Description of the job."
    )
    schedule: OptionalText = Field(default=None, max_length=MAX_SCHEDULE_LENGTH, description=SCHEDULE)
    time_zone: OptionalText = Field(
        default=None, max_length=MAX_TIME_ZONE_LENGTH, description="Time zone of the schedule; UTC when absent."
    )
    suspend: bool | None = Field(default=None, description="Whether the schedule is suspended.")
    concurrency_policy: Policy | None = Field(
        default=None, description="What a schedule does while an earlier run is running: Allow, Forbid or Replace."
    )

    def job_fields(self, *, only_given: bool = False) -> dict[str, Any]:
        """Return the fields of a JobSpec except its names, command and tasks.

        Args:
            only_given: leave out fields that are not in the request.
        """
        fields = {
            "description": self.description,
            "schedule": self.schedule,
            "time_zone": self.time_zone,
            "suspend": bool(self.suspend),
            "concurrency_policy": self.concurrency_policy or ConcurrencyPolicy.ALLOW,
        }
        given = self.model_fields_set
        own = {name: value for name, value in fields.items() if not only_given or name in given}
        return {**own, **self.execution_fields(only_given=only_given)}


class JobCreate(JobWrite):
    """Request body to create a job: a command, or tasks."""

    name: Name

    def to_spec(self) -> JobSpec:
        """Return the spec of the new job.

        Raises:
            BadRequest: there are a command and tasks, or a value cannot be stored.
        """
        self.check_work(EITHER_COMMAND_OR_TASKS)
        tasks = self.task_specs() if self.command is None else None
        return build_spec(lambda: JobSpec(command=self.command, tasks=tasks, **self.job_fields()))


class JobUpdate(JobWrite):
    """Request body to change a job.

    Fields that are absent keep their value. `tasks: null` leaves the DAG intact and `tasks: []` clears it; null clears
    any other field but the name, and a command that is all there is to run. `tasks` replace a command; a `command`
    replaces tasks only together with `tasks: []`.
    """

    name: Annotated[Name | None, NotNull] = Field(
        default=None, description="New display name, unique in the workspace."
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_empty_command_out(cls, value: Any) -> Any:
        if isinstance(value, dict) and value.get("command") == "":
            return {name: each for name, each in value.items() if name != "command"}
        return value

    def to_change(self) -> JobChange:
        """Return the change.

        Raises:
            BadRequest: there are a command and tasks.
        """
        self.check_work(EITHER_COMMAND_OR_TASKS)
        return JobChange(
            name=self.name,
            command=self.command,
            clears_command="command" in self.model_fields_set and self.command is None,
            tasks=self.task_specs(),
            fields=self.job_fields(only_given=True),
        )


class LastRun(BaseModel):
    """The newest run of a job."""

    id: str = Field(description="Id of the run.")
    name: str = Field(description="Its name in Kubernetes.")
    status: RunPhase = Field(description="pending, running, success, failed or cancelled.")
    created_at: datetime | None = Field(description="When it was created.")


class SkippedRun(BaseModel):
    """A time of a job's schedule that started no run."""

    at: datetime = Field(description="The time; of several that were missed one after the other, the last.")
    reason: str = Field(description="RunAlreadyActive, MissSchedule or NameTaken.")
    message: str = Field(description="Why no run was started.")


class JobSummary(ExecutionRead):
    """A job in a list; without its files, which may be large."""

    id: str = Field(description="Id of the job.", examples=["job_0f3b2c9d81aa"])
    name: str = Field(description="Name of the job.")
    description: str | None = Field(description="Description of the job.")
    schedule: str | None = Field(description=SCHEDULE)
    time_zone: str | None = Field(description="Time zone of the schedule; UTC when null.")
    suspend: bool = Field(description="Whether the schedule is suspended.")
    concurrency_policy: ConcurrencyPolicy = Field(description="What the schedule does while an earlier run is running.")
    maintenance: MaintenanceDeclared | None = Field(
        description="The maintenance of tables that it does instead of a command or tasks."
    )
    created_at: datetime | None = Field(description="When it was created.")
    next_run_at: datetime | None = Field(description="When the schedule starts the next run.")
    last_run: LastRun | None = Field(description="The newest run.")
    last_skipped: SkippedRun | None = Field(description="The last time of the schedule that started no run.")
    skipped_count: int = Field(description="How many times of the schedule started no run, all in all.")
    error: str | None = Field(description="Why the job cannot run.")


class JobRead(JobSummary):
    """A job."""

    files: dict[str, str] = Field(description="Text files placed in every task's working directory: path to text.")


def name_of(job: Job) -> str:
    """Return the display name of a job."""
    return job.spec.display_name or job.metadata.name


def summary_of(job: Job) -> JobSummary:
    """Return a job as lists show it, without its newest run."""
    return JobSummary(**_fields(job, None))


def job_of(job: Job, last_run: Run | None) -> JobRead:
    """Return a job as REST shows it."""
    return JobRead(**_fields(job, last_run), files={file.path: file.content for file in job.spec.files})


def _fields(job: Job, last_run: Run | None) -> dict[str, Any]:
    stalled = job.status.condition(ConditionType.STALLED) if job.status else None
    skipped = job.status.last_skipped_schedule if job.status else None
    return {
        **execution_of(job.spec),
        "id": job.public_id,
        "name": name_of(job),
        "description": job.spec.description,
        "schedule": job.spec.schedule,
        "time_zone": job.spec.time_zone,
        "suspend": job.spec.suspend,
        "concurrency_policy": job.spec.effective_concurrency_policy,
        "maintenance": job.spec.maintenance and declared_of(job.spec.maintenance),
        "created_at": job.metadata.creation_timestamp,
        "next_run_at": next_run_at(job, datetime.now(UTC)),
        "last_run": last_run and last_run_of(last_run),
        "last_skipped": skipped and SkippedRun(at=skipped.time, reason=skipped.reason, message=skipped.message),
        "skipped_count": job.status.skipped_schedules if job.status else 0,
        "error": stalled.message if stalled and stalled.status == "True" else None,
    }


def last_run_of(run: Run) -> LastRun:
    """Return a run as its job shows it."""
    return LastRun(
        id=run.public_id, name=run.metadata.name, status=run.phase, created_at=run.metadata.creation_timestamp
    )
