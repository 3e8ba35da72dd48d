"""INSERTs over REST: on a warehouse without Spark, and beside Spark, which writes and refuses what DuckDB does not."""

from __future__ import annotations

from typing import Any

import httpx
import pyarrow as pa
import pytest
from fastapi import FastAPI
from pyiceberg.catalog import Catalog

from tests.api.lakehouse import Lakehouse
from tests.breaking_proxy import BreakingProxy
from tests.integration.engines.pod import Pod

from .site import RunningGateway, ended, run, running, running_gateway, set_warehouse_status

pytestmark = pytest.mark.integration


async def test_a_warehouse_without_spark_inserts(
    client: httpx.AsyncClient, gateway: RunningGateway, orders: pa.Table, outside: Catalog, lakehouse: Lakehouse
) -> None:
    made = await run(client, "INSERT INTO sales.orders (id, name) VALUES (?, ?)", params=[11, "it's"])
    assert (made["status"], made["engine"], made["rows_produced"], made["rows"]) == ("succeeded", "duckdb", 1, [])
    table = f"{lakehouse.slug}.sales.orders"
    snapshot = outside.load_table("sales.orders").current_snapshot()
    assert snapshot is not None
    assert snapshot.summary
    assert snapshot.summary["icefield.statement-id"] == made["statement_id"]
    assert made["lineage"]["written_snapshots"] == [{"table": table, "snapshot_id": snapshot.snapshot_id}]
    copied = await run(client, "INSERT INTO sales.orders SELECT id + 100, upper(name) FROM sales.orders WHERE id > 8")
    assert (copied["engine"], copied["rows_produced"], copied["lineage"]["read"]) == ("duckdb", 2, [table])
    read = await run(client, "SELECT id, name FROM sales.orders WHERE id > 8 ORDER BY id")
    assert read["rows"] == [[9, "n9"], [11, "it's"], [109, "N9"], [111, "IT'S"]]
    # An INSERT that was answered is not repeated by a request with its key.
    body = {"query": "INSERT INTO sales.orders VALUES (12, 'x')", "warehouse_id": "main"}
    answers = [await client.post("/sql/execute", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert len({answer.json()["statement_id"] for answer in answers}) == 1
    assert (await run(client, "SELECT count(*) FROM sales.orders"))["rows"] == [[14]]


async def test_a_commit_that_was_not_answered(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse, orders: pa.Table, outside: Catalog
) -> None:
    proxy = BreakingProxy(lakehouse.catalog.port)
    async with (
        proxy.running(),
        running_gateway(lakehouse, ICEFIELD_CATALOG_URI=f"http://127.0.0.1:{proxy.port}/catalog") as gateway,
    ):
        await set_warehouse_status(app, lakehouse.slug, "main", running(gateway.endpoint))
        proxy.lose_answer_to(b"add-snapshot", stays_away=False)
        made = await run(client, "INSERT INTO sales.orders VALUES (11, 'x')", wait_timeout=50)
        assert proxy.lost_answers == 1
        assert (made["status"], made["rows_produced"], made["engine"]) == ("succeeded", 1, "duckdb"), made
        again = await run(client, "INSERT INTO sales.orders VALUES (12, 'y')", wait_timeout=50)
        assert again["status"] == "succeeded", again
        read = await run(client, "SELECT id FROM sales.orders WHERE id > 9 ORDER BY id")
        assert read["rows"] == [[11], [12]]
    (first, second) = outside.load_table("sales.orders").snapshots()[-2:]
    assert first.summary
    assert second.summary
    ids = [each.summary["icefield.statement-id"] for each in (first, second) if each.summary]
    assert ids == [made["statement_id"], again["statement_id"]]


async def test_many_rows_in_one_statement(
    client: httpx.AsyncClient, gateway: RunningGateway, orders: pa.Table, lakehouse: Lakehouse
) -> None:
    rows = ", ".join(f"({n}, '{'text ' * 8}{n}')" for n in range(60_000))
    made = await run(client, f"INSERT INTO sales.orders VALUES {rows}", wait_timeout=50)
    assert (made["status"], made["engine"], made["rows_produced"]) == ("succeeded", "duckdb", 60_000), made
    assert (await run(client, "SELECT count(*), max(id) FROM sales.orders"))["rows"] == [[60_010, 59_999]]


REFUSED = [
    "VALUES (1)",
    "VALUES ('a', 'b')",
    "VALUES (1.5, 2)",
    "(id) VALUES (9223372036854775808)",
    "(id) SELECT 'a'",
    "(small) VALUES (3000000000)",
    "(small) SELECT id * 2147483647 FROM sales.orders",
    "(amount) VALUES (1e10)",
    "(day) VALUES ('2024-13-01')",
    "(day) VALUES (1)",
    "(id, id) VALUES (1, 2)",
    "(nowhere) VALUES (1)",
    "(small) VALUES (NULL), (1 / 0)",
    "(needed) VALUES (NULL)",
    "(small) VALUES (1)",
]
WRITTEN = [
    "(needed, small) VALUES (1, 1.9)",
    "(needed, name) VALUES (1, 1.5), (2, true)",
    "(needed, name) SELECT id, CAST(id AS DOUBLE) FROM sales.orders LIMIT 1",
    "(needed, day) SELECT 1, TIMESTAMP'2024-05-05 10:00:00'",
]


async def test_what_spark_refuses_is_refused_alike(
    app: FastAPI, client: httpx.AsyncClient, pod: Pod, orders: pa.Table, outside: Catalog
) -> None:
    columns = "id BIGINT, name STRING, small INT, amount DECIMAL(6,2), day DATE, needed INT"
    for table, required in (("ours", ""), ("them", ""), ("strict", " NOT NULL"), ("severe", " NOT NULL")):
        query = f"CREATE TABLE sales.{table} ({columns}{required})"
        assert (await _done(client, query))["status"] == "succeeded"
    for rest in (*REFUSED, *WRITTEN):
        pair = ("strict", "severe") if "needed" in rest else ("ours", "them")
        auto = await _done(client, f"INSERT INTO sales.{pair[0]} {rest}")
        spark = await _done(client, f"INSERT INTO sales.{pair[1]} {rest}", engine="spark")
        assert auto["status"] == spark["status"], (rest, auto, spark)
        assert auto["error_code"] == spark["error_code"], rest
        assert _about(auto, pair[0]) == _about(spark, pair[1]), rest
        assert auto["rows_produced"] == spark["rows_produced"], rest
    for pair in (("ours", "them"), ("strict", "severe")):
        read = [await run(client, f"SELECT * FROM sales.{name} ORDER BY ALL", dialect="duckdb") for name in pair]
        assert read[0]["rows"] == read[1]["rows"]


def _about(answer: dict[str, Any], table: str) -> str:
    return (answer["error_message"] or "").replace(f"`{table}`", "`t`").replace(f".{table}", ".t")


async def _done(client: httpx.AsyncClient, query: str, **body: Any) -> dict[str, Any]:
    answer = await run(client, query, wait_timeout=50, **body)
    statement = await ended(client, answer["statement_id"], 60)
    return {**answer, **statement}
