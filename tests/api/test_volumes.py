"""Volumes and their files over the real object store."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import polnor.volumes
import pytest
import pytest_asyncio
from fastapi import FastAPI
from polnor._client import Client, Config, PolnorAPIError

from icefield_apiserver.core.objects.multipart import PART_BYTES
from icefield_apiserver.core.settings import Settings

from .conftest import ADMIN, AddUser, SignIn
from .lakehouse import Lakehouse, MakeLakehouse
from .test_polnor_sdk import call, listening

pytestmark = pytest.mark.integration

FILES = "/databases/demo/volumes/raw/files"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Files may have three parts, which is more than any other body."""
    settings.max_upload_bytes = 3 * PART_BYTES
    return settings


@pytest_asyncio.fixture
async def lakehouse(make_lakehouse: MakeLakehouse) -> Lakehouse:
    """A workspace with a catalog and an object store."""
    return await make_lakehouse("vol", {"viewer@acme.eu": "viewer"})


@pytest_asyncio.fixture
async def client(sign_in: SignIn, lakehouse: Lakehouse) -> httpx.AsyncClient:
    """An administrator there, with a volume raw in the database demo."""
    client = await sign_in(ADMIN, workspace=lakehouse.slug)
    assert (await client.post("/databases", json={"name": "demo"})).status_code == 201
    assert (await client.post("/databases/demo/volumes", json={"name": "raw"})).status_code == 201
    return client


async def upload(client: httpx.AsyncClient, path: str | None, content: bytes, name: str = "f.bin") -> httpx.Response:
    """Upload a file as HTML forms do."""
    data = {"path": path} if path is not None else {}
    return await client.post(FILES, data=data, files={"file": (name, content)})


def keys(lakehouse: Lakehouse) -> list[str]:
    """The keys of the workspace's volumes in the bucket, and its unfinished uploads."""
    site = lakehouse.site
    s3 = boto3.client(
        "s3",
        endpoint_url=site.endpoint,
        region_name="us-east-1",
        aws_access_key_id=site.access_key_id,
        aws_secret_access_key=site.secret_access_key,
    )
    prefix = f"workspaces/{lakehouse.slug}/volumes/"
    unfinished = s3.list_multipart_uploads(Bucket=site.bucket, Prefix=prefix).get("Uploads", [])
    found = s3.list_objects_v2(Bucket=site.bucket, Prefix=prefix).get("Contents", [])
    return [item["Key"].removeprefix(prefix) for item in (*found, *unfinished)]


async def test_an_upload_and_a_list_answer_the_address_that_others_take(
    client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    root = f"{lakehouse.site.prefix}/volumes/demo/raw"
    address = {"location": f"{root}/in/a b.csv", "sql_path": "volumes/demo/raw/in/a b.csv"}
    written = await upload(client, "in/a b.csv", b"1")
    assert written.status_code == 201, written.text
    assert written.json() == {"name": "a b.csv", "path": "in/a b.csv", "size": 1, **address}
    [listed] = (await client.get(FILES, params={"path": "in"})).json()["data"]
    assert {name: listed[name] for name in address} == address
    [folder] = (await client.get(FILES)).json()["data"]
    assert (folder["location"], folder["sql_path"]) == (f"{root}/in/", "volumes/demo/raw/in/")


async def test_a_volume_from_creation_to_its_end(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    made = await client.post("/databases/demo/volumes", json={"name": "second", "description": "More"})
    assert made.status_code == 201, made.text
    volume = made.json()
    assert volume["location"] == f"{lakehouse.site.prefix}/volumes/demo/second"
    assert (volume["description"], volume["created_by"]) == ("More", ADMIN)
    assert (await client.get("/databases/demo/volumes/second")).json() == volume
    assert (await client.get(f"/databases/demo/volumes/{volume['id']}")).json() == volume
    names = [row["name"] for row in (await client.get("/databases/demo/volumes")).json()["data"]]
    assert names == ["raw", "second"]
    again = await client.post("/databases/demo/volumes", json={"name": "second"})
    assert (again.status_code, again.json()) == (409, {"error": "Volume second already exists in database demo."})
    assert (await client.post("/databases/demo/volumes", json={"name": "a/b"})).status_code == 400
    assert (await client.post("/databases/none/volumes", json={"name": "v"})).status_code == 404
    assert (await client.get("/databases/none/volumes")).status_code == 404
    assert (await client.delete("/databases/demo")).json()["error"] == "Database demo still holds 2 volumes."
    assert (await client.delete("/databases/demo/volumes/second")).status_code == 204
    assert (await client.get("/databases/demo/volumes/second")).status_code == 404
    assert (await client.delete("/databases/demo/volumes/second")).status_code == 404


async def test_no_way_drops_a_database_with_volumes(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    assert (await client.post("/sql/warehouses", json={"name": "main"})).status_code == 201
    sentence = "Database demo still holds 1 volume."
    for query in (
        "DROP DATABASE demo",
        "DROP DATABASE DEMO",
        "DROP SCHEMA IF EXISTS demo CASCADE",
        f"DROP DATABASE `{lakehouse.slug}`.demo",
    ):
        refused = await client.post("/sql/execute", json={"warehouse_id": "main", "query": query})
        assert (refused.status_code, refused.json()["error"]) == (409, sentence), query
    root = str(client.base_url).partition("/api/")[0]
    # Some catalogs take names without regard to case.
    for name in ("demo", "DEMO", "de%C2%ADmo"):
        refused = await client.delete(f"{root}/iceberg/v1/{lakehouse.slug}/namespaces/{name}")
        assert (refused.status_code, refused.json()["error"]["message"]) == (409, sentence), name
    assert (await client.get("/databases/demo/volumes/raw")).status_code == 200


async def test_a_repeated_drop_is_the_first_one_whatever_came_after(client: httpx.AsyncClient) -> None:
    assert (await client.post("/sql/warehouses", json={"name": "main"})).status_code == 201
    assert (await client.post("/databases", json={"name": "spare"})).status_code == 201
    body = {"warehouse_id": "main", "query": "DROP DATABASE spare", "wait_timeout": 0}
    first = await client.post("/sql/execute", json=body, headers={"Idempotency-Key": "k"})
    assert (await client.post("/databases/spare/volumes", json={"name": "raw"})).status_code == 201
    again = await client.post("/sql/execute", json=body, headers={"Idempotency-Key": "k"})
    assert (again.status_code, again.json()["statement_id"]) == (first.status_code, first.json()["statement_id"])
    assert (await client.post("/sql/execute", json=body, headers={"Idempotency-Key": "l"})).status_code == 409


async def test_a_volume_with_files_goes_only_by_force(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    await upload(client, "a/b", b"x")
    assert (await client.delete("/databases/demo/volumes/raw")).status_code == 409
    assert (await client.delete("/databases/demo/volumes/raw", params={"force": "true"})).status_code == 204
    assert keys(lakehouse) == []


async def test_files_are_listed_by_folder(client: httpx.AsyncClient) -> None:
    for path in ("b.txt", "a/1", "a/2", "a-b", "c/d/e"):
        made = await upload(client, path, b"12345")
        assert made.status_code == 201, made.text
        described = {name: made.json()[name] for name in ("name", "path", "size")}
        assert described == {"name": path.rpartition("/")[2], "path": path, "size": 5}
    rows = (await client.get(FILES)).json()["data"]
    assert [(row["name"], row["is_directory"], row["size"]) for row in rows] == [
        ("a-b", False, 5),
        ("a", True, 0),
        ("b.txt", False, 5),
        ("c", True, 0),
    ]
    inside = (await client.get(FILES, params={"path": "/a/"})).json()["data"]
    assert [row["path"] for row in inside] == ["a/1", "a/2"]
    assert [row["path"] for row in (await client.get(FILES, params={"path": "c"})).json()["data"]] == ["c/d"]
    assert [row["path"] for row in (await client.get(FILES, params={"path": "b.txt"})).json()["data"]] == ["b.txt"]
    missing = await client.get(FILES, params={"path": "none"})
    assert (missing.status_code, missing.json()) == (404, {"error": "There is no file or folder none in volume raw."})
    found, cursor = [], None
    while True:
        page = (await client.get(FILES, params={"limit": 1, **({"cursor": cursor} if cursor else {})})).json()
        found += page["data"]
        if not (cursor := page.get("next_cursor")):
            break
    assert found == rows


async def test_paths_are_relative_and_stay_inside(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    assert (await upload(client, "/2026//./patients.csv", b"1")).json()["path"] == "2026/patients.csv"
    assert (await upload(client, "2026/", b"1", "own.csv")).json()["path"] == "2026/own.csv"
    assert (await upload(client, None, b"1", "root.csv")).json()["path"] == "root.csv"
    assert (await upload(client, None, b"1", "C:\\data\\win.csv")).json()["path"] == "win.csv"
    for path in ("../other/x", "a/../../x", "/..", "a\x01b", "é" * 400):
        answer = await upload(client, path, b"1")
        assert answer.status_code == 400, path
        assert (await client.get(f"{FILES}/download", params={"path": path})).status_code == 400
        assert (await client.delete(FILES, params={"path": path})).status_code == 400
    assert sorted(keys(lakehouse)) == [
        "demo/raw/2026/own.csv",
        "demo/raw/2026/patients.csv",
        "demo/raw/root.csv",
        "demo/raw/win.csv",
    ]
    in_the_way = await upload(client, "root.csv/below", b"1")
    assert in_the_way.status_code == 409, in_the_way.text


async def test_downloads_and_ranges(client: httpx.AsyncClient) -> None:
    await upload(client, "a b/ü.txt", b"0123456789")
    path = {"path": "a b/ü.txt"}
    whole = await client.get(f"{FILES}/download", params=path)
    assert (whole.status_code, whole.content) == (200, b"0123456789")
    assert whole.headers["content-length"] == "10"
    assert whole.headers["content-disposition"] == "attachment; filename*=utf-8''%C3%BC.txt"
    part = await client.get(f"{FILES}/download", params=path, headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    beyond = await client.get(f"{FILES}/download", params=path, headers={"Range": "bytes=20-"})
    assert beyond.status_code == 416
    assert (await client.get(f"{FILES}/download", params={"path": "none"})).status_code == 404
    assert (await client.get(f"{FILES}/download", params={"path": "a b"})).status_code == 404
    assert (await client.delete(FILES, params=path)).status_code == 204
    assert (await client.delete(FILES, params=path)).status_code == 404


@pytest.mark.parametrize("size", [0, PART_BYTES - 1, PART_BYTES, 2 * PART_BYTES + 17])
async def test_large_files_go_in_parts(client: httpx.AsyncClient, size: int) -> None:
    content = os.urandom(size)
    made = await upload(client, "large", content)
    assert (made.status_code, made.json()["size"]) == (201, size), made.text
    back = await client.get(f"{FILES}/download", params={"path": "large"})
    assert hashlib.sha256(back.content).digest() == hashlib.sha256(content).digest()


async def test_what_is_too_long_or_breaks_off_leaves_nothing(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    whole = client.build_request("POST", FILES, files={"file": ("x", bytes(PART_BYTES + 1))})
    head = whole.read()[:PART_BYTES]

    async def broken() -> AsyncIterator[bytes]:
        for start in range(0, len(head), 65536):
            yield head[start : start + 65536]

    headers = {"Content-Type": whole.headers["Content-Type"]}
    answer = await client.post(FILES, content=broken(), headers=headers)
    assert (answer.status_code, answer.json()) == (400, {"error": "The upload is incomplete."})

    async def endless() -> AsyncIterator[bytes]:
        yield whole.read()[:300]
        for _ in range(4 * PART_BYTES // 65536):
            yield bytes(65536)

    too_long = await client.post(FILES, content=endless(), headers=headers)
    assert (too_long.status_code, "longer than" in too_long.json()["error"]) == (413, True)
    announced = await client.post(FILES, files={"file": ("x", bytes(4 * PART_BYTES))})
    assert announced.status_code == 413
    assert keys(lakehouse) == []


@pytest.mark.parametrize(
    ("content_type", "body", "status"),
    [
        ("application/json", b"{}", 415),
        ("multipart/form-data", b"", 400),
        ("multipart/form-data; boundary=x", b"nonsense", 400),
        (
            "multipart/form-data; boundary=x",
            b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\nb\r\n--x--\r\n',
            400,
        ),
    ],
)
async def test_what_is_no_form_is_refused(
    client: httpx.AsyncClient, content_type: str, body: bytes, status: int
) -> None:
    answer = await client.post(FILES, content=body, headers={"Content-Type": content_type})
    assert answer.status_code == status, answer.text


async def test_viewers_read_only(
    client: httpx.AsyncClient, lakehouse: Lakehouse, add_user: AddUser, sign_in: SignIn
) -> None:
    await upload(client, "a", b"1")
    await add_user("viewer@acme.eu")
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    assert (await viewer.get(f"{FILES}/download", params={"path": "a"})).content == b"1"
    assert (await viewer.get(FILES)).status_code == 200
    assert (await upload(viewer, "b", b"1")).status_code == 403
    assert (await viewer.delete(FILES, params={"path": "a"})).status_code == 403
    assert (await viewer.post("/databases/demo/volumes", json={"name": "v"})).status_code == 403
    assert (await viewer.delete("/databases/demo/volumes/raw")).status_code == 403


async def test_the_published_sdk(app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse, tmp_path: Path) -> None:
    token = client.headers["Authorization"].removeprefix("Bearer ")
    local = tmp_path / "patients.csv"
    local.write_bytes(os.urandom(PART_BYTES + 5))
    async with listening(app) as url:
        sdk = Client(Config(api_url=url, token=token, workspace_slug=lakehouse.slug))
        volumes: Any = polnor.volumes
        assert [row["name"] for row in await call(volumes.list, "demo", client=sdk)] == ["raw"]
        assert await call(volumes.list_files, "demo.raw", client=sdk) == []
        written = await call(volumes.upload, "demo.raw", local, "/2026/patients.csv", client=sdk)
        assert written["path"] == "2026/patients.csv"
        await call(volumes.upload, "demo.raw", local, client=sdk)
        (folder, file) = await call(volumes.list_files, "demo.raw", client=sdk)
        assert (folder["name"], file["name"], file["size"]) == ("2026", "patients.csv", PART_BYTES + 5)
        inside = await call(volumes.list_files, "demo.raw", "2026", client=sdk)
        assert [row["path"] for row in inside] == ["2026/patients.csv"]
        back = await call(volumes.download, "demo.raw", "/2026/patients.csv", tmp_path / "back", client=sdk)
        assert await asyncio.to_thread(back.read_bytes) == await asyncio.to_thread(local.read_bytes)
        await call(volumes.delete, "demo.raw", "/2026/patients.csv", client=sdk)
        with pytest.raises(PolnorAPIError, match="404"):
            await call(volumes.download, "demo.raw", "/2026/patients.csv", tmp_path / "gone", client=sdk)
