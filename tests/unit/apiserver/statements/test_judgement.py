"""Whether a lost write was applied, from its tables before and after."""

from __future__ import annotations

import json

import pytest

from icefield_apiserver.core.catalog import LoadedView
from icefield_apiserver.features.statements.judgement import Found, Verdict, judge
from icefield_apiserver.features.statements.snapshots import WrittenSnapshot, written_snapshot
from icefield_apiserver.features.statements.table_states import BeforeWrite, TableState
from icefield_sql import TableName

from .tables import TableAt

ORDERS = TableName(("sales",), "orders")
OWN, OTHER = "stmt_own", "stmt_other"
TABLE = TableAt().snapshot().snapshot()
OLD = TableAt(format_version=1).snapshot()
RECREATED = TableAt(uuid="22222222-0000-0000-0000-000000000000").snapshot()
APPLIED, NOT_APPLIED, UNKNOWN = Verdict.APPLIED, Verdict.NOT_APPLIED, Verdict.UNKNOWN

CASES: list[tuple[str, str, TableAt | None, TableAt | None, Verdict]] = [
    ("nothing happened", "INSERT", TABLE, TABLE, NOT_APPLIED),
    ("its own snapshot", "INSERT", TABLE, TABLE.signed(OWN), APPLIED),
    ("its own under others", "MERGE", TABLE, TABLE.signed(OWN, "overwrite").altered(a="1").signed(OTHER), APPLIED),
    ("another's snapshot", "INSERT", TABLE, TABLE.signed(OTHER), NOT_APPLIED),
    ("a snapshot from outside", "UPDATE", TABLE, TABLE.snapshot("overwrite"), NOT_APPLIED),
    ("another's definition", "INSERT OVERWRITE", TABLE, TABLE.altered(a="1"), NOT_APPLIED),
    ("snapshots that have expired", "INSERT", TABLE, TABLE.snapshot().snapshot().expired(1), UNKNOWN),
    ("older ones that have expired", "INSERT", TABLE, TABLE.snapshot().expired(1), NOT_APPLIED),
    ("the first snapshots", "INSERT", TableAt(), TableAt().signed(OWN), APPLIED),
    ("no numbers", "INSERT", OLD, OLD.snapshot(), UNKNOWN),
    ("no numbers, its own", "INSERT", OLD, OLD.signed(OWN), APPLIED),
    ("no numbers, no change", "INSERT", OLD, OLD, NOT_APPLIED),
    ("whole files, perhaps its own", "DELETE", TABLE, TABLE.snapshot("delete"), UNKNOWN),
    ("whole files and rows", "DELETE", TABLE, TABLE.snapshot("delete").signed(OWN, "overwrite"), APPLIED),
    ("whole files of a run", "DELETE", TABLE, TABLE.snapshot("delete", **{"icefield.run-id": "r"}), NOT_APPLIED),
    ("whole files before", "DELETE", TABLE.snapshot("delete"), TABLE.snapshot("delete").snapshot(), NOT_APPLIED),
    ("rows of another", "DELETE", TABLE, TABLE.signed(OTHER, "overwrite").snapshot(), NOT_APPLIED),
    ("truncated, perhaps", "TRUNCATE TABLE", TABLE, TABLE.snapshot("delete"), UNKNOWN),
    ("altered, perhaps", "ALTER TABLE", TABLE, TABLE.altered(a="1"), UNKNOWN),
    ("altered under a snapshot", "ALTER TABLE", TABLE, TABLE.altered(a="1").snapshot(), UNKNOWN),
    ("not altered", "ALTER TABLE", TABLE, TABLE, NOT_APPLIED),
    ("not altered, but written to", "ALTER TABLE", TABLE, TABLE.signed(OTHER).snapshot(), NOT_APPLIED),
    ("not altered, first written to", "ALTER TABLE", TableAt(), TableAt().snapshot(), NOT_APPLIED),
    ("a branch", "ALTER TABLE", TABLE, TABLE.branched("audit"), UNKNOWN),
    ("main replaced", "ALTER TABLE", TABLE, TABLE.rolled_back(), UNKNOWN),
    ("a comment", "COMMENT", TABLE, TABLE.altered(comment="orders"), UNKNOWN),
    ("no comment", "COMMENT", TABLE, TABLE.snapshot(), NOT_APPLIED),
    ("renamed, perhaps", "ALTER TABLE", TABLE, None, UNKNOWN),
    ("dropped", "DROP TABLE", TABLE, None, APPLIED),
    ("not dropped", "DROP TABLE", TABLE, TABLE, NOT_APPLIED),
    ("not dropped, but written to", "DROP TABLE", TABLE, TABLE.snapshot(), NOT_APPLIED),
    ("dropped, and created again", "DROP TABLE", TABLE, RECREATED, UNKNOWN),
    ("nothing to drop", "DROP TABLE", None, None, NOT_APPLIED),
    ("not created", "CREATE TABLE", None, None, NOT_APPLIED),
    ("created, perhaps", "CREATE TABLE", None, TableAt(), UNKNOWN),
    ("created with its rows", "CREATE TABLE AS SELECT", None, TableAt().signed(OWN), APPLIED),
    ("created with other rows", "CREATE TABLE AS SELECT", None, TableAt().signed(OTHER), UNKNOWN),
    ("replaced with its rows", "CREATE TABLE AS SELECT", TABLE, TABLE.altered(a="1").signed(OWN), APPLIED),
    ("not replaced", "CREATE TABLE AS SELECT", TABLE, TABLE, NOT_APPLIED),
    ("a procedure, perhaps", "CALL", TABLE, TABLE.snapshot("replace"), UNKNOWN),
    ("a procedure that changed nothing", "CALL", TABLE, TABLE, NOT_APPLIED),
    ("written to another of that name", "INSERT", TABLE, RECREATED, UNKNOWN),
    ("its table is gone", "INSERT", TABLE, None, UNKNOWN),
]


def recorded(command: str, table: TableAt | None) -> BeforeWrite:
    """Return what is in the record, after the way through the database."""
    before = BeforeWrite(command, {ORDERS: TableState.of(table.loaded) if table else None})
    return BeforeWrite.from_json(json.loads(json.dumps(before.to_json())))


@pytest.mark.parametrize(("command", "before", "after", "verdict"), [c[1:] for c in CASES], ids=[c[0] for c in CASES])
def test_a_lost_write(command: str, before: TableAt | None, after: TableAt | None, verdict: Verdict) -> None:
    judgement = judge(OWN, recorded(command, before), {ORDERS: after.loaded if after else None})
    assert judgement.verdict is verdict
    assert bool(judgement.reason) is (verdict is UNKNOWN)


@pytest.mark.parametrize(
    ("command", "location", "verdict"),
    [
        ("ALTER VIEW", "v1", NOT_APPLIED),
        ("ALTER VIEW", "v2", UNKNOWN),
        ("CREATE VIEW", "v2", UNKNOWN),
        ("DROP VIEW", None, APPLIED),
        ("DROP VIEW", "v2", NOT_APPLIED),
    ],
)
def test_a_lost_change_of_a_view(command: str, location: str | None, verdict: Verdict) -> None:
    view = {"view-uuid": "33333333-0000-0000-0000-000000000000"}
    before = BeforeWrite(command, {ORDERS: TableState.of(LoadedView("v1", view))})
    after: dict[TableName, Found] = {ORDERS: LoadedView(location, view) if location else None}
    assert judge(OWN, before, after).verdict is verdict


def test_what_changes_no_table() -> None:
    judgement = judge(OWN, BeforeWrite("CREATE SCHEMA", {}), {})
    assert (judgement.verdict, judgement.reason) == (
        UNKNOWN,
        "CREATE SCHEMA changes no table that could be compared",
    )


@pytest.mark.parametrize(("after", "verdict"), [(TABLE, UNKNOWN), (TABLE.signed(OWN), APPLIED)])
def test_a_statement_of_a_server_that_recorded_nothing(after: TableAt, verdict: Verdict) -> None:
    assert judge(OWN, None, {ORDERS: after.loaded}).verdict is verdict


@pytest.mark.parametrize(
    ("after", "bare_after", "found"),
    [
        (TABLE, 2, None),
        (TABLE.signed(OWN, **{"added-records": "3"}), None, WrittenSnapshot(ORDERS, 103, 3)),
        (TABLE.signed(OWN, "overwrite").signed(OTHER), 2, WrittenSnapshot(ORDERS, 103, None)),
        (TABLE.snapshot("delete"), 2, WrittenSnapshot(ORDERS, 103, None)),
        (TABLE.snapshot("delete"), None, None),
        (TABLE.snapshot("delete"), 3, None),
        (TABLE.snapshot("delete").snapshot("delete"), 2, None),
    ],
    ids=["none", "append", "overwrite", "whole files", "not known to have succeeded", "an earlier one", "one of two"],
)
def test_the_snapshot_of_a_write(after: TableAt, bare_after: int | None, found: WrittenSnapshot | None) -> None:
    assert written_snapshot(ORDERS, after.loaded.metadata, OWN, bare_after) == found
