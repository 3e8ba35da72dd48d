"""Job: a template of runs, a single command or a DAG of tasks."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from .execution import IN_A_PATH, Execution, matching
from .maintenance.execution import execution_of, procedures_of
from .maintenance.model import Maintenance
from .meta import Model, Resource, Status, Time

MAX_DISPLAY_NAME_LENGTH = 253
MAX_DESCRIPTION_LENGTH = 4096
MAX_SCHEDULE_LENGTH = 253
MAX_TIME_ZONE_LENGTH = 64


class ConcurrencyPolicy(StrEnum):
    """What a schedule does when an earlier run has not ended, as in a CronJob; what is replaced is cancelled."""

    ALLOW = "Allow"
    FORBID = "Forbid"
    REPLACE = "Replace"


class JobSpec(Execution):
    """A command or a DAG, and its schedule."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "[has(self.command), has(self.tasks), has(self.maintenance)]"
                    ".filter(given, given).size() == 1",
                    "message": "a job has either a command or tasks, or maintenance",
                },
                {
                    "rule": "!has(self.maintenance) || !(has(self.image) || has(self.files) && size(self.files) > 0)",
                    "message": "image and files go with a command or tasks, not with maintenance",
                },
            ]
        }
    )

    display_name: Annotated[
        str | None,
        Field(description="Display name.", max_length=MAX_DISPLAY_NAME_LENGTH, json_schema_extra=matching(IN_A_PATH)),
    ] = None
    description: Annotated[str | None, Field(description="What the job is for.", max_length=MAX_DESCRIPTION_LENGTH)] = (
        None
    )
    schedule: Annotated[
        str | None,
        Field(
            description="A cron expression of five fields, or a macro such as @daily.", max_length=MAX_SCHEDULE_LENGTH
        ),
    ] = None
    time_zone: Annotated[
        str | None,
        Field(
            description="Time zone of the schedule, such as Europe/Paris; UTC when absent.",
            max_length=MAX_TIME_ZONE_LENGTH,
        ),
    ] = None
    suspend: Annotated[bool, Field(description="Whether the schedule is suspended.")] = False
    concurrency_policy: Annotated[
        ConcurrencyPolicy,
        Field(
            description="While an earlier run has not ended, a scheduled one is started all the same (Allow), left out "
            "(Forbid), or started once the earlier one, which is cancelled, has ended (Replace)."
        ),
    ] = ConcurrencyPolicy.ALLOW
    maintenance: Annotated[
        Maintenance | None,
        Field(
            description="Maintenance of a database's tables or of one table, instead of a command or tasks; its runs "
            "never overlap, as with the concurrencyPolicy Forbid."
        ),
    ] = None

    @property
    def has_work(self) -> bool:
        """Whether there is anything to run."""
        return self.command is not None or bool(self.tasks) or self.maintenance is not None

    @property
    def effective_concurrency_policy(self) -> ConcurrencyPolicy:
        """The concurrency policy; runs of maintenance never overlap."""
        is_overlapping = self.concurrency_policy is ConcurrencyPolicy.ALLOW
        return ConcurrencyPolicy.FORBID if self.maintenance and is_overlapping else self.concurrency_policy

    def executed_fields(self) -> dict[str, Any]:
        """Return the fields of the Execution that a run of the job has, by name."""
        fields = {name: getattr(self, name) for name in Execution.model_fields}
        if self.maintenance is None:
            return fields
        about = self.maintenance
        return fields | execution_of(about.database, about.table, procedures_of(about))


class LastRun(Model):
    """The newest run of a job."""

    name: Annotated[str, Field(description="Name of the Run.")]
    phase: Annotated[str, Field(description="Its status.")]


class SkippedSchedule(Model):
    """A time of the schedule that started no run."""

    time: Annotated[Time, Field(description="The time; of several that were missed one after the other, the last.")]
    reason: Annotated[str, Field(description="Machine-readable reason in CamelCase.", max_length=64)]
    message: Annotated[str, Field(description="Reason in one sentence.", max_length=1024)]


class JobStatus(Status):
    """Observed state of the job."""

    last_run: Annotated[LastRun | None, Field(description="The newest run.")] = None
    active_runs: Annotated[int, Field(description="How many runs are pending or running.", ge=0)] = 0
    last_schedule_time: Annotated[
        Time | None, Field(description="The last time for which the schedule started a run.")
    ] = None
    last_skipped_schedule: Annotated[
        SkippedSchedule | None, Field(description="The last time of the schedule that started no run.")
    ] = None
    skipped_schedules: Annotated[
        int, Field(description="How many times of the schedule started no run, all in all.", ge=0)
    ] = 0
    next_schedule_time: Annotated[Time | None, Field(description="When the schedule starts the next run.")] = None


class Job(Resource[JobSpec, JobStatus]):
    """A template of runs: a single command, or a DAG of tasks, optionally on a schedule."""

    KIND: ClassVar[str] = "Job"
    PLURAL: ClassVar[str] = "jobs"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("ijob",)
    ID_PREFIX: ClassVar[str] = "job"
    PRINTER_COLUMNS: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "Schedule", "type": "string", "jsonPath": ".spec.schedule"},
        {"name": "Active", "type": "integer", "jsonPath": ".status.activeRuns"},
        {"name": "Last Run", "type": "string", "jsonPath": ".status.lastRun.name"},
        {"name": "Last Status", "type": "string", "jsonPath": ".status.lastRun.phase"},
        {"name": "Ready", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].status'},
        {"name": "Reason", "type": "string", "jsonPath": '.status.conditions[?(@.type=="Ready")].reason'},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {
            "name": "Message",
            "type": "string",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].message',
            "priority": 1,
        },
    )
    NAME_RULES: ClassVar[tuple[dict[str, str], ...]] = (
        {"rule": "size(self.metadata.name) <= 63", "message": "a job's name is at most 63 characters long"},
    )
