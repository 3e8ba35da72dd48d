"""SQL statements over REST: a real control plane, catalog, object store and gateway; the operator is played."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import httpx
import polnor
import polnor.dbapi
import polnor.warehouses
import pyarrow as pa
import pytest
from fastapi import FastAPI
from polnor._client import Client, Config
from pyiceberg.catalog import Catalog

from icefield_apiserver.core.settings import Settings
from icefield_apiserver.features.statements import dispatch, lifecycle
from icefield_apiserver.features.statements.service import StatementService
from icefield_crds import Warehouse
from icefield_crds.names import namespace_of
from icefield_crds.object_store import result_key
from icefield_crds.warehouse import WAKE_ANNOTATION
from tests.api.conftest import ADMIN, SignIn, serving
from tests.api.lakehouse import Lakehouse
from tests.api.test_polnor_sdk import call, listening
from tests.eventually import eventually

from .site import (
    TOKEN,
    RunningGateway,
    ended,
    run,
    running,
    running_gateway,
    set_warehouse_status,
    stopped,
    until,
)

pytestmark = pytest.mark.integration

SLOW = "SELECT count(*) AS n FROM range(3000000) a(x), range(3000000) b(y) WHERE x * y % 7 = 3"
"""Goes on for far longer than any test; it is cancelled, or its warehouse is killed."""


async def test_a_read_answers_as_the_reference_does(
    client: httpx.AsyncClient, gateway: RunningGateway, orders: pa.Table, outside: Catalog, lakehouse: Lakehouse
) -> None:
    executed = await run(client, "SELECT count(*) FROM sales.orders")
    table = f"{lakehouse.slug}.sales.orders"
    snapshot = outside.load_table("sales.orders").current_snapshot()
    assert snapshot is not None
    assert (executed["columns"], executed["rows"], executed["engine"], executed["status"]) == (
        ["count"],
        [[10]],
        "duckdb",
        "succeeded",
    )
    assert (executed["lineage"]["read"], executed["lineage"]["written"], executed["truncated"]) == ([table], [], False)
    assert executed["lineage"]["read_snapshots"] == [{"table": table, "snapshot_id": snapshot.snapshot_id}]
    assert isinstance(executed["elapsed_ms"], int)

    statement = (await client.get(f"/sql/statements/{executed['statement_id']}")).json()
    assert (statement["status"], statement["rows_produced"], statement["error_message"]) == ("succeeded", 1, None)
    assert statement["result_schema"] == [{"name": "count", "type": "bigint"}]
    assert statement["lineage"] == executed["lineage"]
    assert statement["person"] == ADMIN
    results = (await client.get(f"/sql/statements/{executed['statement_id']}/results")).json()
    assert results == {"schema": statement["result_schema"], "rows_produced": 1, "data": [[10]]}
    again = await run(client, "SELECT name FROM orders WHERE id = ?", schema="sales", params=[3], row_limit=5)
    assert again["rows"] == [["n3"]]


async def test_names_that_need_quotes_are_kept_as_they_are_and_found_by_the_name_that_rest_gives(
    client: httpx.AsyncClient, gateway: RunningGateway
) -> None:
    names = ["a b", "größe", "select", "x.y", "100%", "Mixed", "semi;colon", "back`tick", "it's"]
    columns = [{"name": name, "type": "int"} for name in names]
    for database, table, full_name in (
        ("my-sales", "2024 Q1", "`my-sales`.`2024 Q1`"),
        ("sales", "group", "sales.group"),
    ):
        assert (await client.post("/databases", json={"name": database})).status_code == 201
        made = await client.post(f"/databases/{database}/tables", json={"name": table, "columns": columns})
        assert (made.status_code, made.json()["full_name"]) == (201, full_name), made.text
        path = f"/databases/{quote(database)}/tables/{quote(table)}"
        read = (await client.get(path)).json()
        assert ([column["name"] for column in read["columns"]], read["full_name"]) == (names, full_name)
        selected = ", ".join(f"`{name.replace('`', '``')}`" for name in names)
        executed = await run(client, f"SELECT {selected} FROM {full_name}")
        assert (executed["status"], executed["columns"]) == ("succeeded", names), executed
        assert (await client.delete(path)).status_code == 204


async def test_what_does_not_parse_is_400_and_what_fails_is_a_failed_statement(
    client: httpx.AsyncClient, gateway: RunningGateway, orders: pa.Table
) -> None:
    body = {"query": "SELEC 1", "warehouse_id": "main"}
    assert (await client.post("/sql/execute", json=body)).status_code == 400
    for query in ("COPY t TO '/tmp/x'", "SELECT * FROM read_csv('/etc/passwd')", ""):
        assert (await client.post("/sql/execute", json={**body, "query": query})).status_code == 400, query
    nowhere = await client.post("/sql/execute", json={"query": "SELECT 1", "warehouse_id": "nope"})
    assert (nowhere.status_code, "no warehouse nope" in nowhere.json()["error"]) == (404, True)
    lost = await client.post("/sql/execute", json={**body, "query": "SELECT 1", "lineage_run_id": "run_000000000000"})
    assert lost.status_code == 400

    unknown = await run(client, "SELECT * FROM sales.nope")
    assert (unknown["status"], unknown["error_code"], unknown["rows"]) == ("failed", "TABLE_OR_VIEW_NOT_FOUND", [])
    wrong = await run(client, "SELECT CAST('x' AS INT)")
    assert wrong["status"] == "failed"
    assert wrong["error_message"]
    results = await client.get(f"/sql/statements/{wrong['statement_id']}/results")
    assert (results.status_code, wrong["error_message"] in results.json()["error"]) == (409, True)
    assert (await client.get("/sql/statements/stmt_nope")).status_code == 404


async def test_every_type_in_json(client: httpx.AsyncClient, gateway: RunningGateway, outside: Catalog) -> None:
    query = """
        SELECT true AS b, CAST(9007199254740993 AS BIGINT) AS i, CAST(1.10 AS DECIMAL(10,2)) AS d,
               CAST(1.10 AS DECIMAL(16,2)) AS wide,
               array(CAST(1.10 AS DECIMAL(10,2))) AS ds, CAST('NaN' AS DOUBLE) AS n,
               CAST('Infinity' AS DOUBLE) AS inf, 1.5D AS f, 'ü' AS s, X'00ff' AS x,
               DATE '2026-11-22' AS day, TIMESTAMP_NTZ '2026-11-22 10:00:00.5' AS ntz,
               TIMESTAMP '2026-11-22 10:00:00+02:00' AS ts,
               array(1, NULL) AS a, named_struct('k', 1, 'v', 'w') AS st, counts AS m, NULL AS nothing
        FROM sales.maps
    """
    counts = pa.table({"counts": pa.array([[("k", 1.5)]], pa.map_(pa.string(), pa.float64()))})
    outside.create_namespace("sales")
    outside.create_table("sales.maps", counts.schema).append(counts)
    executed = await run(client, query)
    assert executed["status"] == "succeeded", executed["error_message"]
    expected = [
        True,
        9007199254740993,
        1.1,
        "1.10",
        [1.1],
        "NaN",
        "Infinity",
        1.5,
        "ü",
        "AP8=",
        "2026-11-22",
        "2026-11-22T10:00:00.500000",
        "2026-11-22T08:00:00Z",
        [1, None],
        {"k": 1, "v": "w"},
        [["k", 1.5]],
        None,
    ]
    assert executed["rows"] == [expected]
    results = (await client.get(f"/sql/statements/{executed['statement_id']}/results")).json()
    assert results["data"] == [expected]
    types = {column["name"]: column["type"] for column in results["schema"]}
    assert types["d"] == "decimal(10,2)"
    assert (types["ntz"], types["ts"], types["m"]) == ("timestamp_ntz", "timestamp", "map<string,double>")


async def test_results_in_pages_and_whole(client: httpx.AsyncClient, gateway: RunningGateway) -> None:
    executed = await run(client, "SELECT id, CAST(id AS STRING) AS name FROM range(150000)", dialect="icefield")
    assert (len(executed["rows"]), executed["rows_produced"], executed["truncated"]) == (10_000, 150_000, True)
    path = f"/sql/statements/{executed['statement_id']}"
    whole = (await client.get(f"{path}/results")).json()
    assert (len(whole["data"]), whole["data"][0], whole["data"][-1]) == (150_000, [0, "0"], [149_999, "149999"])
    assert "next_cursor" not in whole
    rows: list[Any] = []
    cursor = None
    while True:
        query = {"limit": "40000"} | ({"cursor": cursor} if cursor else {})
        page = (await client.get(f"{path}/results", params=query)).json()
        rows += page["data"]
        if (cursor := page.get("next_cursor")) is None:
            break
    assert rows == whole["data"]
    arrow = await client.get(f"{path}/arrow")
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    table = pa.ipc.open_stream(io.BytesIO(arrow.content)).read_all()
    assert (table.num_rows, table.column("id")[149_999].as_py()) == (150_000, 149_999)
    pointed = await client.get(f"{path}/arrow", params={"redirect": "true"})
    assert pointed.status_code == 307
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(pointed.headers["location"])).content == arrow.content
    assert (await client.get(f"{path}/results", params={"cursor": "nope"})).status_code == 400

    cut = await run(client, "SELECT id FROM range(10)", row_limit=3)
    assert (cut["rows"], cut["truncated"], cut["rows_produced"]) == ([[0], [1], [2]], True, 3)
    empty = await run(client, "SELECT id FROM range(10) WHERE id > 50")
    assert (empty["rows"], empty["columns"], empty["truncated"]) == ([], ["id"], False)
    nothing = (await client.get(f"/sql/statements/{empty['statement_id']}/results")).json()
    assert (nothing["data"], nothing["rows_produced"]) == ([], 0)
    as_arrow = await run(client, "SELECT id FROM range(10)", format="arrow")
    assert (as_arrow["rows"], as_arrow["rows_produced"]) == ([], 10)


async def test_a_short_result_is_in_the_record_until_a_link_is_asked_for(
    app: FastAPI,
    settings: Settings,
    client: httpx.AsyncClient,
    gateway: RunningGateway,
    lakehouse: Lakehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    executed = await run(client, "SELECT id FROM range(5)")
    path = f"/sql/statements/{executed['statement_id']}"
    key = result_key(lakehouse.slug, executed["statement_id"])
    async with second_server(settings) as second, listening(second) as url:
        headers = client.headers
        async with httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as there:
            assert (await there.get(f"{path}/results")).json()["data"] == executed["rows"]
    first = (await client.get(f"{path}/results", params={"limit": 2})).json()
    rest = (await client.get(f"{path}/results", params={"limit": 3, "cursor": first["next_cursor"]})).json()
    assert (first["data"] + rest["data"], rest["rows_produced"]) == ([[0], [1], [2], [3], [4]], 5)
    arrow = await client.get(f"{path}/arrow")
    assert pa.ipc.open_stream(arrow.content).read_all().column("id").to_pylist() == [0, 1, 2, 3, 4]
    assert await app.state.core.bucket.is_empty(key)
    pointed = await client.get(f"{path}/arrow", params={"redirect": "true"})
    assert pointed.status_code == 307
    async with httpx.AsyncClient() as anybody:
        assert (await anybody.get(pointed.headers["location"])).content == arrow.content

    monkeypatch.setattr(dispatch, "FIRST_WAIT_SECONDS", 0.0)  # the result comes with a later call then
    for body in ({"format": "arrow"}, {"wait_timeout": 0}):
        other = await run(client, "SELECT id FROM range(3)", **body)
        await ended(client, other["statement_id"])
        assert await app.state.core.bucket.is_empty(result_key(lakehouse.slug, other["statement_id"]))
        results = await client.get(f"/sql/statements/{other['statement_id']}/results")
        assert results.json()["data"] == [[0], [1], [2]]


async def test_a_short_result_of_an_older_gateway_is_in_the_object_store(
    app: FastAPI,
    client: httpx.AsyncClient,
    gateway: RunningGateway,
    lakehouse: Lakehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lifecycle, "RECORDED_BYTES", 0)  # the gateway then stores it, as an older one always does
    executed = await run(client, "SELECT id FROM range(5)")
    assert not await app.state.core.bucket.is_empty(result_key(lakehouse.slug, executed["statement_id"]))
    path = f"/sql/statements/{executed['statement_id']}"
    assert (await client.get(f"{path}/results")).json()["data"] == executed["rows"]
    arrow = await client.get(f"{path}/arrow")
    assert pa.ipc.open_stream(arrow.content).read_all().num_rows == 5


async def test_the_history_and_its_filters(
    client: httpx.AsyncClient, gateway: RunningGateway, sign_in: SignIn, lakehouse: Lakehouse
) -> None:
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    first = await run(client, "SELECT 1 AS a")
    second = await run(viewer, "SELECT CAST('x' AS INT)")
    third = await run(client, "SELECT 3 AS c")

    async def ids(**params: Any) -> list[str]:
        page = (await client.get("/sql/statements", params=params)).json()
        return [row["id"] for row in page["data"]]

    everything = [third["statement_id"], second["statement_id"], first["statement_id"]]
    assert await ids() == everything
    assert await ids(status="failed") == [second["statement_id"]]
    assert await ids(person="viewer@acme.eu") == [second["statement_id"]]
    assert await ids(warehouse="main") == everything
    assert await ids(warehouse="other") == []
    assert await ids(since="2036-01-01T00:00:00Z") == []
    assert await ids(since="2026-01-01T00:00:00Z") == everything
    assert await ids(run="run_000000000000") == []
    page = (await client.get("/sql/statements", params={"limit": 2})).json()
    rest = (await client.get("/sql/statements", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [row["id"] for row in [*page["data"], *rest["data"]]] == everything
    assert "next_cursor" not in rest


async def test_viewers_read_and_do_not_write(
    client: httpx.AsyncClient, gateway: RunningGateway, orders: pa.Table, sign_in: SignIn, lakehouse: Lakehouse
) -> None:
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    assert (await run(viewer, "SELECT count(*) FROM sales.orders"))["rows"] == [[10]]
    write = {"query": "INSERT INTO sales.orders VALUES (11, 'x')", "warehouse_id": "main"}
    refused = await viewer.post("/sql/execute", json=write)
    assert (refused.status_code, "may only read" in refused.json()["error"]) == (403, True)


async def test_waiting_or_not(client: httpx.AsyncClient, gateway: RunningGateway) -> None:
    answer = await client.post("/sql/execute", json={"query": "SELECT 1", "warehouse_id": "main", "wait_timeout": 0})
    assert answer.status_code == 202
    assert answer.headers["location"] == f"/api/v1/sql/statements/{answer.json()['statement_id']}"
    assert (await ended(client, answer.json()["statement_id"]))["status"] == "succeeded"
    too_long = {"query": "SELECT 1", "warehouse_id": "main", "wait_timeout": 51}
    assert (await client.post("/sql/execute", json=too_long)).status_code == 400


async def test_cancel_stops_the_engine(client: httpx.AsyncClient, gateway: RunningGateway) -> None:
    executed = await run(client, SLOW, dialect="duckdb", wait_timeout=0)
    path = f"/sql/statements/{executed['statement_id']}"
    await until(client, executed["statement_id"], ("running",))
    assert (await client.get(f"{path}/results")).status_code == 409
    cancelled = (await client.post(f"{path}/cancel")).json()
    assert (cancelled["status"], cancelled["error_code"]) == ("cancelled", "CANCELLED")
    assert (await client.post(f"{path}/cancel")).json()["status"] == "cancelled"
    async with httpx.AsyncClient(trust_env=False) as direct:
        status = await direct.get(f"{gateway.endpoint}/status", headers={"Authorization": f"Bearer {TOKEN}"})
    assert status.json()["running"] == 0


async def test_a_repeated_request_runs_nothing_again(client: httpx.AsyncClient, gateway: RunningGateway) -> None:
    body = {"query": "SELECT 1 AS a", "warehouse_id": "main"}
    first, second = [await client.post("/sql/execute", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.json()["statement_id"] == second.json()["statement_id"]
    assert (first.json()["rows"], second.json()["rows"], second.json()["truncated"]) == ([[1]], [[1]], False)
    others = (
        {"query": "SELECT 2 AS a"},
        {"row_limit": 1},
        {"schema": "sales"},
        {"engine": "duckdb"},
        {"dialect": "duckdb"},
    )
    for other in others:
        answer = await client.post("/sql/execute", json=body | other, headers={"Idempotency-Key": "k"})
        assert (answer.status_code, answer.json()["error"]) == (
            409,
            "The idempotency key was used for another statement.",
        ), other
    later = await client.post("/sql/execute", json=body | {"wait_timeout": 1}, headers={"Idempotency-Key": "k"})
    assert later.json()["statement_id"] == first.json()["statement_id"]
    assert len((await client.get("/sql/statements")).json()["data"]) == 1


@pytest.mark.parametrize("rows", [3000, 30_000])
async def test_a_repeated_request_has_the_same_rows(
    client: httpx.AsyncClient, gateway: RunningGateway, rows: int
) -> None:
    """Though its result is an object of the store, and longer than an answer."""
    body = {"query": f"SELECT id, repeat('x', 300) AS t FROM range({rows})", "warehouse_id": "main", "wait_timeout": 50}
    first, second = [await client.post("/sql/execute", json=body, headers={"Idempotency-Key": "k"}) for _ in range(2)]
    assert first.json() == second.json()
    assert len(first.json()["rows"]) > 1000
    assert first.json()["truncated"] == (rows > 10_000)


async def test_parameters_are_part_of_a_request(client: httpx.AsyncClient, gateway: RunningGateway) -> None:
    body = {"query": "SELECT ? AS a", "warehouse_id": "main", "params": [1]}
    key = {"Idempotency-Key": "k"}
    first = await client.post("/sql/execute", json=body, headers=key)
    assert (await client.post("/sql/execute", json=body, headers=key)).json()["rows"] == first.json()["rows"] == [[1]]
    assert (await client.post("/sql/execute", json=body | {"params": [2]}, headers=key)).status_code == 409


async def test_thirty_two_at_once(client: httpx.AsyncClient, gateway: RunningGateway, orders: pa.Table) -> None:
    queries = [f"SELECT count(*) AS n FROM sales.orders WHERE id >= {number % 10}" for number in range(32)]
    answers = await asyncio.gather(*(run(client, query, wait_timeout=50) for query in queries))
    assert [answer["rows"] for answer in answers] == [[[10 - number % 10]] for number in range(32)]


async def test_a_stopped_warehouse_is_woken_and_the_statement_waits(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    await set_warehouse_status(app, lakehouse.slug, "main", stopped(observedGeneration=1))
    executed = await run(client, "SELECT 1 AS a", wait_timeout=0)
    assert executed["status"] == "pending"

    async def is_woken() -> bool:
        warehouse = app.state.core.cluster.cache(Warehouse).store.get(namespace_of(lakehouse.slug), "main")
        return isinstance(warehouse, Warehouse) and WAKE_ANNOTATION in warehouse.metadata.annotations

    await eventually(is_woken)
    assert (await client.get("/sql/warehouses/main")).json()["status"] == "starting"
    assert (await client.get(f"/sql/statements/{executed['statement_id']}")).json()["status"] == "pending"
    async with running_gateway(lakehouse) as gateway:
        await set_warehouse_status(app, lakehouse.slug, "main", running(gateway.endpoint))
        assert (await ended(client, executed["statement_id"]))["status"] == "succeeded"


async def test_a_warehouse_that_does_not_start_fails_its_statements_with_its_own_error(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    await set_warehouse_status(
        app, lakehouse.slug, "main", {"phase": "error", "error": "There is no flavor huge.", "observedGeneration": 1}
    )
    executed = await run(client, "SELECT 1 AS a", wait_timeout=20)
    assert (executed["status"], executed["error_code"]) == ("failed", "WAREHOUSE_UNAVAILABLE")
    assert executed["error_message"] == "Warehouse main does not start: There is no flavor huge."

    app.state.settings.statements.warehouse_error_seconds = 600
    waiting = await run(client, "SELECT 1 AS a", wait_timeout=0)
    assert (await client.delete("/sql/warehouses/main")).status_code == 204
    gone = await ended(client, waiting["statement_id"])
    assert (gone["status"], gone["error_code"]) == ("failed", "WAREHOUSE_DELETED")
    cancelled = await client.get("/sql/statements", params={"warehouse": "main"})
    assert len(cancelled.json()["data"]) == 2


async def test_a_pending_statement_can_be_cancelled(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    await set_warehouse_status(app, lakehouse.slug, "main", {"phase": "starting", "observedGeneration": 1})
    executed = await run(client, "SELECT 1 AS a", wait_timeout=0)
    cancelled = await client.post(f"/sql/statements/{executed['statement_id']}/cancel")
    assert cancelled.json()["status"] == "cancelled"


async def test_too_many_waiting_is_429(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    app.state.settings.statements.max_per_warehouse = 2
    await set_warehouse_status(app, lakehouse.slug, "main", {"phase": "starting", "observedGeneration": 1})
    for _ in range(2):
        await run(client, "SELECT 1 AS a", wait_timeout=0)
    refused = await client.post("/sql/execute", json={"query": "SELECT 1", "warehouse_id": "main"})
    assert refused.status_code == 429
    assert "max_statements_per_warehouse=2, current=2" in refused.json()["error"]


async def test_a_read_survives_its_warehouse_and_does_not_survive_three(
    app: FastAPI, client: httpx.AsyncClient, gateway: RunningGateway, lakehouse: Lakehouse, orders: pa.Table
) -> None:
    slow = await run(client, SLOW, dialect="duckdb", wait_timeout=0)
    await until(client, slow["statement_id"], ("running",))
    for _ in range(3):
        await gateway.kill()
        await set_warehouse_status(app, lakehouse.slug, "main", {"phase": "starting", "endpoint": None})
        await gateway.start()
        await set_warehouse_status(app, lakehouse.slug, "main", running(gateway.endpoint))
        now = await until(client, slow["statement_id"], ("running", "failed"), 20)
        if now["status"] == "failed":
            break
        await asyncio.sleep(1.5)  # long enough to be handed to the new gateway
    failed = await ended(client, slow["statement_id"])
    assert (failed["status"], failed["error_code"]) == ("failed", "ENGINE_LOST")
    assert "3 times" in failed["error_message"]
    assert (await run(client, "SELECT count(*) FROM sales.orders"))["rows"] == [[10]]


@asynccontextmanager
async def second_server(settings: Settings) -> AsyncIterator[FastAPI]:
    """Another server on the same database."""
    async with serving(settings) as app:
        yield app


async def test_another_server_takes_over_what_a_dead_one_left(
    app: FastAPI, settings: Settings, client: httpx.AsyncClient, gateway: RunningGateway, lakehouse: Lakehouse
) -> None:
    """The first server's executor is killed without a word: its tasks end, and nobody renews its leases."""
    await set_warehouse_status(app, lakehouse.slug, "main", {"phase": "starting", "endpoint": None})
    pending = await run(client, "SELECT 42 AS answer", wait_timeout=0)
    await set_warehouse_status(app, lakehouse.slug, "main", running(gateway.endpoint))
    assert (await ended(client, pending["statement_id"]))["status"] == "succeeded"

    slow = await run(client, SLOW, dialect="duckdb", wait_timeout=0)
    await until(client, slow["statement_id"], ("running",))
    executor = app.state.services.get(StatementService)._executor
    await set_warehouse_status(app, lakehouse.slug, "main", {"phase": "starting", "endpoint": None})
    waiting = await run(client, "SELECT 43 AS answer", wait_timeout=0)
    for task in [*executor._loops, *executor._tasks]:
        task.cancel()
    async with second_server(settings) as second:
        await set_warehouse_status(second, lakehouse.slug, "main", running(gateway.endpoint))
        assert (await ended(client, waiting["statement_id"]))["status"] == "succeeded"
        results = await client.get(f"/sql/statements/{waiting['statement_id']}/results")
        assert results.json()["data"] == [[43]]
        # cancelled through the first server, which does not see to it any more
        cancelled = (await client.post(f"/sql/statements/{slow['statement_id']}/cancel")).json()
        assert (await ended(client, cancelled["id"]))["status"] == "cancelled"


async def test_a_server_that_ends_leaves_its_statements_to_others(
    app: FastAPI, settings: Settings, client: httpx.AsyncClient, gateway: RunningGateway, lakehouse: Lakehouse
) -> None:
    headers = client.headers
    async with (
        second_server(settings) as second,
        listening(second) as url,
        httpx.AsyncClient(base_url=f"{url}/api/v1", headers=headers, timeout=30) as there,
    ):
        slow = await run(there, SLOW, dialect="duckdb", wait_timeout=0)
        await until(there, slow["statement_id"], ("running",))
    cancelled = (await client.post(f"/sql/statements/{slow['statement_id']}/cancel")).json()
    assert (await ended(client, cancelled["id"]))["status"] == "cancelled"


async def test_expired_results_are_deleted(
    app: FastAPI, client: httpx.AsyncClient, gateway: RunningGateway, lakehouse: Lakehouse
) -> None:
    app.state.settings.statements.result_seconds = -1
    executed = await run(client, "SELECT 1 AS a")
    path = f"/sql/statements/{executed['statement_id']}"
    assert (await client.get(f"{path}/results")).status_code == 200
    assert (await client.get(f"{path}/arrow", params={"redirect": "true"})).status_code == 307
    await app.state.services.get(StatementService)._executor._janitor.sweep()
    assert await app.state.core.bucket.is_empty(result_key(lakehouse.slug, executed["statement_id"]))
    gone = await client.get(f"{path}/results")
    assert (gone.status_code, gone.json()["error"].startswith("The result of the statement")) == (404, True)
    assert (await client.get(path)).json()["status"] == "succeeded"


async def test_the_published_client(
    app: FastAPI,
    client: httpx.AsyncClient,
    gateway: RunningGateway,
    orders: pa.Table,
    lakehouse: Lakehouse,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("POLNOR_RUN_ID", raising=False)
    async with listening(app) as url:
        token = client.headers["Authorization"].removeprefix("Bearer ")
        config = Config(api_url=url, token=token, workspace_slug=lakehouse.slug, warehouse_id="main")
        sdk = Client(config)
        result = await call(polnor.sql, "SELECT id, name FROM sales.orders ORDER BY id", client=sdk)
        assert (len(result), result[3], result.column_names()) == (10, [3, "n3"], ["id", "name"])
        arrow = await call(polnor.sql, "SELECT * FROM sales.orders", format="arrow", client=sdk)
        assert arrow.to_arrow_table().num_rows == 10
        with pytest.raises(polnor.SQLError, match="There is no table or view"):
            await call(polnor.sql, "SELECT * FROM sales.nope", client=sdk)

        def dbapi() -> tuple[Any, list[tuple[Any, ...]], int]:
            connection = polnor.dbapi.connect(
                api_url=url, token=token, warehouse_id="main", workspace_slug=lakehouse.slug
            )
            cursor = connection.cursor()
            cursor.execute("SELECT id, name FROM sales.orders WHERE id = ?", [7])
            return cursor.description, cursor.fetchall(), cursor.rowcount

        description, rows, count = await call(dbapi)
        assert ([column[:2] for column in description], rows, count) == (
            [("id", "bigint"), ("name", "string")],
            [(7, "n7")],
            1,
        )
        (warehouse,) = await call(polnor.warehouses.list, client=sdk)
        assert (warehouse["name"], warehouse["status"]) == ("main", "running")
        assert (await call(polnor.warehouses.get, "main", client=sdk))["id"] == warehouse["id"]
        assert (await call(polnor.warehouses.start, "main", client=sdk))["status"] == "running"
        assert (await call(polnor.warehouses.default, client=sdk))["name"] == "main"
