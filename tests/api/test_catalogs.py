"""The catalog as oleander's clients ask for it, over the real embedded catalog and object store."""

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
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import IdentityTransform
from pyiceberg.types import LongType, NestedField, StringType

from .conftest import ADMIN, AddUser, SignIn
from .lakehouse import Lakehouse, MakeLakehouse
from .test_polnor_sdk import listening

pytestmark = pytest.mark.integration

SCHEMA = Schema(
    NestedField(1, "region", StringType()),
    NestedField(2, "note", StringType()),
    NestedField(3, "n", LongType()),
)
SPEC = PartitionSpec(
    PartitionField(source_id=1, field_id=1000, transform=IdentityTransform(), name="region"),
    PartitionField(source_id=2, field_id=1001, transform=IdentityTransform(), name="note_part"),
)
ORDERS = "/catalogs/oleander/namespaces/sales/tables/orders"


@pytest_asyncio.fixture
async def lakehouse(make_lakehouse: MakeLakehouse) -> Lakehouse:
    """A workspace with a catalog."""
    return await make_lakehouse("cat", {"viewer@acme.eu": "viewer"})


@pytest.fixture
def outside(lakehouse: Lakehouse) -> Catalog:
    """The workspace's catalog as PyIceberg sees it, without us between."""
    return load_catalog("outside", **lakehouse.pyiceberg)


@pytest_asyncio.fixture
async def client(sign_in: SignIn, lakehouse: Lakehouse) -> httpx.AsyncClient:
    """An administrator there, with databases sales and default, and schema sales.raw."""
    client = await sign_in(ADMIN, workspace=lakehouse.slug)
    for database in ("sales", "default"):
        assert (await client.post("/databases", json={"name": database})).status_code == 201
    assert (await client.post("/databases/sales/schemas", json={"name": "raw"})).status_code == 201
    return client


@pytest_asyncio.fixture
async def sdk(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse) -> AsyncIterator[Oleander]:
    """The published client with a key of the workspace, against the server over HTTP."""
    made = await client.post("/auth/keys", json={"name": "oleander"})
    assert made.status_code == 201, made.text
    async with listening(app) as url:
        yield Oleander(api_key=made.json()["key"], base_url=url)


@pytest_asyncio.fixture
async def orders(client: httpx.AsyncClient, outside: Catalog) -> Any:
    """A partitioned table, written to twice: three rows in eu (two of them noted), one in us, one in none."""
    table = await asyncio.to_thread(outside.create_table, "sales.orders", SCHEMA, partition_spec=SPEC)
    for rows in (
        [("eu", "ab", 1), ("eu", "ab", 2), ("us", "x", 3)],
        [("eu", None, 4), (None, "ab", 5)],
    ):
        regions, notes, numbers = zip(*rows, strict=True)
        columns = {"region": pa.array(regions, pa.string()), "note": pa.array(notes, pa.string())}
        await asyncio.to_thread(table.append, pa.table({**columns, "n": pa.array(numbers, pa.int64())}))
    return table


async def test_names_of_the_catalog(client: httpx.AsyncClient, lakehouse: Lakehouse, orders: Any) -> None:
    body = (await client.get("/catalogs")).json()
    assert (body["ok"], body["catalogs"]) == (True, [])
    names = [each["name"] for each in body["registeredCatalogs"]]
    assert names[0] == lakehouse.slug
    assert "oleander" in names
    counted = (await client.get("/catalogs", params={"counts": "true"})).json()
    assert counted["catalogs"] == [{"catalog": lakehouse.slug, "namespace": "sales", "table": "orders"}]
    assert {each["tableCount"] for each in counted["registeredCatalogs"]} == {1}


async def test_only_the_workspaces_own_names_are_known(
    client: httpx.AsyncClient, make_lakehouse: MakeLakehouse, lakehouse: Lakehouse
) -> None:
    other = await make_lakehouse("other")
    for name in (lakehouse.slug, "oleander", "OLEANDER"):
        assert (await client.get(f"/catalogs/{name}/namespaces")).status_code == 200, name
    for name in (other.slug, "hive", "%2e%2e", "a%2fb"):
        for below in ("", "/sales/tables", "/sales/tables/orders", "/sales/tables/orders/size"):
            answer = await client.get(f"/catalogs/{name}/namespaces{below}")
            assert (answer.status_code, list(answer.json())) == (404, ["error"]), (name, below)
    refused = await client.get(f"/catalogs/{other.slug}/namespaces")
    assert refused.json() == {"error": f"There is no catalog {other.slug} in this workspace."}


async def test_viewers_read_and_strangers_do_not(
    client: httpx.AsyncClient, lakehouse: Lakehouse, orders: Any, add_user: AddUser, sign_in: SignIn
) -> None:
    await add_user("viewer@acme.eu")
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    assert (await viewer.get(f"{ORDERS}/size")).status_code == 200
    await add_user("stranger@acme.eu")
    stranger = await sign_in("stranger@acme.eu")
    assert (await stranger.get(ORDERS)).status_code == 403


async def test_sizes(client: httpx.AsyncClient, orders: Any) -> None:
    first, second = orders.metadata.snapshots
    files = orders.inspect.files().to_pylist()
    whole = (await client.get(f"{ORDERS}/size")).json()
    assert whole == {
        "ok": True,
        "catalog": "oleander",
        "namespace": "sales",
        "table": "orders",
        "snapshotId": str(second.snapshot_id),
        "sizeBytes": str(sum(file["file_size_in_bytes"] for file in files)),
        "recordCount": "5",
        "dataFileCount": 4,
        "partitionFilters": [],
    }
    before = (await client.get(f"{ORDERS}/size", params={"snapshotId": first.snapshot_id})).json()
    assert (before["recordCount"], before["dataFileCount"]) == ("3", 2)
    assert before["snapshotId"] == str(first.snapshot_id)


@pytest.mark.parametrize(
    ("filters", "records", "files"),
    [
        ([("region", "eu")], "3", 2),
        ([("region", "us")], "1", 1),
        ([("region", "null")], "1", 1),
        ([("region", "asia")], "0", 0),
        ([("region", "eu"), ("region", "us")], "4", 3),
        ([("note_part", "ab")], "3", 2),
        ([("region", "eu"), ("note_part", "ab")], "2", 1),
        ([("note", "null")], "1", 1),
    ],
)
async def test_sizes_of_partitions(
    client: httpx.AsyncClient, orders: Any, filters: list[tuple[str, str]], records: str, files: int
) -> None:
    query = {"partitionKey": [key for key, _ in filters], "partitionValue": [value for _, value in filters]}
    body = (await client.get(f"{ORDERS}/size", params=query)).json()
    assert (body["recordCount"], body["dataFileCount"]) == (records, files)
    assert (int(body["sizeBytes"]) > 0) == (files > 0)
    assert body["partitionFilters"] == [{"key": key, "value": value} for key, value in filters]


async def test_partitions_of_an_earlier_snapshot_and_of_an_earlier_spec(
    client: httpx.AsyncClient, outside: Catalog, orders: Any
) -> None:
    first = orders.metadata.snapshots[0].snapshot_id
    query = {"partitionKey": "region", "partitionValue": "eu"}
    before = (await client.get(f"{ORDERS}/size", params={**query, "snapshotId": first})).json()
    assert (before["recordCount"], before["dataFileCount"]) == ("2", 1)

    def evolve() -> None:
        with orders.update_spec() as update:
            update.remove_field("note_part")
        orders.append(pa.table({"region": ["eu"], "note": ["z"], "n": pa.array([6], pa.int64())}))

    await asyncio.to_thread(evolve)
    after = (await client.get(f"{ORDERS}/size", params=query)).json()
    assert (after["recordCount"], after["dataFileCount"]) == ("4", 3)
    noted = {"partitionKey": "note_part", "partitionValue": "ab"}
    assert (await client.get(f"{ORDERS}/size", params=noted)).json()["recordCount"] == "3"


async def test_a_table_that_was_never_written_to(client: httpx.AsyncClient, outside: Catalog) -> None:
    await asyncio.to_thread(outside.create_table, "sales.empty", SCHEMA, partition_spec=SPEC)
    path = "/catalogs/oleander/namespaces/sales/tables/empty/size"
    for query in ({}, {"partitionKey": "region", "partitionValue": "eu"}):
        body = (await client.get(path, params=query)).json()
        assert (body["snapshotId"], body["sizeBytes"], body["recordCount"], body["dataFileCount"]) == (
            None,
            "0",
            "0",
            0,
        )


@pytest.mark.parametrize(
    ("query", "status", "sentence"),
    [
        ("snapshotId=7", 404, "Table sales.orders has no snapshot 7."),
        ("snapshotId=x", 400, "Query parameter snapshotId: should be a whole number."),
        ("partitionKey=region", 400, "Each partitionKey needs a partitionValue."),
        (
            "partitionKey=day&partitionValue=1",
            400,
            "Table sales.orders is not partitioned by day; its partition fields are note_part, region.",
        ),
    ],
)
async def test_sizes_that_there_are_not(
    client: httpx.AsyncClient, orders: Any, query: str, status: int, sentence: str
) -> None:
    answer = await client.get(f"{ORDERS}/size?{query}")
    assert (answer.status_code, answer.json()) == (status, {"error": sentence})


async def test_the_published_client(
    sdk: Oleander, client: httpx.AsyncClient, lakehouse: Lakehouse, outside: Catalog, orders: Any
) -> None:
    await asyncio.to_thread(outside.create_table, "sales.raw.lines", SCHEMA)
    await asyncio.to_thread(outside.create_table, "default.flowers", SCHEMA)
    listed = await sdk.list_catalogs(include_tables=True)
    assert {each.name for each in listed.registered_catalogs} >= {lakehouse.slug, "oleander"}
    tables = [(each.catalog, each.namespace, each.table) for each in listed.catalogs]
    triples = [("default", "flowers"), ("sales", "orders"), ("sales.raw", "lines")]
    assert tables == [(lakehouse.slug, *names) for names in triples]
    assert (await sdk.list_catalog_namespaces()).namespaces == ["default", "sales", "sales.raw"]
    assert [(each.namespace, each.table) for each in (await sdk.list_catalog_tables()).tables] == triples
    assert [each.table for each in (await sdk.list_catalog_tables(namespace="sales.raw")).tables] == ["lines"]
    assert [each.table for each in (await sdk.list_catalog_tables(namespace="sales.default")).tables] == ["orders"]

    metadata = (await sdk.get_catalog_table_metadata("orders", namespace="sales")).table
    assert metadata["table-uuid"] == str(orders.metadata.table_uuid)
    assert metadata["current-snapshot-id"] == orders.metadata.current_snapshot_id
    schema = await sdk.get_catalog_table_schema("flowers")
    assert [(each.name, each.type) for each in schema.fields] == [
        ("region", "string"),
        ("note", "string"),
        ("n", "long"),
    ]
    size = await sdk.get_catalog_table_size(
        "orders",
        catalog=lakehouse.slug,
        namespace="sales",
        snapshot_id=str(metadata["current-snapshot-id"]),
        partition_filters=[{"key": "region", "value": "eu"}],
    )
    assert (size.record_count, size.data_file_count) == ("3", 2)
    for table, namespace in (("none", "sales"), ("orders", "none"), ("orders", "a.b.c"), ("a'b", "sales")):
        with pytest.raises(OleanderHttpError) as refused:
            await sdk.get_catalog_table_metadata(table, namespace=namespace)
        assert (refused.value.status, refused.value.api_error, str(refused.value)[-1]) == (
            404,
            refused.value.body["error"],
            ".",
        )
