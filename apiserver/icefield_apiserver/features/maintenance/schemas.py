"""REST schemas of table maintenance."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from icefield_apiserver.core.execution import OptionalText
from icefield_apiserver.core.schemas import RequestBody

from .plan import MaintenanceOperation, MaintenancePlan


class MaintenanceOptions(RequestBody):
    """Options of the maintenance operations."""

    older_than: datetime | None = Field(
        default=None,
        description="expire_snapshots and remove_orphan_files: keep what is younger. The engine's default when absent "
        "(5 days, 3 days). At least one day ago for remove_orphan_files.",
    )
    retain_last: int | None = Field(
        default=None, ge=1, le=100_000, description="expire_snapshots: minimum number of snapshots to keep."
    )
    target_file_size_bytes: int | None = Field(
        default=None, ge=1024 * 1024, le=16 * 1024**3, description="compact: target size of the rewritten files."
    )


class Maintenance(RequestBody):
    """Request body to maintain a table."""

    operations: list[MaintenanceOperation] = Field(
        min_length=1, max_length=3, description="Operations, in the order in which they run."
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
