"""Tables, views, snapshots and maintenance over the real embedded catalog and object store."""

from __future__ import annotations

import asyncio
import json
import time
from datetime import UTC, datetime
from typing import Any

import httpx
import polnor.tables
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI
from polnor._client import Client, Config, PolnorAPIError
from pyiceberg.catalog import Catalog, load_catalog

from .conftest import ADMIN, SignIn
from .lakehouse import Lakehouse, MakeLakehouse
from .test_polnor_sdk import call, listening

pytestmark = pytest.mark.integration

COLUMNS: list[dict[str, Any]] = [
    {"name": "id", "type": "long", "nullable": False, "description": "Number of the order"},
    {"name": "amount", "type": "decimal(10, 2)"},
    {"name": "note", "type": "varchar"},
    {"name": "at", "type": "timestamp"},
    {"name": "tags", "type": "array<string>"},
    {"name": "where", "type": "struct<city: string, at: struct<lat: double, lon: double>>"},
    {"name": "counts", "type": "map<string, bigint>"},
]
TYPES = [
    "long",
    "decimal(10,2)",
    "string",
    "timestamp",
    "list<string>",
    "struct<city:string,at:struct<lat:double,lon:double>>",
    "map<string,long>",
]


@pytest_asyncio.fixture
async def lakehouse(make_lakehouse: MakeLakehouse) -> Lakehouse:
    """A workspace with a catalog."""
    return await make_lakehouse("tables")


@pytest_asyncio.fixture
async def client(sign_in: SignIn, lakehouse: Lakehouse) -> httpx.AsyncClient:
    """An administrator there, with a database called sales."""
    client = await sign_in(ADMIN, workspace=lakehouse.slug)
    assert (await client.post("/databases", json={"name": "sales"})).status_code == 201
    return client


@pytest.fixture
def outside(lakehouse: Lakehouse) -> Catalog:
    """The workspace's catalog as PyIceberg sees it, without us between."""
    return load_catalog("outside", **lakehouse.pyiceberg)


async def test_a_table_from_creation_to_its_end(client: httpx.AsyncClient, outside: Catalog) -> None:
    body = {"name": "orders", "description": "What was ordered", "columns": COLUMNS, "properties": {"owner": "you"}}
    made = await client.post(
        "/databases/sales/tables", json=body | {"partition_columns": ["days(at)", "bucket(4, id)"]}
    )
    assert made.status_code == 201, made.text
    table = made.json()
    assert [column["type"] for column in table["columns"]] == TYPES
    assert table["columns"][0] == {
        "name": "id",
        "type": "long",
        "nullable": False,
        "description": "Number of the order",
    }
    assert (table["name"], table["schema"], table["description"]) == ("orders", "default", "What was ordered")
    assert (table["row_count"], table["current_snapshot_id"], table["size_bytes"]) == (0, None, 0)
    assert table["partition_columns"] == ["days(at)", "bucket(4,id)"]
    assert table["properties"]["owner"] == "you"
    assert (await client.get("/databases/sales/tables/orders")).json() == table
    assert (await client.get("/databases/sales/schemas/default/tables/orders")).json() == table
    schema = await client.get("/databases/sales/schemas/default/tables/orders/schema")
    assert schema.json() == {"columns": [{"name": c["name"], "type": t} for c, t in zip(COLUMNS, TYPES, strict=True)]}
    assert (await client.delete("/databases/sales")).json()["error"] == "Database sales still holds 1 table."

    assert (await client.delete("/databases/sales/tables/orders")).status_code == 204
    assert not await asyncio.to_thread(outside.table_exists, "sales.orders")
    gone = await client.get("/databases/sales/tables/orders")
    assert (gone.status_code, gone.json()) == (404, {"error": "There is no table sales.orders."})
    assert (await client.delete("/databases/sales/tables/orders")).status_code == 404
    assert (await client.delete("/databases/sales")).status_code == 204


async def test_lists_tell_what_the_current_snapshot_holds(client: httpx.AsyncClient, outside: Catalog) -> None:
    await client.post("/databases/sales/tables", json={"name": "a", "columns": [{"name": "n", "type": "int"}]})
    rows = pa.table({"n": pa.array([1, 2, 3], pa.int32())})
    table = await asyncio.to_thread(outside.load_table, "sales.a")
    await asyncio.to_thread(table.append, rows)
    (row,) = (await client.get("/databases/sales/tables")).json()["data"]
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert row["row_count"] == 3
    assert row["current_snapshot_id"] == snapshot.snapshot_id
    assert row["snapshot_at"]
    assert row["size_bytes"] > 0
    assert (row["kind"], row["name"], row["full_name"]) == ("table", "a", "sales.a")
    await asyncio.to_thread(table.append, rows)
    assert (await client.get("/databases/sales/tables")).json()["data"][0]["row_count"] == 6


async def test_snapshots_and_the_way_back(client: httpx.AsyncClient, outside: Catalog) -> None:
    await client.post("/databases/sales/tables", json={"name": "a", "columns": [{"name": "n", "type": "int"}]})
    table = await asyncio.to_thread(outside.load_table, "sales.a")
    for _ in range(3):
        await asyncio.to_thread(table.append, pa.table({"n": pa.array([1], pa.int32())}))
    path = "/databases/sales/tables/a"
    snapshots = (await client.get(f"{path}/snapshots")).json()["data"]
    assert [row["row_count"] for row in snapshots] == [3, 2, 1]
    assert [row["is_current"] for row in snapshots] == [True, False, False]
    assert snapshots[0]["parent_id"] == snapshots[1]["snapshot_id"]
    page = (await client.get(f"{path}/snapshots", params={"limit": 2})).json()
    rest = (await client.get(f"{path}/snapshots", params={"limit": 2, "cursor": page["next_cursor"]})).json()
    assert [*page["data"], *rest["data"]] == snapshots

    back = await client.post(f"{path}/rollback", json={"snapshot_id": snapshots[2]["snapshot_id"]})
    assert back.status_code == 200, back.text
    assert (back.json()["row_count"], back.json()["current_snapshot_id"]) == (1, snapshots[2]["snapshot_id"])
    assert (await asyncio.to_thread(outside.load_table, "sales.a")).scan().count() == 1
    forth = await client.post(f"{path}/rollback", json={"snapshot_id": snapshots[0]["snapshot_id"]})
    assert forth.json()["row_count"] == 3
    unknown = await client.post(f"{path}/rollback", json={"snapshot_id": 7})
    assert (unknown.status_code, unknown.json()["error"]) == (404, "Table sales.a has no snapshot 7.")


async def test_tables_of_other_schemas_are_apart(client: httpx.AsyncClient) -> None:
    column = {"name": "n", "type": "int"}
    await client.post("/databases/sales/schemas", json={"name": "raw"})
    assert (await client.post("/databases/sales/tables", json={"name": "t", "columns": [column]})).status_code == 201
    raw = await client.post("/databases/sales/tables", json={"name": "t", "columns": [column], "schema": "raw"})
    assert (raw.status_code, raw.json()["schema"], raw.json()["full_name"]) == (201, "raw", "sales.raw.t")
    second = await client.post("/databases/sales/schemas/raw/tables", json={"name": "u", "columns": [column]})
    assert second.status_code == 201
    assert [row["name"] for row in (await client.get("/databases/sales/tables")).json()["data"]] == ["t"]
    in_raw = (await client.get("/databases/sales/schemas/raw/tables")).json()["data"]
    assert [row["name"] for row in in_raw] == ["t", "u"]
    assert (await client.get("/databases/sales/tables", params={"schema": "raw"})).json()["data"] == in_raw
    missing = await client.post("/databases/sales/tables", json={"name": "t", "columns": [column], "schema": "no"})
    assert missing.status_code == 404
    refused = await client.delete("/databases/sales/schemas/raw")
    assert refused.json() == {"error": "Schema sales.raw still holds 2 tables."}


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"name": "a.b"}, "a name must not hold"),
        ({"name": "a/b"}, "a name must not hold"),
        ({"columns": []}, "columns"),
        ({"columns": [{"name": "n", "type": "intt"}]}, "'intt' is not a type"),
        (
            {"columns": [{"name": "n", "type": "varchar(20)"}]},
            "'varchar(20)' has a length, which Iceberg does not keep",
        ),
        ({"columns": [{"name": "n", "type": "array<char(2)>"}]}, "has a length, which Iceberg does not keep"),
        ({"columns": [{"name": "n", "type": "decimal(39,1)"}]}, "precision"),
        ({"columns": [{"name": "n", "type": "int"}, {"name": "N", "type": "int"}]}, "Two columns"),
        ({"partition_columns": ["m"]}, "not a column"),
        ({"partition_columns": ["days(n)"]}, "cannot be partitioned"),
        ({"partition_columns": ["evil(n)"]}, "cannot be partitioned"),
    ],
)
async def test_what_is_wrong_with_a_table_is_said(
    client: httpx.AsyncClient, change: dict[str, Any], sentence: str
) -> None:
    body = {"name": "t", "columns": [{"name": "n", "type": "int"}], **change}
    answer = await client.post("/databases/sales/tables", json=body)
    assert answer.status_code == 400, answer.text
    assert sentence in answer.json()["error"]


async def test_what_there_is_not_is_404_and_what_there_is_409(client: httpx.AsyncClient) -> None:
    body = {"name": "t", "columns": [{"name": "n", "type": "int"}]}
    assert (await client.post("/databases/none/tables", json=body)).status_code == 404
    assert (await client.post("/databases/sales/tables", json=body)).status_code == 201
    again = await client.post("/databases/sales/tables", json=body)
    assert (again.status_code, again.json()) == (409, {"error": "A table or view sales.t already exists."})
    for path in (
        "/databases/none/tables",
        "/databases/sales/schemas/none/tables",
        "/databases/sales/tables/none",
        "/databases/sales/tables/a.b",
        "/databases/a.b/tables",
        "/databases/sales/tables/none/snapshots",
        "/databases/sales/tables/none/schema",
        "/databases/sales/views/none",
    ):
        assert (await client.get(path)).status_code == 404, path


async def test_views_are_listed_by_themselves_and_among_tables(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    await client.post("/databases/sales/tables", json={"name": "t", "columns": [{"name": "n", "type": "int"}]})
    schema = {"type": "struct", "schema-id": 0, "fields": [{"id": 1, "name": "n", "required": False, "type": "int"}]}
    version = {
        "version-id": 1,
        "schema-id": 0,
        "timestamp-ms": int(time.time() * 1000),
        "summary": {"engine-name": "test"},
        "representations": [{"type": "sql", "sql": "SELECT n FROM t", "dialect": "spark"}],
        "default-namespace": ["sales"],
    }
    request = {"name": "v", "schema": schema, "view-version": version, "properties": {"comment": "a view"}}
    path = f"{lakehouse.slug}/namespaces/sales/views"
    made = await asyncio.to_thread(lakehouse.catalog.call, "POST", path, lakehouse.slug, request)
    assert made.status_code == 200, made.text
    (listed,) = (await client.get("/databases/sales/views")).json()["data"]
    assert (listed["kind"], listed["name"]) == ("view", "v")
    among = {one["name"]: one["kind"] for one in (await client.get("/databases/sales/tables")).json()["data"]}
    assert (among.pop("v"), set(among.values())) == ("view", {"table"})
    as_table = (await client.get("/databases/sales/tables/v")).json()
    assert (as_table["kind"], [column["name"] for column in as_table["columns"]]) == ("view", ["n"])
    view = (await client.get("/databases/sales/views/v")).json()
    assert (view["query"], view["dialect"], view["description"]) == ("SELECT n FROM t", "spark", "a view")
    assert [column["name"] for column in view["columns"]] == ["n"]
    assert {row["name"] for row in (await client.get("/databases/sales/tables")).json()["data"]} == {"t", "v"}
    assert (await client.delete("/databases/sales/views/v")).status_code == 204
    assert (await client.get("/databases/sales/views")).json() == {"data": []}


async def test_maintenance_is_a_run(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    await client.post("/databases/sales/tables", json={"name": "t", "columns": [{"name": "n", "type": "int"}]})
    path = "/databases/sales/tables/t/maintenance"
    body = {"operations": ["expire_snapshots", "remove_orphan_files", "compact"], "options": {"retain_last": 2}}
    refused = await client.post(path, json=body)
    assert (refused.status_code, "no warehouse" in refused.json()["error"]) == (409, True)
    warehouse = await client.post("/sql/warehouses", json={"name": "main"})
    assert warehouse.status_code == 201, warehouse.text
    started = await client.post(path, json=body | {"warehouse_id": "main"})
    assert started.status_code == 201, started.text
    assert started.json()["status"] == "pending"
    run = (await client.get(f"/runs/{started.json()['run_id']}")).json()
    spec = app.state.core.cluster.runs.store.get(f"icefield-{lakehouse.slug}", run["name"]).spec
    files = {file.path: file.content for file in spec.files}
    assert spec.command == "python maintain.py"
    assert [(variable.name, variable.value) for variable in spec.env] == [
        ("POLNOR_WAREHOUSE_ID", warehouse.json()["id"])
    ]
    plan = json.loads(files["plan.json"])
    assert (plan["database"], plan["table"]) == ("sales", "t")
    assert [each["name"] for each in plan["procedures"]] == [*body["operations"][:2], "rewrite_data_files"]
    assert plan["procedures"][0]["arguments"] == {"retain_last": "2"}
    compile(files["maintain.py"], "maintain.py", "exec")
    now = {"operations": ["remove_orphan_files"], "options": {"older_than": datetime.now(UTC).isoformat()}}
    assert "a day ago" in (await client.post(path, json=now)).json()["error"]
    assert (await client.post(path, json={"operations": ["vacuum"]})).status_code == 400
    assert (await client.post(path, json={"operations": []})).status_code == 400
    assert (await client.post(path, json=body | {"warehouse_id": "no"})).status_code == 404


async def test_the_published_sdk(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    async with listening(app) as url:
        sdk = Client(Config(api_url=url, token=token, workspace_slug=lakehouse.slug))
        tables = polnor.tables
        made = await call(tables.create_database, name="demo", description="A demo", client=sdk)
        assert (await call(tables.get_database, "demo", client=sdk)) == made
        assert [row["name"] for row in await call(tables.list_databases, client=sdk)] == ["demo", "sales"]
        columns = [
            {"name": "id", "type": "long", "nullable": False},
            {"name": "email", "type": "string"},
            {"name": "created_at", "type": "timestamp"},
        ]
        created = await call(
            tables.create, "demo", "users", columns=columns, partition_columns=["id"], properties={"a": "b"}, client=sdk
        )
        assert await call(tables.get, "demo", "users", client=sdk) == created
        assert [row["name"] for row in await call(tables.list, "demo", client=sdk)] == ["users"]
        with pytest.raises(PolnorAPIError, match="409"):
            await call(tables.delete_database, "demo", client=sdk)
        await call(tables.delete, "demo", "users", client=sdk)
        await call(tables.delete_database, "demo", client=sdk)
