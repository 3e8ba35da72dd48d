"""Warehouses, the catalog, the object store and the API server die under running statements.

Every statement ends. What says it succeeded was applied once, what says it failed was not applied at all.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.e2e.scenarios import NAMESPACE, Scenario
from tests.kubernetes_client import PODS, WAREHOUSES
from tests.statements import ENDED, Sql, create_database, save_warehouse

pytestmark = pytest.mark.chaos

SYSTEM = "icefield-system"
# Some seconds of DuckDB on two cores, and what it counts.
SLOW_READ = "SELECT count(*) FROM range(25000) a CROSS JOIN range(25000) b WHERE (a.id * b.id) % 7 = 3"
SLOW_READ_COUNTS = 76_526_530
ROWS_PER_WRITE = 300_000
AWAY_SECONDS = 60
END_SECONDS = 240


@pytest.fixture
def scenario(platform: Any) -> Scenario:
    return Scenario(platform)


@pytest.fixture(scope="module")
def victim(platform: Any) -> Iterator[Sql]:
    """A warehouse whose pods may be killed: a kubelet waits ever longer to restart what dies often."""
    rest = platform.client()
    sql = Sql(rest, save_warehouse(rest, f"victim-{secrets.token_hex(3)}", size="cpu.2", auto_stop="never"))
    sql.wait_for_warehouse("running", spark=True, timeout=180)
    yield sql
    rest.post(f"/sql/warehouses/{sql.warehouse}/stop").raise_for_status()


@pytest.fixture
def table(victim: Sql) -> str:
    """An empty table whose rows say which write made them."""
    database = create_database(victim.rest, f"chaos_{secrets.token_hex(3)}")
    victim.rows(f"CREATE TABLE {database}.written (writer INT, id BIGINT)")
    return f"{database}.written"


def insert(table: str, writer: int) -> str:
    """A write that takes Spark a moment and leaves a known number of rows."""
    return f"INSERT INTO {table} SELECT {writer}, id FROM range({ROWS_PER_WRITE})"


def body_of(sql: Sql, query: str) -> dict[str, Any]:
    """The body of POST /sql/execute for a statement that nobody waits for."""
    return {"query": query, "warehouse_id": sql.warehouse, "wait_timeout": 0}


def pod_of(scenario: Scenario, sql: Sql) -> str:
    """The name of the warehouse's pod that takes new statements."""
    name = sql.rest.get(f"/sql/warehouses/{sql.warehouse}").raise_for_status().json()["name"]
    pod: str = scenario.cluster.get(WAREHOUSES, name, NAMESPACE)["status"]["podName"]
    return pod


def kill_pod(scenario: Scenario, sql: Sql) -> None:
    """End the warehouse's pod without a warning."""
    scenario.kubectl("-n", NAMESPACE, "delete", "pod", pod_of(scenario, sql), "--grace-period=0", "--force")


def kill_spark(scenario: Scenario, sql: Sql) -> None:
    """End the warehouse's Spark without a warning."""
    pod = scenario.cluster.get(PODS, pod_of(scenario, sql), NAMESPACE)
    for process in psutil.process_iter(["cmdline"]):
        is_spark = "SparkConnectServer" in " ".join(process.info["cmdline"] or ())
        if is_spark and pod["metadata"]["uid"] in Path(f"/proc/{process.pid}/cgroup").read_text():
            process.kill()


def rows_by_writer(sql: Sql, table: str) -> dict[int, int]:
    """Count the rows that each write left."""
    return dict(sql.rows(f"SELECT writer, count(*) FROM {table} GROUP BY writer"))


def assert_applied_once_or_not_at_all(sql: Sql, table: str, writes: list[dict[str, Any]]) -> None:
    """Compare what the statements say with the rows that are there; writes[n] is the statement of writer n."""
    assert {write["status"] for write in writes} <= {"succeeded", "failed"}
    for write in writes:
        assert write["status"] == "succeeded" or write["error_message"], write
    acknowledged = {n: ROWS_PER_WRITE for n, write in enumerate(writes) if write["status"] == "succeeded"}
    assert rows_by_writer(sql, table) == acknowledged


def test_the_warehouse_is_killed_in_mid_read(scenario: Scenario, victim: Sql) -> None:
    statement_id = victim.submit(SLOW_READ)
    victim.wait_until(statement_id, lambda statement: statement["status"] == "running")
    time.sleep(1)
    kill_pod(scenario, victim)
    ended = victim.wait(statement_id, END_SECONDS)
    if ended["status"] == "succeeded":
        assert victim.results(statement_id)["data"] == [[SLOW_READ_COUNTS]]
    else:
        assert (ended["status"], bool(ended["error_message"])) == ("failed", True)
    assert victim.value("SELECT 1") == 1


def test_the_warehouse_is_killed_in_mid_write(scenario: Scenario, victim: Sql, table: str) -> None:
    victim.wait_for_warehouse("running", spark=True)
    writes = []
    for n in range(6):
        writes.append(victim.submit(insert(table, n)))
        time.sleep(0.7)
        if n % 3 == 2:
            kill_pod(scenario, victim)
    ended = [victim.wait(statement_id, END_SECONDS) for statement_id in writes]
    assert_applied_once_or_not_at_all(victim, table, ended)
    victim.rows(insert(table, 6), timeout=END_SECONDS)


def test_spark_is_killed_while_reads_go_on(scenario: Scenario, victim: Sql, table: str) -> None:
    victim.wait_for_warehouse("running", spark=True)
    writes = [victim.submit(insert(table, n)) for n in range(3)]
    victim.wait_until(writes[0], lambda statement: statement["status"] != "pending")
    kill_spark(scenario, victim)
    assert victim.value("SELECT count(*) FROM range(10)") == 10
    writes.append(victim.submit(insert(table, 3)))
    ended = [victim.wait(statement_id, END_SECONDS) for statement_id in writes]
    assert_applied_once_or_not_at_all(victim, table, ended)
    assert ended[-1]["status"] == "succeeded"


def test_catalog_and_object_store_are_away_for_a_minute(scenario: Scenario, victim: Sql, table: str) -> None:
    victim.wait_for_warehouse("running", spark=True)
    victim.rows(insert(table, 0))
    catalog, store = "deployment/icefield-catalog", "statefulset/icefield-object-store"
    scenario.kubectl("-n", SYSTEM, "scale", catalog, store, "--replicas=0")
    gone_at = time.monotonic()
    try:
        during = []
        with ThreadPoolExecutor(4) as pool:
            queries = [insert(table, 1), f"SELECT count(*) FROM {table}", insert(table, 2), "SELECT 1"]
            answers = [
                pool.submit(victim.rest.post, "/sql/execute", json=body_of(victim, q), timeout=90) for q in queries
            ]
            for answer in answers:
                response = answer.result()
                # A plan needs the catalog, so a statement may be refused outright: then it never was one.
                assert response.status_code in (200, 202, 503), response.text
                during.append(response.json().get("statement_id") if response.status_code != 503 else None)
        time.sleep(max(0, AWAY_SECONDS - (time.monotonic() - gone_at)))
    finally:
        scenario.kubectl("-n", SYSTEM, "scale", catalog, store, "--replicas=1")
    scenario.kubectl("-n", SYSTEM, "rollout", "status", store, "--timeout=120s")
    scenario.kubectl("-n", SYSTEM, "rollout", "status", catalog, "--timeout=120s")

    ended = [victim.wait(statement_id, END_SECONDS) if statement_id else None for statement_id in during]
    assert all(statement is None or statement["status"] in ENDED for statement in ended)
    victim.rows(insert(table, 3), timeout=END_SECONDS)
    written = {n for n, statement in ((1, ended[0]), (2, ended[2])) if statement and statement["status"] == "succeeded"}
    assert rows_by_writer(victim, table) == dict.fromkeys({0, 3} | written, ROWS_PER_WRITE)


def test_the_api_server_is_killed_in_mid_statement(scenario: Scenario, victim: Sql, table: str) -> None:
    victim.wait_for_warehouse("running", spark=True)
    read, write = victim.submit(SLOW_READ), victim.submit(insert(table, 0))
    victim.wait_until(read, lambda statement: statement["status"] == "running")
    pods = ["delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/name=icefield-apiserver"]
    scenario.kubectl(*pods, "--grace-period=0", "--force")
    ended = {name: victim.wait(statement_id, END_SECONDS) for name, statement_id in (("read", read), ("write", write))}
    assert ended["read"]["status"] == "succeeded", ended
    assert victim.results(read)["data"] == [[SLOW_READ_COUNTS]]
    assert_applied_once_or_not_at_all(victim, table, [ended["write"]])
    assert ended["write"]["status"] == "succeeded", ended
