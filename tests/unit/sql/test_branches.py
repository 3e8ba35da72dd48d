"""Branches and tags, named after their table or in FOR VERSION AS OF: which table, which snapshot, which engine."""

from __future__ import annotations

import pytest

import icefield_sql as sql
from icefield_sql import Column, Compiled, Engine, Names, Snapshot, SqlError, Table, UnresolvedName, View

from .catalog import MemoryCatalog

NAMES = Names("acme", frozenset({"polnor"}), ("sales",))
TABLE = Table(
    "t",
    2,
    (Snapshot(1, 1_704_103_200_000, 0), Snapshot(2, 1_704_103_300_000, 1), Snapshot(3, 1_704_103_400_000, 1)),
    (Column("id", "bigint"), Column("customer", "string")),
    schema_id=1,
    refs={"main": 2, "audit": 3, "old": 1, "v1": 3},
)
CATALOG = MemoryCatalog(
    {
        "sales.orders": TABLE,
        "sales.raw.events": TABLE,
        "sales.view": View("SELECT id FROM sales.orders.branch_audit"),
        "odd.orders.branch_audit": TABLE,
    }
)


async def compiled(text: str) -> Compiled:
    return sql.compile(await sql.resolve(sql.parse(text, NAMES), CATALOG))


@pytest.mark.parametrize(
    ("table", "name", "snapshot", "engine"),
    [
        ("sales.orders.branch_audit", "sales.orders", 3, Engine.DUCKDB),
        ("acme.sales.orders.branch_audit", "sales.orders", 3, Engine.DUCKDB),
        ("orders.branch_audit", "sales.orders", 3, Engine.DUCKDB),
        ("sales.orders.tag_v1", "sales.orders", 3, Engine.DUCKDB),
        ("sales.raw.events.branch_audit", "sales.raw.events", 3, Engine.DUCKDB),
        ("sales.orders.branch_main", "sales.orders", 2, Engine.DUCKDB),
        ("sales.orders FOR VERSION AS OF 'audit'", "sales.orders", 3, Engine.DUCKDB),
        ("sales.orders.branch_old", "sales.orders", 1, Engine.SPARK),
        ("sales.orders FOR VERSION AS OF 'old'", "sales.orders", 1, Engine.SPARK),
        ("odd.orders.branch_audit", "odd.orders.branch_audit", 2, Engine.DUCKDB),
    ],
)
async def test_reads(table: str, name: str, snapshot: int, engine: Engine) -> None:
    """A branch whose last change had other columns is read by Spark, which gives it the table's."""
    plan = await compiled(f"SELECT * FROM {table}")
    assert [(str(read), at) for read, at in plan.read] == [(name, snapshot)]
    assert plan.engine is engine
    if engine is Engine.DUCKDB:
        assert ("snapshot_from_id" in plan.sql) is (name != "odd.orders.branch_audit")


async def test_a_branch_is_a_label_of_columns_and_part_of_a_view() -> None:
    plan = await compiled(
        "SELECT branch_audit.id FROM sales.orders.branch_audit JOIN view ON view.id = branch_audit.id"
    )
    assert (plan.engine, plan.sql.count("snapshot_from_id => 3")) == (Engine.DUCKDB, 2)


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO sales.orders.branch_audit VALUES (1, 'a')",
        "INSERT INTO orders.branch_audit VALUES (1, 'a')",
        "INSERT OVERWRITE sales.orders.branch_audit SELECT * FROM sales.orders",
        "UPDATE sales.orders.branch_audit SET id = 1",
        "DELETE FROM orders.branch_audit WHERE id = 1",
        "MERGE INTO sales.orders.branch_audit t USING orders s ON t.id = s.id WHEN MATCHED THEN DELETE",
    ],
)
async def test_writes_go_to_the_branch_and_count_for_the_table(text: str) -> None:
    plan = await compiled(text)
    assert (plan.engine, plan.is_write) == (Engine.SPARK, True)
    assert "`acme`.`sales`.`orders`.`branch_audit`" in plan.sql
    assert [str(name) for name in plan.written] == ["sales.orders"]


async def test_the_columns_that_an_insert_leaves_out_are_the_tables() -> None:
    plan = await compiled("INSERT INTO sales.orders.branch_audit (id) VALUES ('1')")
    assert "CAST(NULL AS string)" in plan.sql
    assert "CAST(`col1` AS bigint)" in plan.sql


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "SELECT * FROM sales.orders.branch_audt",
            "Line 1, column 15: The table sales.orders has no branch audt; did you mean audit?",
        ),
        ("SELECT * FROM sales.orders.tag_x", "Line 1, column 15: The table sales.orders has no tag x."),
        (
            "SELECT * FROM sales.ordrs.branch_audit",
            "Line 1, column 15: There is no table or view sales.ordrs; did you mean sales.orders?",
        ),
        ("INSERT INTO sales.orders.branch_x VALUES (1)", "Line 1, column 26: The table sales.orders has no branch x."),
        (
            "INSERT INTO sales.orders.tag_v1 VALUES (1)",
            "sales.orders.tag_v1 is a tag, which cannot be written to; a branch can.",
        ),
        ("DELETE FROM sales.orders.tag_v1", "sales.orders.tag_v1 is a tag, which cannot be written to; a branch can."),
        ("SELECT * FROM sales.view.branch_audit", "The view sales.view has no branches or tags."),
    ],
)
async def test_what_is_not_there(text: str, sentence: str) -> None:
    with pytest.raises((UnresolvedName, SqlError)) as refused:
        await compiled(text)
    assert refused.value.sentence == sentence
