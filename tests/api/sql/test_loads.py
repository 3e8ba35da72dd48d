"""POST …/load and …/load/preview: real object store, catalog, DuckDB and writer; the operator is played."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
import pytest_asyncio
from pyiceberg.catalog import Catalog

from tests.api.conftest import SignIn
from tests.api.lakehouse import Lakehouse
from tests.eventually import eventually
from tests.object_store import s3_client

from .site import RunningGateway
from .test_files import TRIPS, upload

pytestmark = pytest.mark.integration

LOAD = "/databases/sales/tables/trips/load"


@pytest_asyncio.fixture
async def sales(client: httpx.AsyncClient, gateway: RunningGateway) -> httpx.AsyncClient:
    """The administrator, with a database sales and a volume raw in it."""
    assert (await client.post("/databases", json={"name": "sales"})).status_code == 201
    assert (await client.post("/databases/sales/volumes", json={"name": "raw"})).status_code == 201
    return client


async def loaded(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Load, and return the answer, which is one of success."""
    answer = await client.post(LOAD, json=body)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    assert found["status"] == "succeeded", found
    return found


async def test_an_upload_makes_a_table_and_leaves_no_file(
    sales: httpx.AsyncClient, outside: Catalog, lakehouse: Lakehouse
) -> None:
    files = {"file": ("my trips.csv", TRIPS)}
    answer = await sales.post(LOAD, data={"create": "true", "options": '{"header": true}'}, files=files)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["status"], found["created"], found["rows_loaded"]) == ("succeeded", True, 2), found
    table = outside.load_table("sales.trips")
    assert [(field.name, str(field.field_type)) for field in table.schema().fields] == [
        ("id", "long"),
        ("zone", "string"),
        ("fare", "double"),
        ("at", "timestamptz"),
        ("day", "date"),
    ]
    assert table.scan().to_arrow()["zone"].to_pylist() == ["North", "South"]
    site = lakehouse.site
    async with s3_client(site.endpoint, site.access_key_id, site.secret_access_key) as s3:

        async def is_deleted() -> bool:
            page = await s3.list_objects_v2(Bucket=site.bucket, Prefix=f"workspaces/{lakehouse.slug}/loads/")
            return not page.get("Contents")

        await eventually(is_deleted)


async def test_files_of_a_volume_are_loaded_once(sales: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(sales, "in/a.csv", TRIPS)
    body = {"path": "volumes/sales/raw/in", "format": "csv", "create": True}
    first = await loaded(sales, **body)
    assert (first["created"], first["rows_loaded"], first["files_skipped"]) == (True, 2, 0)
    second = await loaded(sales, **body)
    assert (second["created"], second["rows_loaded"], second["files_skipped"]) == (False, 0, 1)
    assert (await loaded(sales, **body, force=True))["rows_loaded"] == 2
    await upload(sales, "in/b.csv", b"id,tip\n3,0.5\n")
    assert (await loaded(sales, **body, merge_schema=True))["rows_loaded"] == 1
    assert outside.load_table("sales.trips").scan().to_arrow()["tip"].to_pylist().count(0.5) == 1
    statement = (await sales.get(f"/sql/statements/{first['statement_id']}")).json()
    assert (statement["lineage_context"], statement["lineage"]["read_files"]) == ("load", ["volumes/sales/raw/in"])


async def test_a_preview_writes_nothing(sales: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(sales, "a.csv", TRIPS)
    answers = [
        await sales.post(f"{LOAD}/preview", json={"path": "volumes/sales/raw/a.csv"}),
        await sales.post(f"{LOAD}/preview", files={"file": ("a.csv", TRIPS)}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        preview = answer.json()
        assert [(column["name"], column["type"], column["iceberg_type"]) for column in preview["columns"]] == [
            ("id", "bigint", "bigint"),
            ("zone", "string", "string"),
            ("fare", "double", "double"),
            ("at", "timestamp", "timestamptz"),
            ("day", "date", "date"),
        ]
        assert preview["rows"][1] == [2, "South", None, "2026-01-02T11:30:00Z", "2026-01-02"]
    assert outside.list_tables("sales") == []


async def test_a_request_that_is_sent_twice_loads_once(sales: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(sales, "a.csv", TRIPS)
    await loaded(sales, path="volumes/sales/raw/a.csv", create=True)
    body = {"path": "volumes/sales/raw/a.csv", "force": True}
    headers = {"Idempotency-Key": "once"}
    answers = await asyncio.gather(*(sales.post(LOAD, json=body, headers=headers) for _ in range(3)))
    assert len({answer.json()["statement_id"] for answer in answers}) == 1
    assert outside.load_table("sales.trips").scan().to_arrow().num_rows == 4


@pytest.mark.parametrize(
    ("body", "status", "why"),
    [
        ({"path": "volumes/sales/raw/a.csv"}, 404, "There is no table sales.trips; create=true makes it."),
        ({"path": "/etc/passwd", "format": "csv", "create": True}, 400, "volumes/<database>/<volume>/<path>"),
        ({"path": "volumes/sales/raw/a.bin", "create": True}, 400, "says no format"),
        ({"path": "volumes/sales/raw/a.csv", "create": True, "options": {"headr": True}}, 400, "did you mean header?"),
        ({"path": "volumes/sales/raw/a.csv", "creat": True}, 400, "create"),
        ({"path": "volumes/sales/raw/a.csv", "create": True, "warehouse_id": "none"}, 404, "none"),
    ],
)
async def test_what_cannot_be_loaded_is_refused(
    sales: httpx.AsyncClient, body: dict[str, Any], status: int, why: str
) -> None:
    await upload(sales, "a.csv", TRIPS)
    answer = await sales.post(LOAD, json=body)
    assert answer.status_code == status, answer.text
    assert why in answer.json()["error"], answer.text


async def test_a_file_that_cannot_be_read_makes_no_table(sales: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(sales, "a.parquet", b"no parquet at all")
    answer = await sales.post(LOAD, json={"path": "volumes/sales/raw/a.parquet", "create": True})
    assert (answer.status_code, answer.json()["status"]) == (200, "failed"), answer.text
    assert "volumes/sales/raw/a.parquet" in answer.json()["error_message"]
    assert outside.list_tables("sales") == []


async def test_viewers_load_nothing(sales: httpx.AsyncClient, sign_in: SignIn, lakehouse: Lakehouse) -> None:
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    assert (await viewer.post(LOAD, json={"path": "volumes/sales/raw/a.csv"})).status_code == 403
