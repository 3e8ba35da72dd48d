"""The gateway with DuckDB: its protocol, results, limits and ends."""

from __future__ import annotations

import base64
import signal
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from tests.equality_deletes import delete_where_equal

from .conftest import NAMESPACE, SLUG
from .pod import Pod, inline, new_id, new_name

pytestmark = pytest.mark.integration

ENDLESS = "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b"


def test_a_result_lies_in_the_object_store_with_its_index(duckdb_pod: Pod) -> None:
    state = duckdb_pod.run("SELECT range AS n, 'x' || range AS s FROM range(200000)", inline_rows=5)
    assert state["status"] == "succeeded"
    assert state["schema"] == [{"name": "n", "type": "bigint"}, {"name": "s", "type": "string"}]
    assert state["rows_produced"] == 200_000
    assert inline(state).column("n").to_pylist() == [0, 1, 2, 3, 4]
    content = duckdb_pod.stored(state["result"]["key"])
    assert len(content) == state["result"]["bytes"]
    rows, offset, length = state["result"]["batches"][-1]
    last = content[: state["result"]["schema_bytes"]] + content[offset : offset + length]
    table = pa.ipc.open_stream(last).read_all()
    assert table.num_rows == rows
    assert table.column("n")[-1].as_py() == 199_999


def test_a_short_result_is_in_the_answer_until_it_is_wanted_in_the_object_store(duckdb_pod: Pod) -> None:
    state = duckdb_pod.run("SELECT range AS n FROM range(5)", content_bytes=4096)
    content = base64.b64decode(state["content"])
    assert pa.ipc.open_stream(content).read_all().column("n").to_pylist() == [0, 1, 2, 3, 4]
    assert (state["inline"], len(content)) == (None, state["result"]["bytes"])
    with pytest.raises(duckdb_pod.store.exceptions.NoSuchKey):
        duckdb_pod.stored(state["result"]["key"])
    again = duckdb_pod.wait(state)  # as a caller does that keeps nothing
    assert (again["content"], inline(again).num_rows, duckdb_pod.stored(state["result"]["key"])) == (None, 5, content)


def test_a_longer_result_is_stored_whoever_asks(duckdb_pod: Pod) -> None:
    state = duckdb_pod.run("SELECT range AS n FROM range(1000)", content_bytes=4096)
    assert (state["content"], duckdb_pod.result(state).num_rows) == (None, 1000)


def test_an_empty_result_has_a_schema_and_no_rows(duckdb_pod: Pod) -> None:
    state = duckdb_pod.run("SELECT 1::BIGINT AS a WHERE false")
    assert (state["rows_produced"], state["result"]["batches"]) == (0, [])
    assert duckdb_pod.result(state).schema == pa.schema([("a", pa.int64())])


def test_a_large_result_streams_in_bounded_memory(duckdb_pod: Pod) -> None:
    before = duckdb_pod.gateway.rss_bytes
    highest = before
    sql = "SELECT range AS a, range + 1 AS b, hash(range)::VARCHAR AS c FROM range(6000000)"
    state = duckdb_pod.begin(sql, inline_rows=10)
    while state["status"] in ("pending", "running"):
        highest = max(highest, duckdb_pod.gateway.rss_bytes)
        state = duckdb_pod.wait(state, 0.05)
    assert state["rows_produced"] == 6_000_000
    assert state["result"]["bytes"] > 200_000_000
    assert highest - before < 150_000_000
    head = duckdb_pod.store.head_object(Bucket=duckdb_pod.site.bucket, Key=state["result"]["key"])
    assert head["ContentLength"] == state["result"]["bytes"]


def test_the_row_limit_cuts_and_says_so(duckdb_pod: Pod) -> None:
    state = duckdb_pod.run("SELECT * FROM range(1000000000)", row_limit=10)
    assert (state["rows_produced"], state["truncated"]) == (10, True)
    assert duckdb_pod.run("SELECT * FROM range(10)", row_limit=10)["truncated"] is False


def test_an_id_is_run_once(duckdb_pod: Pod) -> None:
    statement = new_id()
    first = duckdb_pod.begin("SELECT uuid() AS u", wait=20, statement=statement)
    again = duckdb_pod.begin("SELECT 'something else' AS v", wait=20, statement=statement)
    assert first == again


def test_cancelling_stops_duckdb(duckdb_pod: Pod) -> None:
    state = duckdb_pod.begin(ENDLESS, wait=0.5)
    assert state["status"] == "running"
    path = f"/statements/{state['id']}/cancel"
    ended = duckdb_pod.client.post(path, params={"wait": 20}).raise_for_status().json()
    assert (ended["status"], ended["error"]["code"]) == ("cancelled", "CANCELLED")
    assert duckdb_pod.status()["running"] == 0


def test_time_is_up(duckdb_pod: Pod) -> None:
    assert duckdb_pod.error(ENDLESS, timeout_seconds=0.5)["code"] == "TIMED_OUT"


def test_a_memory_bomb_ends_the_statement_and_not_the_process(duckdb_pod: Pod) -> None:
    for sql in (
        "SELECT length(list(range)::VARCHAR) FROM range(200000000)",
        "SELECT length(string_agg(range::VARCHAR)) FROM range(1000000000)",
        "SELECT count(*) FROM (SELECT DISTINCT repeat(hash(range)::VARCHAR, 5000) FROM range(50000000))",
    ):
        assert duckdb_pod.error(sql)["code"] == "OUT_OF_MEMORY", sql
    assert duckdb_pod.rows("SELECT 42 AS a").column("a").to_pylist() == [42]


def test_many_statements_at_once(duckdb_pod: Pod) -> None:
    def run(number: int) -> int:
        table = duckdb_pod.rows(f"SELECT sum(range) + {number} AS s FROM range(3000000)")
        return int(table.column("s")[0].as_py())

    expected = sum(range(3_000_000))
    with ThreadPoolExecutor(32) as pool:
        assert list(pool.map(run, range(32))) == [expected + number for number in range(32)]


def test_what_the_callers_must_not_do(duckdb_pod: Pod) -> None:
    client, path = duckdb_pod.client, f"/statements/{new_id()}"
    body = {"engine": "duckdb", "sql": "SELECT 1"}
    assert client.put(path, json=body, headers={"Authorization": "Bearer wrong"}).status_code == 401
    assert client.get("/status", headers={"Authorization": ""}).status_code == 401
    assert client.get("/livez", headers={"Authorization": ""}).status_code == 200
    assert client.get(path).status_code == 404
    for wrong in (
        {**body, "engine": "mysql"},
        {**body, "sql": ""},
        {**body, "result_key": "workspaces/other/results/x.arrow"},
        {**body, "result_key": f"workspaces/{SLUG}/results/../tables/x"},
        {**body, "inline_rows": -1},
    ):
        answer = client.put(path, json=wrong)
        assert answer.status_code == 400
        assert list(answer.json()) == ["error"]
    assert client.put(f"{path}?wait=1000", json=body).status_code == 400
    assert client.put("/statements/a.b", json=body).status_code == 400


def test_spark_is_not_there_when_it_is_not_wanted(duckdb_pod: Pod) -> None:
    assert duckdb_pod.error("SELECT 1", engine="spark")["code"] == "SPARK_UNAVAILABLE"


def test_a_full_queue_begins_nothing(pods: Callable[..., Pod]) -> None:
    pod = pods(ICEFIELD_SPARK="false", ICEFIELD_CPU_LIMIT="1", ICEFIELD_WAITING_STATEMENTS="2")
    pod.start(spark=False)
    started = [pod.begin(ENDLESS, timeout_seconds=60) for _ in range(10)]
    refused = new_id()
    body = {"engine": "duckdb", "sql": "SELECT 1"}
    answer = pod.client.put(f"/statements/{refused}", json=body)
    assert (answer.status_code, list(answer.json())) == (503, ["error"])
    assert pod.client.get(f"/statements/{refused}").status_code == 404
    assert pod.wait(started[-1], 0)["status"] == "pending"
    cancelled = pod.client.post(f"/statements/{started[-1]['id']}/cancel", params={"wait": 10}).json()
    assert cancelled["status"] == "cancelled"
    pod.stop()


def test_told_to_drain_it_starts_nothing_more_and_what_runs_goes_on(pods: Callable[..., Pod]) -> None:
    pod = pods(ICEFIELD_SPARK="false")
    pod.start(spark=False)
    ended = pod.run("SELECT 1 AS n")
    running = pod.begin(ENDLESS, wait=0.5)
    for _ in range(2):
        status = pod.client.post("/drain").raise_for_status().json()
        assert (status["draining"], status["running"]) == (True, 1)
    refused = pod.client.put(f"/statements/{new_id()}", json={"engine": "duckdb", "sql": "SELECT 1"})
    assert (refused.status_code, refused.json()) == (
        503,
        {"error": "This pod of the warehouse takes no new statements."},
    )
    assert pod.client.get("/readyz").status_code == 503
    assert pod.wait(running, 0)["status"] == "running"
    assert pod.result(pod.wait(ended, 0)).column("n").to_pylist() == [1], "what has ended is still answered"
    cancelled = pod.client.post(f"/statements/{running['id']}/cancel", params={"wait": 10}).json()
    assert (cancelled["status"], pod.status()["running"]) == ("cancelled", 0)
    assert pod.gateway.process
    assert pod.gateway.process.alive
    assert pod.client.post("/drain", headers={"Authorization": "Bearer wrong"}).status_code == 401
    pod.stop()


def test_on_sigterm_what_runs_ends_or_is_lost(pods: Callable[..., Pod]) -> None:
    pod = pods(ICEFIELD_SPARK="false")
    pod.start(spark=False)
    state = pod.begin(ENDLESS, wait=0.5)
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(pod.wait, state, 30)
        time.sleep(0.5)
        pod.gateway.signal(signal.SIGTERM)
        time.sleep(0.5)
        assert pod.status()["draining"] is True
        assert pod.client.get("/readyz").status_code == 503
        answer = pod.client.put(f"/statements/{new_id()}", json={"engine": "duckdb", "sql": "SELECT 1"})
        assert answer.status_code == 503
        assert waiting.result()["error"]["code"] == "ENGINE_LOST"
    pod.gateway.wait_until(lambda: not (pod.gateway.process and pod.gateway.process.alive), 15)


def test_tables_with_deletes_and_of_another_time_read_right(duckdb_pod: Pod, catalog: Catalog) -> None:
    table = catalog.create_table(f"{NAMESPACE}.{new_name()}", pa.schema([("id", pa.int64()), ("s", pa.string())]))
    table.append(pa.table({"id": [1, 2, 3], "s": ["a", "b", "c"]}))
    first = table.current_snapshot()
    assert first
    table.append(pa.table({"id": [4], "s": ["d"]}))
    delete_where_equal(table, "id", [2, 4])
    scan = f"iceberg_scan('{table.refresh().metadata_location}'"
    assert duckdb_pod.rows(f"SELECT id FROM {scan}) ORDER BY id").column("id").to_pylist() == [1, 3]
    then = f"SELECT count(*) AS n FROM {scan}, snapshot_from_id = {first.snapshot_id}::UBIGINT)"
    assert duckdb_pod.rows(then).column("n").to_pylist() == [3]
