"""Queries for Polars: each is run by Polars itself, on the tables that are bound."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from icefield_crds.polars import TABLE_PATTERN
from icefield_sql import Names, PolarsLimits, Snapshot, Table, View, parse, polars_obstacle, resolve, to_polars

from .catalog import MemoryCatalog

NAMES = Names("acme", frozenset({"oleander"}), ("default",))
LIMITS = PolarsLimits(TABLE_PATTERN)
ORDERS = Table("s3://lake/orders.json", 1, (Snapshot(1, 1_000),))
FRAMES = {
    "sales.orders": pl.LazyFrame({"id": [1, 2, 3], "customer": [1, 1, 2], "note": ["it's", "b", None]}),
    "sales.raw.orders": pl.LazyFrame({"id": [2, 3, 4]}),
    "default.customers": pl.LazyFrame({"id": [1, 2], "name": ["ada", "bob"]}),
}
CATALOG = MemoryCatalog(
    {
        **dict.fromkeys(FRAMES, ORDERS),
        "sales.odd name": ORDERS,
        "sales.recent": View("SELECT * FROM sales.orders"),
    }
)


def run(text: str, dialect: str = "icefield") -> list[dict[str, Any]]:
    query = to_polars(parse(text, NAMES, dialect=dialect))
    context = pl.SQLContext({bound.alias: FRAMES[str(bound.table)] for bound in query.tables})
    return context.execute(query.text).collect().to_dicts()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("SELECT count(*) FROM sales.orders", [{"count": 3}]),
        ("SELECT sum(id) AS s FROM oleander.sales.orders;", [{"s": 6}]),
        ("SELECT customers.name FROM customers ORDER BY customers.name DESC LIMIT 1", [{"name": "bob"}]),
        (
            "SELECT c.`name`, count(*) AS n FROM sales.orders o JOIN customers c ON o.customer = c.id "
            "GROUP BY c.`name` ORDER BY n DESC",
            [{"name": "ada", "n": 2}, {"name": "bob", "n": 1}],
        ),
        (
            "SELECT sales.orders.id FROM sales.orders JOIN sales.raw.orders ON sales.orders.id = sales.raw.orders.id "
            "ORDER BY 1",
            [{"id": 2}, {"id": 3}],
        ),
        (
            "WITH orders AS (SELECT id FROM sales.orders WHERE id > 1) SELECT sum(id) AS s FROM orders",
            [{"s": 5}],
        ),
        (
            "WITH sales_orders AS (SELECT id FROM sales.orders WHERE id > 2) SELECT id FROM sales_orders",
            [{"id": 3}],
        ),
        ('SELECT "id" FROM "sales"."orders" WHERE note = \'it\\\'s\'', [{"id": 1}]),
        ("SELECT id FROM sales.orders UNION ALL SELECT id FROM sales.raw.orders ORDER BY id LIMIT 1", [{"id": 1}]),
    ],
)
def test_polars_runs_what_it_is_given(text: str, rows: list[dict[str, Any]]) -> None:
    assert run(text) == rows


def test_what_is_spelled_as_polars_does_stays_as_it_is() -> None:
    text = "SELECT id, 'a\\b' AS t FROM sales.orders o WHERE note = 'it''s'"
    query = to_polars(parse(text, NAMES, dialect="duckdb"))
    assert query.text == text.replace("sales.orders", "`sales_orders`")
    assert run(text, "duckdb") == [{"id": 1, "t": "a\\b"}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("SELECT * FROM sales.orders", None),
        ("SELECT 1", "names none"),
        ("SELECT * FROM sales.recent", "cannot read the view sales.recent"),
        ("SELECT * FROM sales.orders.snapshots", "which is a metadata table"),
        ("SELECT * FROM sales.orders VERSION AS OF 1", "an earlier version of sales.orders"),
        ("SELECT * FROM sales.`odd name`", "its name has characters that a workload cannot name"),
        (f"SELECT id FROM sales.orders WHERE note = '{'x' * 65536}'", "Polars can run at most 65536"),
    ],
)
async def test_what_polars_cannot_be_given(text: str, reason: str | None) -> None:
    statement = parse(text, NAMES)
    found = polars_obstacle(await resolve(statement, CATALOG), statement, LIMITS)
    assert (found is None) if reason is None else (reason in (found or ""))
