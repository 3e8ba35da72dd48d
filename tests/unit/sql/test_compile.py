"""What engines are given: names in full, projections named as PostgreSQL does, snapshots, views, limits."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pytest
from pyiceberg.catalog.sql import SqlCatalog

import icefield_sql as plan_sql
from icefield_sql import (
    Column,
    Compiled,
    Engine,
    Names,
    Snapshot,
    SqlError,
    Table,
    TableName,
    UnresolvedName,
    View,
    parse,
    resolve,
)

from .catalog import MemoryCatalog

NAMES = Names("acme", frozenset({"polnor", "oleander"}), ("demo",))
COLUMNS = (Column("id", "bigint", False), Column("name", "string", comment="who"), Column("price", "decimal(10,2)"))
ORDERS = Table(
    "s3://lake/orders.metadata.json",
    3,
    (Snapshot(1, 1_000), Snapshot(2, 2_000), Snapshot(3, 3_000)),
    COLUMNS,
    partitioning=("bucket(4, id)",),
    properties={"format": "parquet"},
    location="s3://lake/orders",
    refs={"main": 3, "audit": 2},
    history=((1_000, 1), (2_000, 2), (3_000, 3)),
)
EMPTY = Table("s3://lake/empty.metadata.json", None, columns=COLUMNS)
CATALOG = MemoryCatalog(
    {
        "demo.orders": ORDERS,
        "demo.empty": EMPTY,
        "sales.orders": Table("s3://lake/sales.metadata.json", 9, columns=COLUMNS),
        "sales.raw.events": Table("s3://lake/events.metadata.json", 7, columns=COLUMNS),
        "demo.cheap": View("SELECT id, name FROM orders WHERE price < 10", default_namespace=("demo",)),
        "sales.nested": View('SELECT count(*) FROM prod.demo.cheap AS "c"', default_catalog="prod"),
        "demo.renamed": View(
            "SELECT id FROM orders", default_namespace=("demo",), columns=(Column("number", "bigint"),)
        ),
        "demo.sparky": View("SELECT hash(id) AS h FROM orders", default_namespace=("demo",)),
    }
)


async def plan(text: str, engine: Any = "auto", limit: int | None = None, **options: Any) -> Compiled:
    return plan_sql.compile(await resolve(parse(text, NAMES, **options), CATALOG), engine, limit)


SPARK = [
    ("select * from orders", "select * from `acme`.`demo`.`orders`"),
    ('SELECT "id" FROM "polnor"."demo"."orders"', "SELECT `id` FROM `acme`.`demo`.`orders`"),
    ("select * from polnor.sales.raw.events e", "select * from `acme`.`sales`.`raw`.`events` e"),
    ("select polnor.demo.orders.id from orders", "select `orders`.id from `acme`.`demo`.`orders`"),
    ("select demo.orders.* from demo.orders", "select `orders`.* from `acme`.`demo`.`orders`"),
    (
        "select demo.orders.id, sales.orders.id from orders, sales.orders",
        "select `orders`.id , `sales.orders`.id from `acme`.`demo`.`orders` , "
        "`acme`.`sales`.`orders` AS `sales.orders`",
    ),
    ("select count(*) from orders", "select count ( * ) AS `count` from `acme`.`demo`.`orders`"),
    (
        "select 'it''s \\' \\\\ x' as a, r'\\d', X'ff'",
        "select 'it\\'s \\' \\\\ x' as a , '\\\\d' AS `?column?` , X'ff' AS `?column?`",
    ),
    ("select 1L, 1.5BD, 2e3D from orders /* c */ -- d", None),
    ("delete from orders where id in (1, 2)", "delete from `acme`.`demo`.`orders` where id in ( 1 , 2 )"),
    (
        "insert into orders (id, name) values (1, 'a')",
        "insert into `acme`.`demo`.`orders` ( id , name, `price` ) SELECT *, CAST(NULL AS decimal(10,2)) "
        "FROM (values ( 1 , 'a' ))",
    ),
    ("insert into orders values (1, 'a', 2)", "insert into `acme`.`demo`.`orders` values ( 1 , 'a' , 2 )"),
    ("insert into orders (name) values ('a')", "insert into `acme`.`demo`.`orders` ( name ) values ( 'a' )"),
    (
        "create table x using iceberg as select max(id) from orders",
        "create table `acme`.`demo`.`x` using iceberg as select max ( id ) AS `max` from `acme`.`demo`.`orders`",
    ),
    (
        'alter table "acme"."demo"."orders" rename to polnor.demo.x',
        "alter table `acme`.`demo`.`orders` rename to `demo`.`x`",
    ),
    ("alter table orders rename to x", "alter table `acme`.`demo`.`orders` rename to `demo`.`x`"),
    (
        "call system.rollback_to_snapshot(table => 'demo.orders', snapshot_id => 2)",
        "call `acme`.`system`.`rollback_to_snapshot` (table => '`acme`.`demo`.`orders`', snapshot_id => 2)",
    ),
    ("select * from demo.orders.snapshots", "select * from `acme`.`demo`.`orders`.`snapshots`"),
    (
        "select * from orders for version as of 2 o",
        "select * from `acme`.`demo`.`orders` for version as of 2 o",
    ),
    ("select explode(map(1, 2)) from orders", "select explode ( map ( 1 , 2 ) ) from `acme`.`demo`.`orders`"),
    ("table orders", "table `acme`.`demo`.`orders`"),
]


@pytest.mark.parametrize(("text", "wanted"), SPARK)
async def test_spark_is_given_our_own_words(text: str, wanted: str | None) -> None:
    compiled = await plan(text, Engine.SPARK)
    assert compiled.engine is Engine.SPARK
    if wanted is not None:
        assert compiled.sql.replace("\n", " ") == wanted


async def test_comments_do_not_reach_spark() -> None:
    assert "/*" not in (await plan("select 1 as a /*+ x */ -- y", Engine.SPARK)).sql


NAMED = [
    ("count(*)", "count"),
    ("sum(price) OVER (ORDER BY id)", "sum"),
    ("max(id) FILTER (WHERE id > 1) OVER ()", "max"),
    ("coalesce(id, 1)", "coalesce"),
    ("id + 1", "?column?"),
    ("1", "?column?"),
    ("'x'", "?column?"),
    ("id IS NULL", "?column?"),
    ("CAST(id AS string)", "id"),
    ("id::string", "id"),
    ("CAST('1' AS int)", "int"),
    ("CAST('1' AS decimal(3,1))", "decimal"),
    ("CASE WHEN true THEN 1 END", "case"),
    ("CASE WHEN true THEN 1 ELSE id END", "id"),
    ("EXTRACT(year FROM current_date)", "extract"),
    ("(SELECT max(price) FROM orders)", "max"),
    ("EXISTS (SELECT 1 FROM orders)", "exists"),
    ("substring(name, 1, 2)", "substring"),
    ("trim(name)", "trim"),
    ("(id)", "id"),
    ("orders.id", "id"),
    ("id AS x", "x"),
    ("DATE '2024-01-01'", "date"),
    ("current_date", "current_date"),
]


@pytest.mark.parametrize(("expression", "name"), NAMED)
async def test_projections_are_named_as_postgresql_does(expression: str, name: str) -> None:
    text = f"SELECT {expression} FROM orders"
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE o (id BIGINT, name VARCHAR, price DECIMAL(10, 2))")
        connection.execute("CREATE MACRO iceberg_scan(x) AS TABLE SELECT * FROM o")
        described = connection.execute((await plan(text)).sql).description
    assert [column[0] for column in described] == [name]
    spark = (await plan(text, Engine.SPARK)).sql
    assert spark.partition(" from")[0].rstrip().endswith(f"`{name}` FROM `acme`.`demo`.`orders`") or name in expression


async def test_an_alias_hides_no_column_of_order_by() -> None:
    text = "SELECT CASE WHEN true THEN 1 ELSE id END FROM orders ORDER BY id"
    assert (await plan(text)).sql.endswith('ORDER BY "orders".id NULLS FIRST')
    assert (await plan(text, Engine.SPARK)).sql.endswith("ORDER BY `orders`.`id`")


@pytest.mark.parametrize(
    ("clause", "snapshot"),
    [
        ("FOR VERSION AS OF 1", 1),
        ("VERSION AS OF 2", 2),
        ("VERSION AS OF '2'", 2),
        ("FOR SYSTEM_VERSION AS OF 'audit'", 2),
        ("VERSION AS OF 'main'", 3),
        ("TIMESTAMP AS OF '1970-01-01 00:00:02.5'", 2),
        ("FOR TIMESTAMP AS OF TIMESTAMP '1970-01-01 00:00:01'", 1),
        ("FOR SYSTEM_TIME AS OF '1970-01-01T02:00:03+02:00'", 3),
        ("TIMESTAMP AS OF 2", 2),
    ],
)
async def test_time_travel(clause: str, snapshot: int) -> None:
    compiled = await plan(f"SELECT id FROM orders {clause}")
    assert f"snapshot_from_id => {snapshot})" in compiled.sql
    assert compiled.read == ((TableName(("demo",), "orders"), snapshot),)


@pytest.mark.parametrize(
    "clause",
    [
        "VERSION AS OF 77",
        "VERSION AS OF 'nope'",
        "VERSION AS OF '²'",
        f"VERSION AS OF {'9' * 5000}",
        "TIMESTAMP AS OF '1969-01-01'",
        "TIMESTAMP AS OF '1969-01-01T00:00:00+02:00'",
    ],
)
async def test_no_such_snapshot(clause: str) -> None:
    with pytest.raises(UnresolvedName) as missing:
        await plan(f"SELECT id FROM orders {clause}")
    assert missing.value.code == "SNAPSHOT_NOT_FOUND"


@pytest.mark.parametrize(
    "expression",
    ["9" * 5000, f"substr('a', {'9' * 5000})", f"CAST(1 AS DECIMAL({'9' * 5000}, 2))", "CAST(1 AS DECIMAL(1e400))"],
)
async def test_no_integer_has_thousands_of_digits(expression: str) -> None:
    with pytest.raises(SqlError):
        await plan(f"SELECT {expression}", Engine.DUCKDB)


async def test_a_view_is_expanded_with_its_own_names() -> None:
    compiled = await plan("SELECT c.id FROM cheap c")
    assert compiled.engine is Engine.DUCKDB
    assert compiled.sql == (
        "SELECT c.id FROM (SELECT id, name FROM iceberg_scan('s3://lake/orders.metadata.json') AS \"orders\" "
        "WHERE price < 10) AS c"
    )
    assert [str(name) for name, _ in compiled.read] == ["demo.cheap", "demo.orders"]


async def test_views_in_views() -> None:
    compiled = await plan("SELECT count FROM sales.nested")
    assert [str(name) for name, _ in compiled.read] == ["sales.nested", "demo.cheap", "demo.orders"]
    assert compiled.engine is Engine.DUCKDB


async def test_a_view_that_names_its_columns() -> None:
    compiled = await plan("SELECT number + 1 AS next FROM renamed")
    assert compiled.sql.endswith('AS "renamed"("number")')


async def test_a_view_that_only_spark_can_read() -> None:
    compiled = await plan("SELECT * FROM sparky")
    assert compiled.engine is Engine.SPARK
    assert compiled.warnings


async def test_show_functions() -> None:
    shown = await rows_of("SHOW FUNCTIONS")
    assert ("upper", "scalar", "duckdb, spark") in shown
    assert ("cbrt", "scalar", "spark") in shown
    assert ("range", "table", "duckdb, spark") in shown
    assert len(shown) > 300
    assert await rows_of("SHOW FUNCTIONS LIKE 'count|rank'") == await rows_of("SHOW ALL FUNCTIONS LIKE 'rank|count'")
    assert [row[0] for row in await rows_of("SHOW SYSTEM FUNCTIONS 'to_da*'")] == ["to_date"]
    assert await rows_of("SHOW USER FUNCTIONS") == []


async def test_describe_history() -> None:
    first, second = Snapshot(1, 1_704_067_200_000, 0, "append"), Snapshot(2, 1_704_067_201_500, 0, "delete")
    table = Table("t", 2, (first, second), refs={"main": 2, "old": 1, "keep": 1})
    resolved = await resolve(parse("DESCRIBE HISTORY orders", NAMES), MemoryCatalog({"demo.orders": table}))
    relation = duckdb.sql(plan_sql.compile(resolved).sql)
    assert relation.columns == ["snapshot_id", "timestamp", "operation", "is_current", "refs"]
    rows = relation.fetchall()
    assert [(row[0], row[1].timestamp(), *row[2:]) for row in rows] == [
        (2, 1_704_067_201.5, "delete", True, "main"),
        (1, 1_704_067_200.0, "append", False, "keep, old"),
    ]
    for text in ("DESCRIBE history", "DESCRIBE detail"):  # names of tables as well
        assert parse(text, NAMES).reads[0].name in ("history", "detail")


@pytest.mark.parametrize("text", ["SELECT * FROM nope", "DELETE FROM nope", "DROP TABLE nope", "DESCRIBE nope"])
async def test_names_that_the_catalog_does_not_have(text: str) -> None:
    with pytest.raises(UnresolvedName) as missing:
        await plan(text)
    assert missing.value.code == "TABLE_OR_VIEW_NOT_FOUND"
    assert "There is no table or view demo.nope." in missing.value.sentence


async def test_row_limit_asks_for_one_more_and_keeps_the_order() -> None:
    assert (await plan("SELECT id FROM orders ORDER BY id", limit=5)).sql.endswith("ORDER BY id NULLS FIRST LIMIT 6")
    assert (await plan("SELECT id FROM orders ORDER BY id", Engine.SPARK, 5)).sql.endswith("\nLIMIT 6")
    assert (await plan("SELECT id FROM orders LIMIT 3", limit=5)).sql.endswith("LIMIT 3")


@pytest.mark.parametrize(
    ("text", "params", "rows"),
    [
        ("SELECT ? AS a, ? AS b", [1, "it's \\ x"], [(1, "it's \\ x")]),
        ("SELECT :a AS a, :b || :a AS b", {"a": "x", "b": "y"}, [("x", "yx")]),
        ("SELECT ? AS a, ? AS b, ? AS c, ? AS d", [None, True, -5, 2.5], [(None, True, -5, 2.5)]),
        ("SELECT '?' AS a, ? AS b", [2**40], [("?", 2**40)]),
        ("SELECT ? AS a", ["1); DROP TABLE x; --"], [("1); DROP TABLE x; --",)]),
        ("SELECT 1 AS a", [], [(1,)]),
    ],
)
async def test_parameters(text: str, params: Any, rows: list[tuple[Any, ...]]) -> None:
    for dialect in ("icefield", "duckdb"):
        with duckdb.connect() as connection:
            assert connection.execute((await plan(text, params=params, dialect=dialect)).sql).fetchall() == rows


@pytest.mark.parametrize(
    ("text", "params"),
    [
        ("SELECT ?", []),
        ("SELECT ?", [1, 2]),
        ("SELECT ?", {"a": 1}),
        ("SELECT :a", {"b": 1}),
        ("SELECT :a", {"a": 1, "b": 2}),
        ("SELECT ?", [object()]),
        ("SELECT ?", [{"a": 1}]),
    ],
)
def test_wrong_parameters(text: str, params: Any) -> None:
    with pytest.raises(SqlError):
        parse(text, NAMES, params=params)


async def test_thousand_rows_are_planned_without_parsing_each() -> None:
    rows = ",\n".join(f"({n}, 'it''s \\\\ {n}', NULL)" for n in range(1000))
    statement = parse(f"INSERT INTO orders (`id`, `name`, `price`) VALUES {rows}", NAMES)
    compiled = plan_sql.compile(await resolve(statement, CATALOG))
    assert statement.tail
    assert compiled.sql.count("it\\'s \\\\ ") == 1000
    assert "''" not in compiled.sql


@pytest.mark.parametrize("row", ["(1, reflect('a', 'b'), 2)", "(1, (SELECT 1), 2)", "(1, x, 2)", "(1, 'a' 'b', 2)"])
def test_rows_that_are_not_literals_are_parsed(row: str) -> None:
    rows = ", ".join(["(1, 'a', 2)"] * 500)
    text = f"INSERT INTO orders VALUES {rows}, {row}"
    if "reflect" in row:
        with pytest.raises(SqlError):
            parse(text, NAMES)
    else:
        assert parse(text, NAMES).tail == ""


async def rows_of(text: str) -> list[tuple[Any, ...]]:
    compiled = await plan(text)
    assert compiled.engine is Engine.DUCKDB
    with duckdb.connect() as connection:
        return connection.execute(compiled.sql).fetchall()


async def test_show_and_describe() -> None:
    assert await rows_of("SHOW DATABASES") == [("demo",), ("sales",)]
    assert await rows_of("SHOW SCHEMAS IN sales") == [("sales.raw",)]
    assert await rows_of("SHOW DATABASES LIKE 'd*'") == [("demo",)]
    assert ("demo", "orders", False) in await rows_of("SHOW TABLES")
    assert await rows_of("SHOW TABLES IN sales.raw") == [("sales.raw", "events", False)]
    assert await rows_of("SHOW VIEWS IN sales") == [("sales", "nested", False)]
    assert await rows_of("SHOW COLUMNS IN orders") == [("id",), ("name",), ("price",)]
    assert (await rows_of("DESCRIBE orders"))[:2] == [("id", "bigint", None), ("name", "string", "who")]
    assert ("Provider", "iceberg", "") in await rows_of("DESCRIBE TABLE EXTENDED polnor.demo.orders")
    assert await rows_of("DESCRIBE orders name") == [("name", "string", "who")]
    assert await rows_of("SHOW TBLPROPERTIES orders") == [("format", "parquet")]
    ((created,),) = await rows_of("SHOW CREATE TABLE orders")
    assert "PARTITIONED BY (bucket(4, id))" in created
    assert parse(created, NAMES).command == "CREATE TABLE"


async def test_explain() -> None:
    assert (await plan("EXPLAIN SELECT 1 AS a")).sql == "EXPLAIN SELECT 1 AS a"
    write = await plan("EXPLAIN DELETE FROM orders")
    assert (write.engine, write.is_write) == (Engine.SPARK, False)


async def test_engines_that_cannot_run_it() -> None:
    with pytest.raises(SqlError, match="DuckDB cannot write this as Spark would: DELETE is no INSERT INTO"):
        await plan("DELETE FROM orders", Engine.DUCKDB)
    with pytest.raises(SqlError, match="DuckDB cannot answer"):
        await plan("SELECT hash(id) FROM orders", Engine.DUCKDB)
    with pytest.raises(SqlError, match="cannot run on Spark"):
        await plan("SELECT 1", Engine.SPARK, dialect="duckdb")
    with pytest.raises(SqlError, match="not known"):
        await plan("SELECT 1", dialect="mysql")


async def test_columns_of_types_that_spark_does_not_know() -> None:
    catalog = MemoryCatalog({"demo.odd": Table("o", 1, columns=(Column("at", "time"), Column("id", "bigint")))})
    compiled = plan_sql.compile(await resolve(parse("SELECT at, id + 1 AS next FROM odd", NAMES), catalog))
    assert compiled.engine is Engine.DUCKDB


async def test_a_table_is_loaded_once() -> None:
    catalog = MemoryCatalog({"demo.orders": ORDERS})
    await resolve(parse("SELECT * FROM orders a, orders b WHERE a.id IN (SELECT id FROM demo.orders)", NAMES), catalog)
    assert catalog.loads == [TableName(("demo",), "orders")]


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
async def test_scans_of_real_iceberg_tables(dialect: str, tmp_path: Path) -> None:
    """The text of a scan is one that DuckDB's iceberg extension runs: current, older and empty tables."""
    iceberg = SqlCatalog("x", uri=f"sqlite:///{tmp_path}/catalog.db", warehouse=f"file://{tmp_path}")
    iceberg.create_namespace("demo")
    written = iceberg.create_table("demo.t", pyarrow.schema([("id", pyarrow.int64())]))
    empty = written.metadata_location
    written.append(pyarrow.table({"id": [1, 2]}))
    first = written.current_snapshot().snapshot_id
    written.append(pyarrow.table({"id": [3]}))
    now = written.current_snapshot().snapshot_id
    columns = (Column("id", "bigint"),)
    catalog = MemoryCatalog(
        {
            "demo.t": Table(written.metadata_location, now, (Snapshot(first, 1), Snapshot(now, 2)), columns),
            "demo.none": Table(empty, None, columns=columns),
        }
    )
    texts = {"SELECT sum(id) FROM t": [(6,)], "SELECT count(*) FROM none": [(0,)]}
    if dialect == "icefield":
        texts[f"SELECT sum(t.id) FROM t VERSION AS OF {first}"] = [(3,)]
    with duckdb.connect() as connection:
        for name in ("avro", "iceberg"):
            connection.execute(f"LOAD '{extension(name)}'")
        for text, rows in texts.items():
            compiled = plan_sql.compile(await resolve(parse(text, NAMES, dialect=dialect), catalog))
            assert connection.execute(compiled.sql).fetchall() == rows


def extension(name: str) -> Path:
    """Return the file of an extension of DuckDB as its wheel brings it."""
    folder = Path(importlib.import_module(f"duckdb_extension_{name}").__file__ or "").parent
    return next(folder.glob(f"extensions/*/{name}.duckdb_extension"))
