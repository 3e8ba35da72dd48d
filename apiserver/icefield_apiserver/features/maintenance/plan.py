"""What a maintenance of a table does."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

MaintenanceOperation = Literal["expire_snapshots", "remove_orphan_files", "compact"]


@dataclass(frozen=True)
class MaintenancePlan:
    """Operations on a table, in order; None of an option leaves it to the engine.

    Attributes:
        older_than: expire_snapshots and remove_orphan_files keep what is younger; UTC where it has no time zone.
        retain_last: minimum number of snapshots that expire_snapshots keeps.
        target_file_size_bytes: target size of the files that compact writes.
    """

    operations: tuple[MaintenanceOperation, ...]
    older_than: datetime | None = None
    retain_last: int | None = None
    target_file_size_bytes: int | None = None
