"""REST schemas of table maintenance."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from icefield_apiserver.core.execution import OptionalText
from icefield_apiserver.core.maintenance import (
    Compaction,
    MaintenanceDeclared,
    ManifestRewrite,
    OrphanFileRemoval,
    SnapshotExpiration,
    declared_of,
)
from icefield_apiserver.core.schemas import RequestBody
from icefield_crds import ConditionType, RunPhase
from icefield_crds.job import MAX_SCHEDULE_LENGTH, MAX_TIME_ZONE_LENGTH
from icefield_crds.maintenance.model import MAX_FILE_BYTES, MAX_SNAPSHOTS, MIN_FILE_BYTES, Operations

from .declarations import Declaration
from .procedures import MaintenanceOperation, MaintenancePlan


class MaintenanceOptions(RequestBody):
    """Options of the maintenance operations."""

    older_than: datetime | None = Field(
        default=None,
        description="expire_snapshots and remove_orphan_files: keep what is younger. The engine's default when absent "
        "(5 days, 3 days). At least one day ago for remove_orphan_files.",
    )
    retain_last: int | None = Field(
        default=None, ge=1, le=MAX_SNAPSHOTS, description="expire_snapshots: minimum number of snapshots to keep."
    )
    target_file_size_bytes: int | None = Field(
        default=None, ge=MIN_FILE_BYTES, le=MAX_FILE_BYTES, description="compact: target size of the rewritten files."
    )


class Maintenance(RequestBody):
    """Request body to maintain a table."""

    operations: list[MaintenanceOperation] = Field(
        min_length=1, max_length=4, description="Operations, in the order in which they run."
    )
    options: MaintenanceOptions | None = Field(default=None, description="Options of the operations.")
    warehouse_id: OptionalText = Field(default=None, description="Id or name of the warehouse that runs them.")

    def to_plan(self) -> MaintenancePlan:
        """Return what to do."""
        options = self.options or MaintenanceOptions()
        return MaintenancePlan(
            operations=tuple(self.operations),
            older_than=options.older_than,
            retain_last=options.retain_last,
            target_file_size_bytes=options.target_file_size_bytes,
        )


class MaintenanceSchedule(RequestBody):
    """Request body to declare the maintenance of a table, or of a database's tables.

    Without any of the operations compaction, manifest rewrite and snapshot expiration are done, as Iceberg does them
    by default.
    """

    schedule: str = Field(
        min_length=1,
        max_length=MAX_SCHEDULE_LENGTH,
        description="When it is done: a cron expression of five fields, or a macro such as @daily.",
    )
    time_zone: OptionalText = Field(
        default=None, max_length=MAX_TIME_ZONE_LENGTH, description="Time zone of the schedule; UTC when absent."
    )
    suspend: bool = Field(default=False, description="Whether the schedule is suspended.")
    compaction: Compaction | None = Field(default=None, description="Rewrites small data files.")
    manifest_rewrite: ManifestRewrite | None = Field(default=None, description="Rewrites manifests.")
    snapshot_expiration: SnapshotExpiration | None = Field(default=None, description="Removes old snapshots.")
    orphan_file_removal: OrphanFileRemoval | None = Field(
        default=None, description="Removes files that no snapshot has."
    )
    warehouse_id: OptionalText = Field(
        default=None,
        max_length=253,
        description="Id or name of the warehouse that does it; the workspace's default one when absent.",
    )

    def to_fields(self) -> dict[str, Any]:
        """Return the fields of a JobSpec that are declared here."""
        operations = self.model_dump(include=set(Operations.model_fields), exclude_none=True)
        return {
            "schedule": self.schedule,
            "time_zone": self.time_zone,
            "suspend": self.suspend,
            "maintenance": operations,
        }


class MaintenanceRun(BaseModel):
    """The newest run of a maintenance."""

    id: str = Field(description="Id of the run; its log and its statements say what was done.")
    status: RunPhase = Field(description="pending, running, success, failed or cancelled.")
    error: str | None = Field(description="Reason of its failure.")
    created_at: datetime | None = Field(description="When it was created.")


class MaintenanceRead(MaintenanceDeclared):
    """The declared maintenance of a table, or of a database's tables."""

    inherited: bool = Field(description="Whether a table has it from its database.")
    schedule: str | None = Field(description="When it is done; null where only runs of the job do it.")
    time_zone: str | None = Field(description="Time zone of the schedule; UTC when null.")
    suspend: bool = Field(description="Whether the schedule is suspended.")
    separate_tables: list[str] = Field(
        description="Tables of the database that have a declaration of their own and are not maintained by this one."
    )
    job_id: str = Field(description="Id of the job that does it.")
    next_run_at: datetime | None = Field(description="When the schedule starts the next run.")
    last_run: MaintenanceRun | None = Field(description="The newest run.")
    error: str | None = Field(description="Why it cannot be done.")


def maintenance_of(declaration: Declaration) -> MaintenanceRead:
    """Return a declaration as REST shows it."""
    job, run = declaration.job, declaration.last_run
    stalled = job.status.condition(ConditionType.STALLED) if job.status else None
    return MaintenanceRead(
        **dict(declared_of(declaration.maintenance)),
        inherited=declaration.is_inherited,
        schedule=job.spec.schedule,
        time_zone=job.spec.time_zone,
        suspend=job.spec.suspend,
        separate_tables=list(declaration.separate_tables),
        job_id=job.public_id,
        next_run_at=declaration.next_run_at,
        last_run=run
        and MaintenanceRun(
            id=run.public_id,
            status=run.phase,
            error=run.status.error if run.status else None,
            created_at=run.metadata.creation_timestamp,
        ),
        error=stalled.message if stalled and stalled.status == "True" else None,
    )
