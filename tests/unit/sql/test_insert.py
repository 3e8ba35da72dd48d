"""INSERTs for DuckDB: which are, what is sent, and what goes to Spark, whose own rules the casts follow."""

from __future__ import annotations

import json
from typing import Any

import duckdb
import pyarrow as pa
import pytest

import icefield_sql as sql
from icefield_sql import Column, Compiled, Names, SqlError, Table

from .catalog import MemoryCatalog

NAMES = Names("demo", frozenset(), ("sales",))
COLUMNS = (
    *(Column("id", "bigint"), Column("name", "string"), Column("amount", "decimal(10,2)"), Column("day", "date")),
    *(Column("wide", "double"), Column("raw", "binary"), Column("tags", "array<string>")),
)


def _table(*columns: Column, **fields: Any) -> Table:
    described: dict[str, Any] = {"uuid": "u-1", "schema_id": 3, "spec_id": 1, "append_obstacle": None, **fields}
    return Table("s3://lake/orders/v1.metadata.json", columns=columns or COLUMNS, **described)


OBJECTS = {
    "sales.orders": _table(),
    "sales.needs": _table(Column("id", "bigint", nullable=False), Column("name", "string")),
    "sales.sorted": _table(append_obstacle="the table has a sort order."),
}


async def _plan(query: str, engine: Any = "auto", params: Any = None) -> Compiled:
    statement = sql.parse(query, NAMES, params=params)
    return sql.compile(await sql.resolve(statement, MemoryCatalog(OBJECTS)), engine)


def _rows(compiled: Compiled) -> list[tuple[Any, ...]]:
    """What DuckDB makes of it."""
    with duckdb.connect() as connection:
        if compiled.literals:
            columns = {f"c{index}": pa.array(texts, pa.string()) for index, texts in enumerate(compiled.literals)}
            connection.register("literals", pa.table(columns))
        return connection.execute(compiled.sql).fetchall()


async def test_what_is_sent() -> None:
    compiled = await _plan("INSERT INTO orders (name, ID) SELECT 'x', id FROM orders")
    assert (compiled.engine, compiled.is_write, compiled.literals) == (sql.Engine.DUCKDB, True, ())
    assert compiled.append == sql.Append(
        sql.TableName(("sales",), "orders"), "u-1", 3, 1, "s3://lake/orders/v1.metadata.json"
    )
    assert [str(table) for table, _ in compiled.read] == ["sales.orders"]
    assert [str(table) for table in compiled.written] == ["sales.orders"]
    assert compiled.sql.startswith('SELECT CAST(c1 AS BIGINT) AS "id", CAST(c0 AS VARCHAR) AS "name"')
    assert 'CAST(NULL AS VARCHAR[]) AS "tags"' in compiled.sql


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("INSERT INTO sorted VALUES (1)", "sort order"),
        ("INSERT OVERWRITE orders SELECT * FROM orders", "INSERT OVERWRITE is no INSERT INTO"),
        ("INSERT INTO orders BY NAME SELECT 1 AS id", "BY NAME"),
        ("INSERT INTO orders PARTITION (id = 1) SELECT 'x'", "PARTITION"),
        ("INSERT INTO orders (id, ID) VALUES (1, 2)", "list of columns"),
        ("INSERT INTO orders (id, other) VALUES (1, 2)", "list of columns"),
        ("INSERT INTO needs (name) VALUES ('x')", "needs a value"),
        ("INSERT INTO orders (id) VALUES (1, 2)", "another number of columns"),
        ("INSERT INTO orders (id) SELECT hash(id) FROM orders", "hash"),
        ("INSERT INTO orders (id) SELECT 'x'", "a string as a bigint"),
        ("INSERT INTO orders (id) SELECT true", "a boolean as a bigint"),
        ("INSERT INTO orders (id) VALUES (DEFAULT)", "not known"),
        ("INSERT INTO orders (name) SELECT wide FROM orders", "written as a string"),
        ("INSERT INTO orders (wide) SELECT CAST(id AS DECIMAL(20,0)) FROM orders", "as a double"),
        ("CREATE TABLE t AS SELECT 1 AS a", "no INSERT INTO"),
        ("UPDATE orders SET id = 1", "no INSERT INTO"),
    ],
)
async def test_what_spark_writes(query: str, why: str) -> None:
    compiled = await _plan(query)
    assert (compiled.engine, compiled.append) == (sql.Engine.SPARK, None)
    with pytest.raises(SqlError, match=why):
        await _plan(query, sql.Engine.DUCKDB)


async def test_the_engine_that_was_asked_for() -> None:
    assert (await _plan("INSERT INTO orders (id) VALUES (1)", sql.Engine.SPARK)).engine is sql.Engine.SPARK
    assert (await _plan("INSERT INTO orders (id) VALUES (1)", sql.Engine.DUCKDB)).engine is sql.Engine.DUCKDB


async def test_values_with_parameters() -> None:
    compiled = await _plan("INSERT INTO orders (id, name, wide) VALUES (?, ?, ?)", params=[7, "it's \\ ü", 0.5])
    assert _rows(compiled) == [(7, "it's \\ ü", None, None, 0.5, None, None)]


def _long(*rows: str) -> str:
    """Rows of literals that are long enough to be sent as data."""
    return ", ".join([*rows, *([rows[-1]] * (3000 // len(rows[-1])))])


async def test_literals_are_sent_as_data() -> None:
    rows = (
        r"(1, 'it''s \'a\' \\ ü', 1.5, DATE '1969-12-31', 1e3, X'00ff', NULL)",
        "(NULL, NULL, -.25, NULL, 2, NULL, NULL)",
        "(-5, '', 3, DATE'2024-02-29', -0.5, X'', NULL)",
    )
    compiled = await _plan(f"INSERT INTO orders VALUES {_long(*rows)}")
    assert len(compiled.sql) < 800
    assert json.loads(json.dumps(compiled.literals[0]))[:3] == ["1", None, "-5"]
    first, second, third, *_ = map(repr, _rows(compiled))
    assert first == (
        "(1, \"it's 'a' \\\\ ü\", Decimal('1.50'), datetime.date(1969, 12, 31), 1000.0, b'\\x00\\xff', None)"
    )
    assert second == "(None, None, Decimal('-0.25'), None, 2.0, None, None)"
    assert third == "(-5, '', Decimal('3.00'), datetime.date(2024, 2, 29), -0.5, b'', None)"


async def test_strings_become_what_their_columns_are() -> None:
    rows = _long("('12', 'x', ' 1.25 ', '2024-03-01')", "(NULL, NULL, NULL, NULL)")
    first, second, *_ = _rows(await _plan(f"INSERT INTO orders (id, name, amount, day) VALUES {rows}"))
    assert repr(first[:4]) == "(12, 'x', Decimal('1.25'), datetime.date(2024, 3, 1))"
    assert second == (None,) * 7


@pytest.mark.parametrize(
    ("columns", "row", "odd"),
    [
        ("id", "(1)", "(1.5), ('x')"),
        ("id", "(1)", "(TRUE)"),
        ("name", "('a')", r"('a\n')"),
        ("id, name", "(1, 'a')", "(1)"),
        ("day", "(DATE '2024-01-01')", "(DATE '2024-1')"),
        ("day", "(DATE '2024-01-01')", "(TIMESTAMP '2024-01-01 00:00:00')"),
        ("raw", "(X'00')", "(X'000')"),
        ("amount", "(1)", f"({'9' * 30})"),
        ("amount", f"({'9' * 20}.5)", f"(0.{'1' * 30})"),
    ],
)
async def test_literals_that_spark_reads(columns: str, row: str, odd: str) -> None:
    rows = _long(row)
    assert (await _plan(f"INSERT INTO orders ({columns}) VALUES {rows}")).engine is sql.Engine.DUCKDB
    assert (await _plan(f"INSERT INTO orders ({columns}) VALUES {rows}, {odd}")).engine is sql.Engine.SPARK
