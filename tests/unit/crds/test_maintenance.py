"""Declared maintenance: what its runs execute, and what the program says in SQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_crds import ConcurrencyPolicy, JobSpec
from icefield_crds.maintenance import program
from icefield_crds.maintenance.execution import COMMAND, Procedure, procedures_of
from icefield_crds.maintenance.model import Operations
from icefield_sql import Names, TableName, parse

NOW = datetime(2026, 3, 6, 10, tzinfo=UTC)
COMPACTION = Procedure(
    "rewrite_data_files", {"options": "map('min-input-files', '5', 'remove-dangling-deletes', 'true')"}
)
EVERYTHING = {
    "orphanFileRemoval": {"olderThanHours": 48},
    "snapshotExpiration": {"maxSnapshotAgeHours": 120, "minSnapshotsToKeep": 3},
    "manifestRewrite": {},
    "compaction": {"targetFileSizeBytes": 134217728, "minInputFiles": 2},
}


def plan_of(spec: JobSpec) -> dict[str, Any]:
    """Return the plan that a run of a job reads."""
    content = {file.path: file.content for file in spec.executed_fields()["files"]}
    plan: dict[str, Any] = json.loads(content["plan.json"])
    return plan


@pytest.mark.parametrize(
    ("declared", "procedures"),
    [
        ({}, [COMPACTION, Procedure("rewrite_manifests"), Procedure("expire_snapshots")]),
        ({"compaction": {}}, [COMPACTION]),
        ({"orphanFileRemoval": {}}, [Procedure("remove_orphan_files")]),
        (
            EVERYTHING,
            [
                Procedure(
                    "rewrite_data_files",
                    {
                        "options": "map('min-input-files', '2', 'target-file-size-bytes', '134217728', "
                        "'remove-dangling-deletes', 'true')"
                    },
                ),
                Procedure("rewrite_manifests"),
                Procedure("expire_snapshots", {"retain_last": "3"}, 120),
                Procedure("remove_orphan_files", {}, 48),
            ],
        ),
    ],
)
def test_operations_are_procedures_in_the_order_of_their_effect(
    declared: dict[str, Any], procedures: list[Procedure]
) -> None:
    assert procedures_of(Operations.model_validate(declared)) == procedures


def test_a_job_without_maintenance_executes_its_command() -> None:
    spec = JobSpec.model_validate({"command": "true", "files": [{"path": "a", "content": "x"}]})
    assert (spec.executed_fields()["command"], spec.executed_fields()["files"]) == ("true", spec.files)
    assert spec.effective_concurrency_policy is ConcurrencyPolicy.ALLOW


def test_a_job_with_maintenance_executes_the_program() -> None:
    spec = JobSpec.model_validate({"maintenance": {"database": "sales", "table": "orders"}, "flavor": "cpu.2"})
    fields = spec.executed_fields()
    assert (fields["command"], fields["tasks"], fields["flavor"]) == (COMMAND, None, "cpu.2")
    assert [file.path for file in fields["files"]] == ["maintain.py", "plan.json"]
    compile(fields["files"][0].content, "maintain.py", "exec")
    assert (plan_of(spec)["database"], plan_of(spec)["table"]) == ("sales", "orders")
    assert spec.has_work


@pytest.mark.parametrize(("given", "effective"), [("Allow", "Forbid"), ("Forbid", "Forbid"), ("Replace", "Replace")])
def test_runs_of_maintenance_never_overlap(given: str, effective: str) -> None:
    spec = JobSpec.model_validate({"maintenance": {"database": "sales"}, "concurrencyPolicy": given})
    assert spec.effective_concurrency_policy == effective


def test_the_letter_case_of_a_name_makes_no_other_table() -> None:
    one = JobSpec.model_validate({"maintenance": {"database": "Sales", "table": "Orders"}}).maintenance
    assert one
    assert one.subject == ("sales", "orders")


def test_a_procedure_is_a_call() -> None:
    expiration = plan_of(JobSpec.model_validate({"maintenance": {"database": "sales", **EVERYTHING}}))["procedures"][2]
    assert program.statement("sales", "orders", expiration, NOW) == (
        "CALL system.expire_snapshots(table => 'sales.orders', "
        "older_than => TIMESTAMP '2026-03-01 10:00:00.000000+00:00', retain_last => 3)"
    )


@pytest.mark.parametrize(
    ("database", "table", "named"),
    [
        ("sales", "orders", TableName(("sales",), "orders")),
        ("my sales", "raw.t-1", TableName(("my sales", "raw"), "t-1")),
        ("ü", "größe", TableName(("ü",), "größe")),
        ("a", "b(c)", TableName(("a",), "b(c)")),
    ],
)
def test_the_plan_of_statements_takes_every_procedure(database: str, table: str, named: TableName) -> None:
    spec = JobSpec.model_validate({"maintenance": {"database": database, "table": table, **EVERYTHING}})
    for procedure in plan_of(spec)["procedures"]:
        statement = parse(program.statement(database, table, procedure, NOW), Names("acme-x"))
        assert (statement.is_write, statement.writes) == (True, (named,))
