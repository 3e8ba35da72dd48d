"""The query router over REST: real catalog, object store and DuckDB; the operator and the sandboxes are played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI
from oleander_sdk import Oleander, OleanderHttpError
from oleander_sdk.models import QueryOptions, QueryRunOptions, QuerySubmitAndWaitOptions, QuerySubmitOptions
from pyiceberg.catalog import Catalog

from icefield_apiserver.core.settings import Settings
from icefield_crds import Run
from icefield_crds.names import JOB_NAME_ANNOTATION, JOB_NAMESPACE_ANNOTATION
from tests.api.conftest import SignIn
from tests.api.lakehouse import Lakehouse
from tests.api.sandboxes import Sandboxes, arrow_stream
from tests.api.test_polnor_sdk import listening
from tests.eventually import eventually
from tests.integration.engines.pod import Pod
from tests.object_store import s3_client

from .site import RunningGateway, running, running_gateway, set_warehouse_status, stopped

pytestmark = pytest.mark.integration

COUNT = "SELECT count(*) AS n FROM sales.orders"
ROWS = arrow_stream({"n": [10]}, ["UInt32"])


@pytest_asyncio.fixture
async def sandboxes(app: FastAPI, settings: Settings, lakehouse: Lakehouse) -> AsyncIterator[Sandboxes]:
    """The sandboxes of the workspace."""
    store = settings.object_store
    async with s3_client(store.endpoint, store.access_key_id, store.secret_access_key.get_secret_value()) as s3:
        yield Sandboxes(app, s3, store.bucket, lakehouse.slug)


@pytest_asyncio.fixture
async def sdk(app: FastAPI, client: httpx.AsyncClient) -> AsyncIterator[Oleander]:
    """The published client with a key of the workspace, against the server over HTTP."""
    made = await client.post("/auth/keys", json={"name": "oleander"})
    assert made.status_code == 201, made.text
    async with listening(app) as url:
        yield Oleander(api_key=made.json()["key"], base_url=url)


async def ask(client: httpx.AsyncClient, status: int = 200, **body: Any) -> dict[str, Any]:
    """Post a query, and return the answer, which has this status."""
    answer = await client.post("/query", json=body)
    assert answer.status_code == status, answer.text
    answered: dict[str, Any] = answer.json()
    return answered


async def test_a_read_returns_its_rows_and_why_it_ran_there(
    sdk: Oleander, gateway: RunningGateway, orders: pa.Table, lakehouse: Lakehouse
) -> None:
    found = await sdk.query_run("SELECT id, name FROM oleander.sales.orders WHERE id < 2 ORDER BY id")
    assert (found.success, found.row_count, found.explain) == (True, 2, None)
    assert found.results is not None
    assert found.results.model_dump() == {
        "columns": ["id", "name"],
        "column_types": ["bigint", "string"],
        "rows": [[0, "n0"], [1, "n1"]],
    }
    assert (found.engine_version, str(found.execution_time)[-1]) == ("1.5.5", "s")
    assert found.job is not None
    assert found.job.namespace == lakehouse.slug
    decision = found.engine_decision
    assert decision is not None
    assert (decision.engine, decision.execution_mode, decision.size_band) == ("duckdb", "inline", "small")
    assert (decision.input_tables, decision.vcpus, decision.sandbox) == (["sales.orders"], None, None)
    assert int(decision.estimated_input_bytes or 0) > 100
    assert any("DuckDB" in reason for reason in decision.reasons)


async def test_what_a_read_may_say(client: httpx.AsyncClient, gateway: RunningGateway, orders: pa.Table) -> None:
    cte = "WITH o AS (SELECT * FROM sales.orders) SELECT 'drop; delete' AS \"update\", max(`id`) AS top FROM o"
    assert (await ask(client, query=cte))["results"]["rows"] == [["drop; delete", 9]]
    bound = await ask(client, query="SELECT max(o.id) AS top FROM o", tables=["o=sales.orders"], engine="duckdb")
    assert (bound["results"]["rows"], bound["engine_decision"]["input_tables"]) == ([[9]], ["sales.orders"])
    own = await ask(client, query="FROM sales.orders SELECT list_sum(list(id)) AS s", engine="duckdb")
    assert own["results"]["rows"] == [[45]]
    shown = await ask(client, query="SHOW TABLES IN sales")
    assert [row[1] for row in shown["results"]["rows"]] == ["orders"]
    many = await ask(client, query="SELECT a.id AS x, b.id AS y FROM range(200) a, range(100) b")
    assert (many["row_count"], len(many["results"]["rows"]), many["truncated"]) == (20_000, 10_000, True)
    wide = await ask(client, query="SELECT repeat('x', 100000) AS x FROM range(100)")
    assert (len(wide["results"]["rows"]), wide["truncated"]) == (100, False)


async def test_a_read_that_fails_is_an_answer(
    client: httpx.AsyncClient, sdk: Oleander, gateway: RunningGateway, orders: pa.Table, lakehouse: Lakehouse
) -> None:
    missing = await ask(client, query="SELECT * FROM sales.nope")
    assert (missing["success"], missing["error"]) == (
        False,
        "Line 1, column 15: There is no table or view sales.nope.",
    )
    bare = await ask(client, query="SELECT * FROM nope")
    assert bare["error"] == "Line 1, column 15: There is no table or view default.nope."
    failed = await ask(client, query="SELECT CAST('x' AS INT) AS i")
    assert (failed["success"], bool(failed["error"]), failed["engine_decision"]["engine"]) == (False, True, "duckdb")
    with pytest.raises(RuntimeError, match=r"sales\.nope"):
        await sdk.query_run("SELECT * FROM sales.nope")
    script = await ask(client, script="result = scan('nope')", tables=["sales.nope"])
    assert script["error"] == "There is no table sales.nope."


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({}, "Give a query or a script."),
        ({"query": "  ", "script": ""}, "Give a query or a script."),
        ({"query": COUNT, "script": "result = 1"}, "Give either query or script, not both."),
        ({"query": COUNT, "engine": "bloom"}, "The engine bloom is not available here"),
        ({"query": COUNT, "engine": "trino"}, "There is no engine 'trino'"),
        ({"query": COUNT, "engine": "duckdb", "destination": "sales.x"}, "duckdb cannot write to a destination"),
        ({"query": COUNT, "engine": "spark"}, "spark returns no rows"),
        ({"query": "SELEC 1"}, "SELEC begins no statement"),
        ({"query": "SELECT 1 AS x", "engine": "polars"}, "names none"),
        ({"query": COUNT, "destination": "not a table"}, "destination"),
        ({"query": COUNT, "destination": "x", "write_mode": "merge"}, "write_mode"),
        ({"query": COUNT, "tables": ["a-b=sales.orders"]}, "is no alias"),
        ({"query": "DELETE FROM sales.orders", "destination": "sales.x"}, "names the table that it writes itself"),
        ({"query": "DELETE FROM sales.nope"}, "There is no table or view"),
        ({"query": "SELECT * FROM sales.nope", "destination": "sales.x"}, "There is no table or view"),
        ({"query": "SELECT * FROM other.sales.raw.orders"}, "too many parts"),
        ({"script": "result = 1", "engine": "duckdb"}, "A script runs on Polars"),
    ],
)
async def test_what_can_never_run(
    client: httpx.AsyncClient, orders: pa.Table, body: dict[str, Any], sentence: str
) -> None:
    answered = await ask(client, 400, **body)
    assert sentence in answered["error"]
    assert answered["error"].endswith((".", "?"))


async def test_explaining_runs_nothing(
    app: FastAPI, sdk: Oleander, client: httpx.AsyncClient, orders: pa.Table
) -> None:
    read = await sdk.query_run(QueryRunOptions(sql=COUNT, explain=True))
    assert (read.explain, read.results, read.success) == (True, None, True)
    assert read.engine_decision is not None
    written = await sdk.query_submit(QuerySubmitOptions(sql=COUNT, destination="new.place", explain=True))
    assert (written.explain, written.state, written.run_id) == (True, None, None)
    assert written.engine_decision is not None
    assert (written.engine_decision.engine, written.engine_decision.vcpus) == ("polars", 2)
    assert written.engine_decision.sandbox is not None
    assert written.engine_decision.sandbox.memory_gb == 4
    script = await ask(client, script="result = 1", explain=True)
    assert (script["engine_decision"]["size_band"], script["engine_decision"]["estimated_input_bytes"]) == (None, None)
    changed = await ask(client, query="DELETE FROM sales.orders", explain=True)
    assert changed["engine_decision"]["execution_mode"] == "submitted"
    assert (await client.get("/sql/statements")).json()["data"] == []
    assert (await client.get("/runs")).json()["data"] == []
    assert (await client.get("/databases/new")).status_code == 404


async def test_a_warehouse_is_made_where_there_is_none(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse, orders: pa.Table, sign_in: SignIn
) -> None:
    await set_warehouse_status(app, lakehouse.slug, "main", stopped())
    assert (await client.post("/sql/warehouses/main/stop")).status_code == 200
    assert (await client.delete("/sql/warehouses/main")).status_code == 204
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    refused = await viewer.post("/query", json={"query": COUNT})
    assert (refused.status_code, "create warehouses" in refused.json()["error"]) == (403, True)

    asked = asyncio.create_task(ask(client, query=COUNT))
    again = asyncio.create_task(ask(client, query=COUNT))

    async def is_made() -> bool:
        return len((await client.get("/sql/warehouses")).json()["data"]) > 0

    await eventually(is_made)
    made = (await client.get("/sql/warehouses")).json()["data"]
    assert [(warehouse["name"], warehouse["auto_stop"]) for warehouse in made] == [("default", "10m")]
    async with running_gateway(lakehouse) as gateway:
        await set_warehouse_status(app, lakehouse.slug, "default", running(gateway.endpoint))
        assert (await asked)["results"]["rows"] == [[10]]
        assert (await again)["results"]["rows"] == [[10]]
        assert (await viewer.post("/query", json={"query": COUNT})).json()["row_count"] == 1
    statements = (await client.get("/sql/statements")).json()["data"]
    assert {statement["warehouse_name"] for statement in statements} == {"default"}


async def test_polars_reads(
    sdk: Oleander, client: httpx.AsyncClient, sandboxes: Sandboxes, orders: pa.Table, lakehouse: Lakehouse
) -> None:
    asked = asyncio.create_task(sdk.query_run(QueryRunOptions(sql=COUNT, engine="polars")))
    run = await sandboxes.next_run()
    workload = run.spec.polars
    assert workload is not None
    assert workload.query == "SELECT count(*) AS n FROM `sales_orders` AS `orders`"
    assert [(table.alias, table.table) for table in workload.tables] == [("sales_orders", "sales.orders")]
    await sandboxes.succeed(run, ROWS, 1)
    found = await asked
    assert found.results is not None
    assert (found.results.rows, found.row_count, found.results.column_types) == ([[10]], 1, ["UInt32"])
    assert (found.engine_version, found.execution_time) == ("2.1.0", "340ms")
    annotations = run.metadata.annotations
    assert found.job is not None
    assert (annotations[JOB_NAMESPACE_ANNOTATION], annotations[JOB_NAME_ANNOTATION]) == (
        lakehouse.slug,
        found.job.name,
    )

    options = QueryRunOptions(script="result = scan('o')", tables=["o=sales.orders"])
    script = asyncio.create_task(sdk.query_run(options))
    run = await sandboxes.next_run()
    assert run.spec.polars is not None
    assert (run.spec.polars.script, run.spec.polars.tables[0].table) == (options.script, "sales.orders")
    await sandboxes.fail(run, "script line 1: NameError: name 'x' is not defined", errorKind="script", errorLine=1)
    with pytest.raises(RuntimeError, match="script line 1"):
        await script


async def test_a_write_lands_inline_with_polars(sdk: Oleander, sandboxes: Sandboxes, orders: pa.Table) -> None:
    options = QuerySubmitAndWaitOptions(sql=COUNT, destination="summary", write_mode="append", poll_interval_ms=10)
    asked = asyncio.create_task(sdk.query_submit_and_wait(options))
    run = await sandboxes.next_run()
    assert run.spec.polars is not None
    assert (run.spec.polars.destination, run.spec.polars.save_mode) == ("default.summary", "append")
    saved = {"table": "default.summary", "rowsWritten": 1, "mode": "append"}
    await sandboxes.succeed(run, ROWS, 1, saved=saved)
    done = await asked
    assert (done.state, done.run_id, done.result.row_count) == ("COMPLETE", None, 1)
    assert (done.result.output_table, done.result.write_mode) == ("default.summary", "append")
    assert done.result.engine_decision is not None
    assert done.result.engine_decision.engine == "polars"

    broken = asyncio.create_task(sdk.query_submit(options))
    await sandboxes.fail(await sandboxes.next_run(), "the workload ran out of memory", errorKind="memory")
    with pytest.raises(OleanderHttpError, match=r"The workload ran out of memory\."):
        await broken


async def test_what_polars_cannot_goes_on_to_spark(
    sdk: Oleander, sandboxes: Sandboxes, orders: pa.Table, lakehouse: Lakehouse
) -> None:
    options = QuerySubmitAndWaitOptions(
        sql="SELECT date_format(now(), 'yyyy') AS y, count(*) AS n FROM oleander.sales.orders",
        destination="sales.years",
        poll_interval_ms=10,
    )
    asked = asyncio.create_task(sdk.query_submit_and_wait(options))
    first = await sandboxes.next_run()
    await sandboxes.fail(first, "unsupported function 'date_format'", errorKind="unsupported_sql")
    second = await sandboxes.next_run()
    application = second.spec.spark
    assert application is not None
    assert application.sql is not None
    assert (application.sql.output_table, application.sql.write_mode) == ("sales.years", "overwrite")
    assert f"`{lakehouse.slug}`.`sales`.`orders`" in application.sql.query
    await sandboxes.report(second, "success", startTime="2026-06-01T08:00:00Z", completionTime="2026-06-01T08:00:05Z")
    done = await asked
    assert (done.state, done.result.state, done.run_id) == ("COMPLETE", "SUBMITTED", second.public_id)
    assert done.result.compute == {
        "driver_machine_type": "spark.2.b",
        "executor_machine_type": "spark.1.b",
        "executor_numbers": 0,
    }
    assert done.result.engine_decision is not None
    assert "Polars' SQL cannot run it" in done.result.engine_decision.reasons[-1]

    forced = asyncio.create_task(sdk.query_submit(options.model_copy(update={"engine": "polars"})))
    await sandboxes.fail(await sandboxes.next_run(), "unsupported function", errorKind="unsupported_sql")
    with pytest.raises(OleanderHttpError, match="Unsupported function"):
        await forced


async def test_a_change_without_a_warehouse_that_runs_is_an_application(
    sdk: Oleander, sandboxes: Sandboxes, app: FastAPI, client: httpx.AsyncClient, orders: pa.Table, lakehouse: Lakehouse
) -> None:
    await client.post("/sql/warehouses/main/stop")
    await set_warehouse_status(app, lakehouse.slug, "main", stopped())
    submitted = await sdk.query_submit(QuerySubmitOptions(sql="DELETE FROM sales.orders WHERE id = 1"))
    run = await sandboxes.next_run()
    assert (submitted.state, submitted.run_id, submitted.output_table) == ("SUBMITTED", run.public_id, None)
    assert run.spec.spark is not None
    assert run.spec.spark.sql is not None
    assert run.spec.spark.sql.output_table is None
    assert run.spec.spark.sql.query == f"DELETE FROM `{lakehouse.slug}`.`sales`.`orders` WHERE id = 1"


async def test_viewers_only_read(
    client: httpx.AsyncClient, gateway: RunningGateway, orders: pa.Table, sign_in: SignIn, lakehouse: Lakehouse
) -> None:
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    assert (await ask(viewer, query=COUNT))["results"]["rows"] == [[10]]
    bodies: list[dict[str, Any]] = [
        {"query": COUNT, "destination": "sales.x"},
        {"query": "DELETE FROM sales.orders"},
        {"query": COUNT, "engine": "polars"},
        {"script": "result = 1"},
    ]
    for body in bodies:
        assert "role" in (await ask(viewer, 403, **body))["error"]
    saving = await viewer.post("/warehouse/query", json={"query": COUNT, "autoSaveByHash": True})
    assert saving.status_code == 403


async def test_a_full_workspace_is_429(client: httpx.AsyncClient, sandboxes: Sandboxes, orders: pa.Table) -> None:
    body: dict[str, Any] = {"query": COUNT, "destination": "sales.x", "engine": "spark"}
    runs: list[Run] = []
    for _ in range(10):
        assert (await ask(client, **body))["state"] == "SUBMITTED"
        runs = sandboxes.runs()
    assert len(runs) == 10
    assert "with `on_quota: queue` the run waits" in (await ask(client, 429, **body))["error"]
    assert (await ask(client, **body, on_quota="queue"))["state"] == "SUBMITTED"


async def test_the_older_query(
    client: httpx.AsyncClient, sdk: Oleander, gateway: RunningGateway, orders: pa.Table, outside: Catalog
) -> None:
    found = await sdk.query(COUNT)
    assert (found.success, found.row_count, found.saved_table_name, found.query) == (True, 1, None, COUNT)
    assert found.results is not None
    assert (found.results.columns, found.results.rows) == (["n"], [[10]])
    with pytest.raises(RuntimeError, match=r"sales\.nope"):
        await sdk.query("SELECT * FROM sales.nope", QueryOptions(save=True))
    for query in ("DELETE FROM sales.orders", "SELEC 1", ""):
        refused = await client.post("/warehouse/query", json={"query": query})
        assert refused.status_code == 400, query
    shown = await client.post("/warehouse/query", json={"query": "SHOW TABLES IN sales", "autoSaveByHash": True})
    assert (shown.status_code, "SHOW TABLES" in shown.json()["error"]) == (400, True)


async def test_spark_of_a_warehouse_changes_and_saves(
    sdk: Oleander, client: httpx.AsyncClient, pod: Pod, orders: pa.Table, outside: Catalog
) -> None:
    change = QuerySubmitAndWaitOptions(sql="INSERT INTO sales.orders VALUES (10, 'n10'), (11, 'n11')")
    done = await sdk.query_submit_and_wait(change)
    assert (done.state, done.run_id, done.result.row_count) == ("COMPLETE", None, 2)
    assert done.result.engine_decision is not None
    assert (done.result.engine_decision.engine, done.result.engine_decision.execution_mode) == ("spark", "inline")
    with pytest.raises(OleanderHttpError) as refused:
        await sdk.query_submit(QuerySubmitOptions(sql="INSERT INTO sales.orders VALUES ('a', 'b')"))
    assert refused.value.status == 400

    body = {"query": f"{COUNT};", "autoSaveByHash": True}
    saved = [(await client.post("/warehouse/query", json=body)).json()]
    outside.load_table("sales.orders").append(orders)
    saved.append((await client.post("/warehouse/query", json={**body, "query": COUNT})).json())
    assert [each["results"]["rows"] for each in saved] == [[[12]], [[22]]], saved
    names = {each["saved_table_name"] for each in saved}
    assert len(names) == 1
    table = outside.load_table(names.pop())
    assert (table.name()[0], table.scan().to_arrow().to_pylist()) == ("default", [{"n": 22}])
    once = (await client.post("/warehouse/query", json={**body, "query": "SELECT uuid() AS u"})).json()
    stored = outside.load_table(once["saved_table_name"]).scan().to_arrow().to_pylist()
    assert [[row["u"]] for row in stored] == once["results"]["rows"]
