"""What published clients send: transactions, strings for every type, keys, and tables that are views."""

from __future__ import annotations

import pytest

import icefield_sql as sql
from icefield_sql import Column, Engine, Names, SqlError, Table, View

from .catalog import MemoryCatalog

NAMES = Names("acme", frozenset({"polnor"}), None)
COLUMNS = (Column("id", "bigint", False), Column("day", "date"), Column("name", "string"), Column("ok", "boolean"))
CATALOG = MemoryCatalog(
    {
        "demo.t": Table("s3://lake/t.metadata.json", 1, columns=COLUMNS),
        "demo.v": View("SELECT id FROM t", default_namespace=("demo",)),
    }
)
ROWS = ",\n".join(f"('{number}', 'n{number}')" for number in range(300))


async def spark(text: str) -> str:
    """Return what Spark is given, on one line."""
    compiled = sql.compile(await sql.resolve(sql.parse(text, NAMES), CATALOG))
    assert compiled.engine is Engine.SPARK
    return " ".join(compiled.sql.split())


@pytest.mark.parametrize("text", ["BEGIN", "begin transaction", "START TRANSACTION;", "COMMIT", "ROLLBACK WORK"])
async def test_transactions_are_nothing_to_run(text: str) -> None:
    compiled = sql.compile(await sql.resolve(sql.parse(text, NAMES), CATALOG))
    assert (compiled.sql, compiled.is_write) == ("", False)


@pytest.mark.parametrize("text", ["BEGIN TRANSACTION READ ONLY", "COMMIT PREPARED 'x'", "START", "EXPLAIN BEGIN"])
def test_more_of_a_transaction_is_refused(text: str) -> None:
    with pytest.raises(SqlError):
        sql.parse(text, NAMES)


async def test_strings_take_the_type_of_their_column() -> None:
    written = await spark("INSERT INTO demo.t VALUES ('1', '2024-01-01', 'it''s', TRUE), (2, NULL, 'x', 'False')")
    chosen = "SELECT CAST(`col1` AS bigint), CAST(`col2` AS date), `col3`, CAST(`col4` AS boolean) FROM"
    assert chosen in written
    assert r"'it\'s'" in written


async def test_rows_whose_strings_are_strings_go_in_as_they_are() -> None:
    assert "SELECT" not in await spark("INSERT INTO demo.t VALUES (1, DATE '2024-01-01', 'x', TRUE)")


async def test_strings_take_their_columns_types_where_columns_are_left_out_too() -> None:
    written = await spark("INSERT INTO demo.t (day, id) VALUES ('2024-01-01', 1)")
    assert "( day , id, `name`, `ok` ) SELECT CAST(`col1` AS date), `col2`, CAST(NULL AS string)" in written


async def test_the_many_rows_of_a_data_frame_do_so_too() -> None:
    written = await spark(f"INSERT INTO demo.t (`id`, `name`) VALUES {ROWS}")
    assert "SELECT CAST(`col1` AS bigint), `col2`, CAST(NULL AS date), CAST(NULL AS boolean) FROM (VALUES" in written
    assert written.endswith("('299', 'n299'))")


async def test_an_update_assigns_strings_likewise() -> None:
    written = await spark("UPDATE demo.t SET day = '2024-05-05', name = 'z' WHERE id = 1")
    assert "day = CAST('2024-05-05' AS date) , name = 'z'" in written


async def test_types_of_the_catalog_are_written_in_our_words() -> None:
    kinds = {"s": "struct<a b:int>", "t": "struct<`x> ) --`:array<int>>", "odd": "int) , reflect('a', 'b'", "d": "date"}
    odd = Table("t", 1, columns=tuple(Column(name, kind) for name, kind in kinds.items()))
    catalog = MemoryCatalog(
        {"demo.odd": odd, "demo.fine": Table("t", 1, columns=(odd.columns[1], Column("d", "date")))}
    )

    async def written(name: str) -> str:
        statement = sql.parse(f"INSERT INTO demo.{name} (d) VALUES ('2024-01-01')", NAMES)
        return sql.compile(await sql.resolve(statement, catalog)).sql

    assert "reflect" not in await written("odd")
    assert "CAST(NULL AS struct<`x> ) --`:array<int>>)" in await written("fine")


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("id BIGINT NOT NULL, name STRING, PRIMARY KEY (id, name)", "( id BIGINT NOT NULL , name STRING )"),
        ("id BIGINT PRIMARY KEY, name STRING", "( id BIGINT , name STRING )"),
        ('id BIGINT, "primary key" STRING', "( id BIGINT , `primary key` STRING )"),
    ],
)
async def test_primary_keys_are_left_out(columns: str, expected: str) -> None:
    assert expected in await spark(f"CREATE TABLE demo.new ({columns}) USING iceberg")


async def test_what_is_done_to_a_table_is_done_to_a_view_of_that_name() -> None:
    assert await spark("ALTER TABLE demo.v RENAME TO demo.w") == "ALTER VIEW `acme`.`demo`.`v` RENAME TO `demo`.`w`"
    assert await spark("DROP TABLE IF EXISTS demo.v") == "DROP VIEW IF EXISTS `acme`.`demo`.`v`"
    assert await spark("ALTER TABLE demo.t RENAME TO demo.u") == "ALTER TABLE `acme`.`demo`.`t` RENAME TO `demo`.`u`"
