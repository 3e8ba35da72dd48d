"""The procedures of a maintenance that is requested for now. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from icefield_apiserver.core.errors import BadRequest
from icefield_crds.maintenance.execution import Procedure, compaction_of
from icefield_crds.maintenance.model import MIN_ORPHAN_HOURS, Compaction

MaintenanceOperation = Literal["expire_snapshots", "remove_orphan_files", "compact", "rewrite_manifests"]
MIN_INPUT_FILES = 2
"""Iceberg's own minimum is five files, which suits a periodic job; a request means two files, too."""


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


def procedures_of_plan(plan: MaintenancePlan, now: datetime) -> Sequence[Procedure]:
    """Return the procedures of a maintenance, in its order.

    Args:
        plan: what to do.
        now: the present.

    Raises:
        BadRequest: an operation is listed twice, or would remove files of writes in progress.
    """
    if len(set(plan.operations)) < len(plan.operations):
        raise BadRequest("Field operations: an operation is listed twice.")
    older_than = _utc(plan.older_than) if plan.older_than else None
    if older_than and "remove_orphan_files" in plan.operations and older_than > now - timedelta(hours=MIN_ORPHAN_HOURS):
        raise BadRequest("To remove orphan files, older_than must be a day ago or more: younger ones may be in use.")
    return [_procedure(operation, plan, older_than) for operation in plan.operations]


def _procedure(operation: MaintenanceOperation, plan: MaintenancePlan, older_than: datetime | None) -> Procedure:
    age = {"older_than": f"TIMESTAMP '{older_than:%Y-%m-%d %H:%M:%S.%f}+00:00'"} if older_than else {}
    match operation:
        case "compact":
            size = plan.target_file_size_bytes
            return compaction_of(Compaction(target_file_size_bytes=size, min_input_files=MIN_INPUT_FILES))
        case "expire_snapshots":
            kept = {} if plan.retain_last is None else {"retain_last": str(plan.retain_last)}
            return Procedure(operation, age | kept)
        case "remove_orphan_files":
            return Procedure(operation, age)
        case "rewrite_manifests":
            return Procedure(operation)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
