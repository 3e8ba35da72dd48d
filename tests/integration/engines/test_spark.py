"""The gateway with Spark beside: writes, what both engines agree on, and a Spark that is lost."""

from __future__ import annotations

import signal
import time
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from icefield_apiserver.core.arrow.cells import rows_of
from tests.equality_deletes import delete_where_equal

from .conftest import NAMESPACE, SLUG
from .pod import Pod, new_id, new_name

pytestmark = pytest.mark.integration

COLUMNS = """
    id INT, flag BOOLEAN, big BIGINT, small FLOAT, wide DOUBLE, amount DECIMAL(38,9), name STRING, raw BINARY, day DATE,
    moment TIMESTAMP, local TIMESTAMP_NTZ, tags ARRAY<STRING>, point STRUCT<x: DOUBLE, y: ARRAY<INT>>,
    prices MAP<STRING, DECIMAL(10,2)>
"""
VALUES = """
    (1, true, 9223372036854775807, cast('NaN' AS FLOAT), cast('NaN' AS DOUBLE), 12345678901234567890123456789.123456789,
     'ünï', X'00FF', DATE'0001-01-01', TIMESTAMP'1969-12-31 23:59:59.999999Z',
     TIMESTAMP_NTZ'2024-02-29 12:00:00.000001', array('a', NULL),
     named_struct('x', -0D, 'y', array(1, NULL)), map('k', 1.50)),
    (2, false, -9007199254740993, -0F, -0D, -0.000000001, '', X'', DATE'9999-12-31',
     TIMESTAMP'2024-06-01 00:00:00+02:00', TIMESTAMP_NTZ'1900-01-01 00:00:00', array(),
     named_struct('x', cast('Infinity' AS DOUBLE), 'y', NULL), map()),
    (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""
TYPES = [
    *("int", "boolean", "bigint", "float", "double", "decimal(38,9)", "string", "binary", "date", "timestamp"),
    *("timestamp_ntz", "array<string>", "struct<x:double,y:array<int>>", "map<string,decimal(10,2)>"),
]
ENDLESS = "SELECT count(*) FROM range(1000000000000)"


def _scan(table: Table) -> str:
    return f"iceberg_scan('{table.refresh().metadata_location}')"


def _made(pod: Pod, catalog: Catalog, columns: str, properties: str = "") -> tuple[str, Table]:
    """Make a table on Spark; return its name and the table."""
    name = f"{NAMESPACE}.{new_name()}"
    pod.write(f"CREATE TABLE {name} ({columns}) USING iceberg {properties}")
    return name, catalog.load_table(name)


def _statement_ids(table: Table) -> list[Any]:
    return [snapshot.summary and snapshot.summary["icefield.statement-id"] for snapshot in table.refresh().snapshots()]


def test_both_engines_agree_on_every_type(pod: Pod, catalog: Catalog) -> None:
    name, table = _made(pod, catalog, COLUMNS)
    pod.write(f"INSERT INTO {name} VALUES {VALUES}")
    from_duckdb = pod.run(f"SELECT * FROM {_scan(table)} ORDER BY id")
    from_spark = pod.run(f"SELECT * FROM {name} ORDER BY id", engine="spark")
    for state in (from_duckdb, from_spark):
        assert state["status"] == "succeeded", state["error"]
        assert [column["type"] for column in state["schema"]] == TYPES
    one, other = pod.result(from_duckdb), pod.result(from_spark)
    assert str(one.schema) == str(other.schema)
    assert repr(one.to_pylist()) == repr(other.to_pylist())
    rows = one.to_pylist()
    assert rows[0]["big"] == 2**63 - 1
    assert rows[0]["amount"] == Decimal("12345678901234567890123456789.123456789")
    assert rows[0]["raw"] == b"\x00\xff"
    assert str(rows[1]["wide"]) == "-0.0"
    assert rows[0]["prices"] == [("k", Decimal("1.50"))]
    assert set(rows[2].values()) == {3, None}


def test_empty_results_are_the_same(pod: Pod, catalog: Catalog) -> None:
    name, table = _made(pod, catalog, COLUMNS)
    one = pod.rows(f"SELECT * FROM {name}", engine="spark")
    assert one.num_rows == 0
    pod.write(f"INSERT INTO {name} (SELECT * FROM {name})")
    assert str(pod.rows(f"SELECT * FROM {_scan(table)} WHERE id = 5").schema) == str(one.schema)


def test_lists_and_maps_of_nothing(pod: Pod) -> None:
    sql = """SELECT array() a, map() m, array(NULL, array()) l, map(1, array()) v, array(array(), array()) s,
             array(NULL) n, CAST(NULL AS STRUCT<a: ARRAY<INT>>) AS t, struct(map() AS m, array() AS a) r,
             array(map(array(), map())) d"""
    expected = {"a": [], "m": [], "l": [None, []], "v": [(1, [])], "s": [[], []], "n": [None], "t": None}
    expected |= {"r": {"m": [], "a": []}, "d": [[([], [])]]}
    for query in (sql, f"SELECT u.* FROM range(1), ({sql}) u"):
        assert pod.rows(query, engine="spark").to_pylist() == [expected]
    for query in (f"{sql} FROM range(0)", "SELECT map() m WHERE false"):
        assert pod.rows(query, engine="spark").num_rows == 0


def test_long_chains_of_operators(pod: Pod) -> None:
    assert pod.rows(f"SELECT {'+'.join(['1'] * 2000)} AS x", engine="spark").column("x").to_pylist() == [2000]
    sql = f"SELECT {'+'.join(['id'] * 600)} AS x FROM range(3)"
    assert sorted(pod.rows(sql, engine="spark").column("x").to_pylist()) == [0, 600, 1200]
    for sql in (f"SELECT {'+'.join(['1'] * 20_000)}", f"SELECT {'+'.join(['id'] * 3000)} FROM range(3)"):
        error = pod.error(sql, engine="spark")
        assert error == {
            "code": "STATEMENT_TOO_DEEP",
            "message": "The statement nests too deep for Spark; make several of it.",
        }


def test_writes_carry_their_id_and_return_nothing(pod: Pod, catalog: Catalog) -> None:
    name, table = _made(pod, catalog, "id INT, s STRING")
    states = [
        pod.write(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b')"),
        pod.write(f"INSERT INTO {name} SELECT 3, 'c'"),
    ]
    states.append(pod.write(f"UPDATE {name} SET s = 'z' WHERE id = 1"))
    states.append(pod.write(f"INSERT OVERWRITE {name} SELECT * FROM {name} WHERE id < 3"))
    assert _statement_ids(table) == [state["id"] for state in states]
    for state in states:
        assert (state["schema"], state["result"], state["rows_produced"]) == (None, None, None)
    assert pod.rows(f"SELECT s FROM {_scan(table)} ORDER BY id").column("s").to_pylist() == ["z", "b"]


def test_commands_that_return_rows_have_a_result(pod: Pod, catalog: Catalog) -> None:
    name, _ = _made(pod, catalog, "id INT")
    pod.write(f"INSERT INTO {name} VALUES (1)")
    state = pod.write(f"CALL {SLUG}.system.rewrite_data_files('{name}')")
    assert state["schema"][0] == {"name": "rewritten_data_files_count", "type": "int"}
    assert pod.result(state).num_rows == 1


def test_position_and_equality_deletes_read_the_same(pod: Pod, catalog: Catalog) -> None:
    properties = "TBLPROPERTIES ('format-version' = '2', 'write.delete.mode' = 'merge-on-read')"
    name, table = _made(pod, catalog, "id BIGINT, s STRING", properties)
    pod.write(f"INSERT INTO {name} SELECT id, 'x' FROM range(1, 7)")
    pod.write(f"DELETE FROM {name} WHERE id = 2")
    delete_where_equal(table.refresh(), "id", [5])
    for rows in (
        pod.rows(f"SELECT id FROM {_scan(table)} ORDER BY id"),
        pod.rows(f"SELECT id FROM {name} ORDER BY id", engine="spark"),
    ):
        assert rows.column("id").to_pylist() == [1, 3, 4, 6]


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("CAST(array() AS ARRAY<ARRAY<INT>>)", []),
        ("CAST(NULL AS ARRAY<ARRAY<INT>>)", None),
        ("CAST(NULL AS MAP<STRING, ARRAY<INT>>)", None),
        ("CAST(map() AS MAP<STRING, ARRAY<INT>>)", []),
    ],
)
def test_lists_without_elements_are_written_as_json(pod: Pod, expression: str, value: Any) -> None:
    """Spark leaves out the offsets of what is inside of them."""
    table = pod.rows(f"SELECT {expression} AS s", engine="spark")
    assert [rows_of(batch) for batch in table.to_batches()] == [[(value,)]]


@pytest.mark.parametrize("text", ["Dear ${name}", "${env:PATH}", "${system:java.version}", "${spark:spark.app.name}"])
def test_text_is_not_taken_for_a_variable(pod: Pod, catalog: Catalog, text: str) -> None:
    name, table = _made(pod, catalog, "s STRING")
    pod.write(f"INSERT INTO {name} VALUES ('{text}')")
    assert pod.rows(f"SELECT s FROM {_scan(table)}").column("s").to_pylist() == [text]
    assert pod.rows(f"SELECT '{text}' AS s", engine="spark").column("s").to_pylist() == [text]


def test_time_travel(pod: Pod, catalog: Catalog) -> None:
    name, table = _made(pod, catalog, "id INT")
    for number in (1, 2, 3):
        pod.write(f"INSERT INTO {name} VALUES ({number})")
    then = table.refresh().snapshots()[1].snapshot_id
    location = table.metadata_location
    duckdb = f"SELECT count(*) AS n FROM iceberg_scan('{location}', snapshot_from_id = {then}::UBIGINT)"
    assert pod.rows(duckdb).column("n").to_pylist() == [2]
    spark = f"SELECT count(*) AS n FROM {name} VERSION AS OF {then}"
    assert pod.rows(spark, engine="spark").column("n").to_pylist() == [2]


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELEC 1", "PARSE_SYNTAX_ERROR"),
        ("SELECT * FROM sales.nope", "TABLE_OR_VIEW_NOT_FOUND"),
        ("SELECT 1 / 0", "DIVIDE_BY_ZERO"),
        ("SELECT INTERVAL 1 MONTH", "UNSUPPORTED_TYPE"),
    ],
)
def test_spark_says_what_is_wrong(pod: Pod, sql: str, code: str) -> None:
    error = pod.error(sql, engine="spark")
    assert error["code"] == code
    assert "JVM stacktrace" not in error["message"]
    assert "at org.apache" not in error["message"]


def test_no_secret_is_shown_by_spark(pod: Pod) -> None:
    values = pod.rows("SET -v", engine="spark").column("value").to_pylist()
    values += pod.rows("SET", engine="spark").column("value").to_pylist()
    visible = " ".join(filter(None, values)) + pod.spark.log + pod.gateway.log
    assert pod.site.secret_access_key not in visible
    assert pod.spark.environment["ICEFIELD_CATALOG_TOKEN"] not in visible


def test_cancelling_stops_spark(pod: Pod) -> None:
    state = pod.begin(ENDLESS, engine="spark", wait=5)
    assert state["status"] == "running"
    path = f"/statements/{state['id']}/cancel"
    ended = pod.client.post(path, params={"wait": 30}).raise_for_status().json()
    assert ended["status"] == "cancelled"
    assert pod.rows("SELECT 1 AS a", engine="spark").column("a").to_pylist() == [1]


def test_the_row_limit_stops_spark(pod: Pod) -> None:
    state = pod.run("SELECT id FROM range(3000000)", engine="spark", row_limit=5)
    assert (state["status"], state["rows_produced"], state["truncated"]) == ("succeeded", 5, True)


def test_many_writes_at_once(pod: Pod, catalog: Catalog) -> None:
    name, table = _made(pod, catalog, "id INT", "TBLPROPERTIES ('commit.retry.num-retries' = '20')")
    with ThreadPoolExecutor(8) as pool:
        states = list(pool.map(lambda number: pod.write(f"INSERT INTO {name} VALUES ({number})"), range(8)))
    assert sorted(_statement_ids(table)) == sorted(state["id"] for state in states)
    assert pod.rows(f"SELECT count(*) AS n FROM {_scan(table)}").column("n").to_pylist() == [8]


def test_reads_do_not_need_spark_and_writes_wait_for_it(pod: Pod) -> None:
    """Last: it kills the session's Spark, and starts it again."""
    running = pod.begin(ENDLESS, engine="spark", is_write=False, wait=3)
    writing = pod.begin(ENDLESS, engine="spark", is_write=True, wait=3, statement=new_id())
    pod.spark.signal(signal.SIGKILL)
    lost = [pod.wait(state, 30) for state in (running, writing)]
    assert [state["error"]["code"] for state in lost] == ["ENGINE_LOST", "ENGINE_LOST"]
    assert {state["error"]["message"] for state in lost} == {
        "Spark ended while the statement ran, perhaps out of memory."
    }
    later = pod.begin("SELECT 7 AS a", engine="spark")
    assert pod.rows("SELECT 1 AS a").num_rows == 1
    time.sleep(1)
    assert pod.status()["spark"] is False
    assert pod.wait(later, 1)["status"] in ("pending", "running")
    pod.spark.start()
    pod.wait_for_spark()
    assert pod.wait(later, 60)["status"] == "succeeded"


def test_a_result_of_spark_is_an_arrow_stream(pod: Pod) -> None:
    table = pod.rows("SELECT id, cast(id AS STRING) AS s FROM range(200000)", engine="spark")
    assert table.num_rows == 200_000
    assert table.schema == pa.schema([("id", pa.int64()), ("s", pa.string())])
