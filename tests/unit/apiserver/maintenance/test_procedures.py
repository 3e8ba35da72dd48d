"""What a maintenance that is requested for now calls, in the order of the request."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from icefield_apiserver.core.errors import BadRequest
from icefield_apiserver.features.maintenance.procedures import MaintenancePlan, procedures_of_plan
from icefield_crds.maintenance.execution import Procedure

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
EVERYTHING = MaintenancePlan(
    ("compact", "expire_snapshots", "remove_orphan_files", "rewrite_manifests"),
    older_than=datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=1))),
    retain_last=3,
    target_file_size_bytes=128 * 1024 * 1024,
)


def test_each_operation_is_a_procedure() -> None:
    older_than = "TIMESTAMP '2026-01-01 00:00:00.000000+00:00'"
    options = "'min-input-files', '2', 'target-file-size-bytes', '134217728', 'remove-dangling-deletes', 'true'"
    assert procedures_of_plan(EVERYTHING, NOW) == [
        Procedure("rewrite_data_files", {"options": f"map({options})"}),
        Procedure("expire_snapshots", {"older_than": older_than, "retain_last": "3"}),
        Procedure("remove_orphan_files", {"older_than": older_than}),
        Procedure("rewrite_manifests"),
    ]


def test_what_is_not_given_is_left_to_the_engine() -> None:
    plan = MaintenancePlan(("expire_snapshots", "remove_orphan_files"))
    assert procedures_of_plan(plan, NOW) == [
        Procedure("expire_snapshots"),
        Procedure("remove_orphan_files"),
    ]


def test_an_operation_is_done_once() -> None:
    with pytest.raises(BadRequest, match="twice"):
        procedures_of_plan(MaintenancePlan(("compact", "compact")), NOW)


def test_files_of_writes_in_progress_stay() -> None:
    plan = MaintenancePlan(("remove_orphan_files",), older_than=NOW - timedelta(hours=23))
    with pytest.raises(BadRequest, match="a day ago"):
        procedures_of_plan(plan, NOW)
