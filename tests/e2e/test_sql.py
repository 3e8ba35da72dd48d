"""Statements on a real warehouse: what the two engines answer, and what a user sees of the ways a statement can go."""

from __future__ import annotations

import base64
import io
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pyarrow as pa
import pytest

from icefield_cluster.install.api import Api
from tests.e2e.scenarios import Scenario
from tests.statements import Sql, create_database, save_warehouse

pytestmark = pytest.mark.e2e

ENGINES = ("duckdb", "spark")
ENDLESS = "SELECT count(*) FROM range(4000000) a CROSS JOIN range(4000000) b WHERE (a.id * b.id) % 7 = 3"
COLUMNS = """big BIGINT, price DECIMAL(38, 9), seen TIMESTAMP, local TIMESTAMP_NTZ, day DATE, raw BINARY, ratio DOUBLE,
             tags ARRAY<STRING>, place STRUCT<lat: DOUBLE, name: STRING>, counts MAP<STRING, BIGINT>, ok BOOLEAN"""
VALUES = """(9007199254740993, 12345678901234567890.123456789, TIMESTAMP '2024-05-06 07:08:09.123456+02:00',
             TIMESTAMP_NTZ '2024-05-06 07:08:09', DATE '2024-05-06', X'00FF', CAST('NaN' AS DOUBLE),
             array('a', NULL), named_struct('lat', 1.5D, 'name', 'x'), map('k', 1L), TRUE),
            (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"""
ROW = [
    9007199254740993,
    "12345678901234567890.123456789",
    "2024-05-06T05:08:09.123456Z",
    "2024-05-06T07:08:09",
    "2024-05-06",
    base64.b64encode(b"\x00\xff").decode(),
    "NaN",
    ["a", None],
    {"lat": 1.5, "name": "x"},
    [["k", 1]],
    True,
]


@pytest.fixture
def idler(platform: Any) -> Iterator[Sql]:
    """A warehouse of a test's own that stops when it is idle for five seconds."""
    rest = platform.client()
    sql = Sql(rest, save_warehouse(rest, f"idler-{secrets.token_hex(3)}", size="cpu.1", auto_stop="5s"))
    yield sql
    rest.post(f"/sql/warehouses/{sql.warehouse}/stop").raise_for_status()
    sql.wait_for_warehouse("stopped")
    rest.delete(f"/sql/warehouses/{sql.warehouse}").raise_for_status()


@pytest.fixture
def other_workspace(platform: Any) -> Iterator[Sql]:
    """A second workspace, with a warehouse of its own."""
    name = f"other-{secrets.token_hex(3)}"
    administrator = platform.administrator()
    administrator.post("/workspaces", json={"name": name}).raise_for_status()
    key = Api(platform.api_url, platform.ca_bundle).create_key(platform.admin_email, platform.admin_password, name)
    rest = platform.client(key)
    other = Sql(rest, save_warehouse(rest, "shared", size="cpu.1", auto_stop="never"))
    other.wait_for_warehouse("running", spark=True, timeout=180)
    yield other
    administrator.delete(f"/workspaces/{name}").raise_for_status()


def arrow_of(sql: Sql, statement_id: str) -> pa.Table:
    """Read a statement's result as Arrow."""
    answer = sql.rest.get(f"/sql/statements/{statement_id}/arrow").raise_for_status()
    return pa.ipc.open_stream(io.BytesIO(answer.content)).read_all()


def snapshot_made_by(sql: Sql, query: str) -> int:
    """Run a statement that writes one table and return the snapshot it made."""
    statement = sql.run(query)
    assert statement["status"] == "succeeded", statement
    [made] = statement["lineage"]["written_snapshots"]
    snapshot_id: int = made["snapshot_id"]
    return snapshot_id


def test_the_answer_is_the_reference_s(sql: Sql, database: str) -> None:
    sql.rows(f"CREATE TABLE {database}.orders AS SELECT id FROM range(1000)")
    answer = sql.answer(f"SELECT count(*) FROM demo.{database}.orders")
    assert (answer["columns"], answer["rows"], answer["engine"]) == (["count"], [[1000]], "duckdb")
    assert answer["lineage"]["read"] == [f"demo.{database}.orders"]
    assert (answer["status"], answer["truncated"]) == ("succeeded", False)
    assert answer["elapsed_ms"] >= 0
    failed = sql.answer(f"SELECT CAST(concat('x', id) AS INT) FROM {database}.orders")
    assert (failed["status"], bool(failed["error_message"])) == ("failed", True)
    limited = sql.answer(f"SELECT id FROM {database}.orders ORDER BY id", row_limit=3)
    assert (limited["rows"], limited["truncated"]) == ([[0], [1], [2]], True)


def test_types_survive_the_same_from_both_engines(sql: Sql, database: str) -> None:
    sql.rows(f"CREATE TABLE {database}.kinds ({COLUMNS})")
    sql.rows(f"INSERT INTO {database}.kinds VALUES {VALUES}")
    query = f"SELECT * FROM {database}.kinds ORDER BY big NULLS LAST"
    tables = []
    for engine in ENGINES:
        answer = sql.answer(query, engine=engine, wait_timeout=50)
        assert (answer["engine"], answer["rows"]) == (engine, [ROW, [None] * len(ROW)])
        tables.append(arrow_of(sql, answer["statement_id"]))
    assert tables[0].schema == tables[1].schema
    assert str(tables[0].to_pylist()) == str(tables[1].to_pylist())
    schemas = [sql.run(query, engine=engine)["result_schema"] for engine in ENGINES]
    assert schemas[0] == schemas[1]


def test_what_duckdb_cannot_answer_is_answered_by_spark(sql: Sql) -> None:
    sql.wait_for_warehouse("running", spark=True)
    wide = "SELECT sum(x * x) AS squares FROM VALUES (CAST(123456789012345678 AS DECIMAL(18, 0))) AS t(x)"
    statement = sql.run(wide)
    assert (statement["status"], statement["engine"]) == ("succeeded", "spark"), statement
    refused = sql.run(wide, engine="duckdb")
    assert (refused["status"], refused["error_code"]) == ("failed", "OUT_OF_RANGE")


def test_deletes_of_whole_files_show_their_snapshot(sql: Sql, database: str) -> None:
    table = f"{database}.emptied"
    sql.rows(f"CREATE TABLE {table} AS SELECT id FROM range(10)")
    made = snapshot_made_by(sql, f"DELETE FROM {table}")
    assert sql.rest.get(f"/databases/{database}/tables/emptied").json()["current_snapshot_id"] == made


def test_time_travel(sql: Sql, database: str) -> None:
    table = f"{database}.history"
    sql.rows(f"CREATE TABLE {table} (id BIGINT)")
    first = snapshot_made_by(sql, f"INSERT INTO {table} VALUES (1)")
    time.sleep(0.1)
    second = snapshot_made_by(sql, f"INSERT INTO {table} VALUES (2)")
    snapshots = sql.rest.get(f"/databases/{database}/tables/history/snapshots").raise_for_status().json()["data"]
    made = {snapshot["snapshot_id"]: snapshot["created_at"] for snapshot in snapshots}
    between = datetime.fromisoformat(made[first])
    assert datetime.fromisoformat(made[second]) > between
    for engine in ENGINES:
        for version, expected in (
            (f"FOR VERSION AS OF {first}", 1),
            (f"VERSION AS OF {second}", 2),
            (f"FOR TIMESTAMP AS OF '{between.isoformat()}'", 1),
        ):
            assert sql.value(f"SELECT count(*) FROM {table} {version}", engine=engine) == expected, (engine, version)
    then = sql.run(f"SELECT count(*) FROM {table} VERSION AS OF {first}")
    assert then["lineage"]["read_snapshots"] == [{"table": f"demo.{table}", "snapshot_id": first}]


def test_a_view_over_a_view(sql: Sql, database: str) -> None:
    sql.rows(f"CREATE TABLE {database}.people (id BIGINT, name STRING)")
    sql.rows(f"INSERT INTO {database}.people VALUES (1, 'Ada'), (2, 'Grace')")
    sql.rows(f"CREATE VIEW {database}.named AS SELECT id, upper(name) AS name FROM {database}.people")
    sql.rows(f"CREATE OR REPLACE VIEW {database}.last AS SELECT * FROM named WHERE id > 1", schema=database)
    for engine in ENGINES:
        statement = sql.run(f"SELECT name FROM {database}.last AS l", engine=engine)
        assert (statement["engine"], statement["status"]) == (engine, "succeeded"), statement
        assert f"demo.{database}.people" in statement["lineage"]["read"]
        assert sql.rows(f"SELECT name FROM {database}.last AS l", engine=engine) == [["GRACE"]]


def test_a_write_that_reads_and_merges(sql: Sql, database: str) -> None:
    sql.rows(f"CREATE TABLE {database}.stock (id BIGINT, amount INT)")
    sql.rows(f"INSERT INTO {database}.stock VALUES (1, 10), (2, 20)")
    merged = sql.run(f"""
        MERGE INTO {database}.stock AS t USING (SELECT id, amount + 1 AS amount FROM {database}.stock
                                                UNION ALL SELECT 3, 30) AS s
        ON t.id = s.id WHEN MATCHED THEN UPDATE SET amount = s.amount WHEN NOT MATCHED THEN INSERT *
    """)
    assert (merged["status"], merged["engine"]) == ("succeeded", "spark"), merged
    assert merged["lineage"]["read"] == merged["lineage"]["written"] == [f"demo.{database}.stock"]
    sql.rows(f"UPDATE {database}.stock SET amount = 0 WHERE id = 1")
    sql.rows(f"DELETE FROM {database}.stock WHERE id = 2")
    assert sql.rows(f"SELECT * FROM {database}.stock ORDER BY id") == [[1, 0], [3, 30]]


def test_a_warehouse_stops_when_idle_and_a_statement_wakes_it(idler: Sql) -> None:
    idler.wait_for_warehouse("running")
    stopped = idler.wait_for_warehouse("stopped")
    assert stopped["desired_state"] == "running"

    statement_id = idler.submit("SELECT 1")
    assert idler.get(statement_id)["status"] == "pending"
    assert idler.wait(statement_id)["status"] == "succeeded"
    assert idler.wait_for_warehouse("running")["desired_state"] == "running"

    busy = idler.submit(ENDLESS)
    idler.wait_until(busy, lambda statement: statement["status"] == "running")
    time.sleep(12)
    assert (idler.get(busy)["status"], idler.wait_for_warehouse("running")["status"]) == ("running", "running")
    for _ in range(2):
        idler.rest.post(f"/sql/statements/{busy}/cancel").raise_for_status()
    assert idler.wait(busy, timeout=15)["status"] == "cancelled"
    # Were the engine still at it, the warehouse would not be idle.
    idler.wait_for_warehouse("stopped", timeout=60)


def test_stop_and_start_are_idempotent_and_a_stopped_warehouse_answers(idler: Sql) -> None:
    path = f"/sql/warehouses/{idler.warehouse}"
    idler.wait_for_warehouse("running")
    for _ in range(2):
        idler.rest.post(f"{path}/stop").raise_for_status()
    idler.wait_for_warehouse("stopped")
    assert idler.value("SELECT 41 + 1") == 42
    for _ in range(2):
        idler.rest.post(f"{path}/start").raise_for_status()
    idler.wait_for_warehouse("running")


def test_two_workspaces_at_once_see_nothing_of_each_other(sql: Sql, other_workspace: Sql) -> None:
    workspaces = {"demo": sql, "other": other_workspace}
    name = f"same_{secrets.token_hex(3)}"
    for whose, workspace in workspaces.items():
        create_database(workspace.rest, name)
        workspace.rows(f"CREATE TABLE {name}.t AS SELECT '{whose}' AS whose, 0 AS n")

    def write(whose: str, n: int) -> None:
        workspaces[whose].rows(f"INSERT INTO {name}.t VALUES ('{whose}', {n})")

    def read(whose: str) -> list[list[Any]]:
        return workspaces[whose].rows(f"SELECT DISTINCT whose FROM {name}.t")

    with ThreadPoolExecutor(8) as pool:
        writes = [pool.submit(write, whose, n) for n in range(1, 4) for whose in workspaces]
        reads = {whose: [pool.submit(read, whose) for _ in range(8)] for whose in workspaces}
        for done in writes:
            done.result()
        for whose, answers in reads.items():
            assert all(answer.result() == [[whose]] for answer in answers)
    for whose, workspace in workspaces.items():
        assert workspace.value(f"SELECT count(*) FROM {name}.t WHERE whose = '{whose}'") == 4

    foreign = sql.submit(f"SELECT * FROM {name}.t")
    assert other_workspace.rest.get(f"/sql/statements/{foreign}").status_code == 404
    assert other_workspace.rest.get(f"/sql/warehouses/{sql.warehouse}").status_code == 404
    elsewhere = {"query": "SELECT 1", "warehouse_id": sql.warehouse}
    assert other_workspace.rest.post("/sql/execute", json=elsewhere).status_code == 404
    named = {"query": f"SELECT * FROM demo.{name}.t", "warehouse_id": other_workspace.warehouse}
    answer = other_workspace.rest.post("/sql/execute", json=named)
    assert answer.status_code == 400 or answer.json()["status"] == "failed"


def test_lineage_of_a_job_s_run(scenario: Scenario, sql: Sql, database: str) -> None:
    sql.rows(f"CREATE TABLE {database}.source AS SELECT id FROM range(10)")
    program = f"""
import polnor
from pyiceberg.catalog import load_catalog
polnor.sql("CREATE TABLE {database}.target AS SELECT id * 2 AS id FROM {database}.source")
rows = load_catalog().load_table("{database}.target").scan().to_arrow()
load_catalog().create_table("{database}.copy", schema=rows.schema).append(rows)
print(rows.num_rows)
"""
    run_id = scenario.start(
        files={"main.py": program},
        env_vars={"POLNOR_WAREHOUSE_ID": sql.warehouse},
        tasks=[{"key": "main", "command": "python main.py"}],
    )
    assert scenario.wait(run_id)["status"] == "success", scenario.messages(run_id)
    lineage = scenario.rest.get(f"/runs/{run_id}/lineage").raise_for_status().json()
    full = {name: f"demo.{database}.{name}" for name in ("source", "target", "copy")}
    assert full["source"] in lineage["read"]
    assert full["target"] in lineage["read"]
    assert sorted(lineage["written"]) == sorted([full["target"], full["copy"]])
    current = {
        full[name]: sql.rest.get(f"/databases/{database}/tables/{name}").json()["current_snapshot_id"] for name in full
    }
    written = {seen["table"]: seen["snapshot_id"] for seen in lineage["written_snapshots"]}
    assert written == {full[name]: current[full[name]] for name in ("target", "copy")}
    assert {"table": full["source"], "snapshot_id": current[full["source"]]} in lineage["read_snapshots"]
    neighbours = sql.rest.get(f"/databases/{database}/tables/target/lineage").raise_for_status().json()
    assert [(n["table"], n["run_ids"]) for n in neighbours["upstream"]] == [(full["source"], [run_id])]
    assert full["copy"] in [neighbour["table"] for neighbour in neighbours["downstream"]]


def test_maintenance_runs_and_a_table_goes_back(scenario: Scenario, sql: Sql, database: str) -> None:
    sql.rows(f"CREATE TABLE {database}.kept (id BIGINT)")
    snapshots = [snapshot_made_by(sql, f"INSERT INTO {database}.kept VALUES ({n})") for n in range(3)]
    path = f"/databases/{database}/tables/kept"
    body = {"operations": ["compact"], "warehouse_id": sql.warehouse}
    started = sql.rest.post(f"{path}/maintenance", json=body)
    assert started.status_code == 201, started.text
    assert scenario.wait(started.json()["run_id"])["status"] == "success", scenario.messages(started.json()["run_id"])
    compacted = sql.rest.get(path).raise_for_status().json()
    assert (compacted["row_count"], compacted["current_snapshot_id"] in snapshots) == (3, False)

    sql.rest.post(f"{path}/rollback", json={"snapshot_id": snapshots[1]}).raise_for_status()
    for engine in ENGINES:
        assert sql.value(f"SELECT count(*) FROM {database}.kept", engine=engine) == 2
