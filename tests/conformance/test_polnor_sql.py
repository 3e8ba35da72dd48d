"""The published `polnor` SDK, unmodified: statements, the DB-API, pandas."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pandas as pd
import polnor
import polnor.dbapi
import pyarrow as pa
import pytest
from polnor._client import Client, PolnorAPIError
from tests.statements import Sql

pytestmark = [pytest.mark.conformance, pytest.mark.usefixtures("sql_sdk")]

SEEN_AT = datetime.datetime(2024, 5, 6, 7, 8, 9, 123456)  # noqa: DTZ001 - pandas has no zone here
DAY = datetime.date(2024, 5, 6)


@pytest.fixture
def orders(sql_sdk: Client, database: str) -> str:
    """A table of three orders, named as the SDK's documentation names tables."""
    table = f"polnor.{database}.default.orders"
    created = polnor.sql(f"CREATE TABLE {table} (id BIGINT, customer STRING, amount DECIMAL(10, 2)) USING iceberg")
    assert (created.columns, created.rows) == ([], [])
    polnor.sql(f"INSERT INTO {table} VALUES (1, 'alice', 9.50), (2, 'bob', 20.00), (3, NULL, 0.01)")
    return table


@pytest.fixture
def connection(sql_sdk: Client) -> Iterator[polnor.dbapi.Connection]:
    with polnor.dbapi.connect() as connection:
        yield connection


def test_rows(orders: str, database: str) -> None:
    result = polnor.sql(f"SELECT * FROM {orders} ORDER BY id LIMIT 2")
    assert result.columns == [
        {"name": "id", "type": "bigint"},
        {"name": "customer", "type": "string"},
        {"name": "amount", "type": "decimal(10,2)"},
    ]
    assert list(result) == [[1, "alice", 9.5], [2, "bob", 20.0]]
    assert (len(result), result.rows_produced, result[1][0]) == (2, 2, 2)
    assert result.to_dicts()[0] == {"id": 1, "customer": "alice", "amount": 9.5}
    frame = result.to_pandas()
    assert frame.columns.tolist() == ["id", "customer", "amount"]
    assert frame["amount"].sum() == 29.5

    counted = polnor.sql("SELECT count(*) FROM orders", schema=database)
    assert (counted.column_names(), counted.rows) == (["count"], [[3]])


def test_arrow(orders: str) -> None:
    result = polnor.sql(f"SELECT * FROM {orders} ORDER BY id", format="arrow")
    assert result.column_names() == ["id", "customer", "amount"]
    table = result.to_arrow_table()
    assert table.schema.types == [pa.int64(), pa.string(), pa.decimal128(10, 2)]
    assert table.column("customer").to_pylist() == ["alice", "bob", None]

    many = polnor.sql("SELECT id FROM range(200000)", format="arrow")
    sizes = [batch.num_rows for batch in many.iter_batches()]
    assert sum(sizes) == many.rows_produced == 200_000
    assert max(sizes) <= 65_536


def test_a_result_of_many_pages_is_whole_as_arrow(orders: str) -> None:
    total = polnor.sql("SELECT sum(id) AS total FROM range(1000000)").rows
    table = polnor.sql("SELECT id FROM range(1000000)", format="arrow").to_arrow_table()
    assert [[sum(table.column("id").to_pylist())]] == total == [[499_999_500_000]]


def test_errors(orders: str, database: str) -> None:
    with pytest.raises(polnor.SQLError) as unknown:
        polnor.sql(f"SELECT * FROM {database}.absent")
    assert (unknown.value.code, "absent" in str(unknown.value)) == ("TABLE_OR_VIEW_NOT_FOUND", True)
    with pytest.raises(polnor.SQLError) as failed:
        polnor.sql(f"SELECT CAST(customer AS INT) FROM {orders}")
    assert "cannot be cast" in str(failed.value)
    with pytest.raises(polnor.SQLError) as refused:
        polnor.sql(f"INSERT INTO {orders} VALUES (1)")
    assert refused.value.statement_id
    for wrong, status in (("SELEC 1", 400), ("SELECT * FROM read_csv('/etc/passwd')", 400)):
        with pytest.raises(PolnorAPIError) as rejected:
            polnor.sql(wrong)
        assert (rejected.value.status, '"error"' in rejected.value.body) == (status, True)
    with pytest.raises(PolnorAPIError) as nowhere:
        polnor.sql("SELECT 1", warehouse_id="wh_000000000000")
    assert nowhere.value.status == 404


def test_dbapi(orders: str, connection: polnor.dbapi.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(f"SELECT id, customer FROM {orders} WHERE id >= ? AND customer <> ? ORDER BY id", (1, "it's"))
    assert [column[:2] for column in cursor.description or ()] == [("id", "bigint"), ("customer", "string")]
    assert (cursor.rowcount, cursor.fetchone(), cursor.fetchmany(5), cursor.fetchone()) == (
        2,
        (1, "alice"),
        [(2, "bob")],
        None,
    )
    cursor.executemany(f"INSERT INTO {orders} VALUES (?, ?, ?)", [(4, "o'neil", 1), (5, None, 2.5)])
    cursor.execute(f"SELECT customer, amount FROM {orders} WHERE id > ? ORDER BY id", (3,))
    assert cursor.fetchall() == [("o'neil", 1.0), (None, 2.5)]
    connection.commit()
    connection.rollback()
    with pytest.raises(polnor.dbapi.ProgrammingError, match="absent"):
        cursor.execute("SELECT * FROM absent.absent")


def test_dates_bound_as_parameters(database: str, connection: polnor.dbapi.Connection) -> None:
    cursor = connection.cursor()
    cursor.execute(f"CREATE TABLE {database}.seen (day DATE, seen_at TIMESTAMP_NTZ, ok BOOLEAN, raw BINARY)")
    cursor.execute(f"INSERT INTO {database}.seen VALUES (?, ?, ?, ?)", (DAY, SEEN_AT, True, b"\x00\xff"))
    cursor.execute(f"SELECT * FROM {database}.seen WHERE day = ? AND seen_at <= ?", (DAY, SEEN_AT))
    assert cursor.fetchall() == [("2024-05-06", "2024-05-06T07:08:09.123456", True, "AP8=")]


@pytest.mark.filterwarnings("ignore:pandas only supports SQLAlchemy:UserWarning")
def test_pandas_reads_through_the_dbapi(orders: str, connection: polnor.dbapi.Connection) -> None:
    frame = pd.read_sql(f"SELECT id, customer FROM {orders} WHERE id < ? ORDER BY id", connection, params=(3,))
    assert frame.to_dict("list") == {"id": [1, 2], "customer": ["alice", "bob"]}


def test_write_pandas_and_read_pandas(database: str, sql: Sql) -> None:
    table = f"{database}.frames"
    frame = pd.DataFrame(
        {
            "id": [1, 2, 3],
            "name": pd.Series(["Ada", "O'Neil", None], dtype=object),
            "score": [1.5, float("nan"), -2.0],
            "ok": [True, False, True],
            "seen at": pd.to_datetime([SEEN_AT, None, SEEN_AT]),
        }
    )
    assert polnor.write_pandas(frame, table, mode="create") == 3
    read = polnor.read_pandas(table, columns=["id", "name", "ok"], where="id < 3").sort_values("id")
    assert read.to_dict("list") == {"id": [1, 2], "name": ["Ada", "O'Neil"], "ok": [True, False]}
    assert sql.rows(f"SELECT score FROM {table} ORDER BY id") == [[1.5], [None], [-2.0]]
    assert sql.value(f"SELECT date_format(max(`seen at`), 'yyyy-MM-dd HH:mm') FROM {table}") == "2024-05-06 07:08"

    assert polnor.write_pandas(frame, table) == 3
    assert len(polnor.read_pandas(table)) == 6
    assert len(polnor.read_pandas(f"polnor.`{database}`.default.frames", limit=4)) == 4
    assert polnor.write_pandas(frame.head(1), table, mode="overwrite") == 1
    assert polnor.read_pandas(table)["name"].tolist() == ["Ada"]


def test_write_pandas_in_chunks_of_numbers_alone(database: str, sql: Sql) -> None:
    # The SDK quotes numpy's own numbers, which is what a frame of nothing but integers is made of.
    frame = pd.DataFrame({"a": range(2500), "b": range(0, 5000, 2)})
    assert polnor.write_pandas(frame, f"{database}.numbers", mode="create") == 2500
    assert sql.rows(f"SELECT count(*), sum(b) - 2 * sum(a) FROM {database}.numbers") == [[2500, 0]]
