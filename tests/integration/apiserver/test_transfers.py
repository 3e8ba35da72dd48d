"""Transfers of the API server with a real object store."""

from __future__ import annotations

import os
import secrets
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from tests.object_store import REGION, RunningObjectStore, s3_client
from tests.pieces import serve_in_pieces

from icefield_apiserver.core.objects.aws import CA_VARIABLES
from icefield_apiserver.core.objects.multipart import PART_BYTES
from icefield_apiserver.core.objects.transfers import (
    CHUNK_BYTES,
    Bucket,
    BucketAccess,
    ObjectStoreError,
    open_http,
)
from icefield_cluster.install import certificates

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def bucket(object_store: RunningObjectStore) -> AsyncIterator[Bucket]:
    """A bucket of the test's own, whose external endpoint has another host name."""
    name = f"transfers-{secrets.token_hex(4)}"
    keys = object_store.access_key_id, object_store.secret_access_key
    async with s3_client(object_store.url, *keys) as s3:
        await s3.create_bucket(Bucket=name)
    external = object_store.url.replace("127.0.0.1", "localhost")
    access = BucketAccess(object_store.url, REGION, name, *keys, external_endpoint=external)
    async with open_http() as http, Bucket.open(access, http) as opened:
        yield opened


async def pieces(content: bytes, size: int = 1024 * 1024) -> AsyncIterator[bytes]:
    """Yield content as an upload arrives."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def test_small_and_large_objects_are_written_and_read(bucket: Bucket) -> None:
    large = os.urandom(2 * PART_BYTES + 5)
    assert await bucket.write("a/small ü#%.txt", "text/plain", pieces(b"small")) == 5
    assert await bucket.write("a/large", "application/octet-stream", pieces(large)) == len(large)
    assert await bucket.read("a/small ü#%.txt") == b"small"
    stream = await bucket.open_object("a/large")
    chunks = [chunk async for chunk in stream.chunks()]
    assert b"".join(chunks) == large
    assert all(len(chunk) >= CHUNK_BYTES for chunk in chunks[:-1])
    part = await bucket.open_object("a/large", "bytes=10-19")
    assert (part.status, part.headers["Content-Range"]) == (206, f"bytes 10-19/{len(large)}")
    assert await part.read_exactly(4) + await part.read_exactly(6) == large[10:20]
    assert (await bucket.head("a/large")).size == len(large)


async def test_listings_group_by_the_delimiter_and_continue_after_a_key(bucket: Bucket) -> None:
    for key in ("a/1", "a/2", "a/b/3", "c"):
        await bucket.write(key, "text/plain", pieces(b"x"))
    (page,) = [page async for page in bucket.list("a/", delimiter="/", start_after="a/1")]
    assert ([each.key for each in page.objects], page.prefixes) == (["a/2"], ["a/b/"])
    assert not await bucket.is_empty("a/")
    await bucket.delete_all("a/")
    assert await bucket.is_empty("a/")
    await bucket.delete("a/1")
    assert await bucket.read("c") == b"x"


async def test_presigned_urls_name_the_endpoint_of_their_reader(bucket: Bucket) -> None:
    await bucket.write("k", "text/plain", pieces(b"content"))
    inside, outside = await bucket.presign("k"), await bucket.presign_external("k")
    assert (httpx.URL(inside).host, httpx.URL(outside).host) == ("127.0.0.1", "localhost")
    async with httpx.AsyncClient(trust_env=False) as client:
        assert [(await client.get(url)).content for url in (inside, outside)] == [b"content", b"content"]


async def test_errors_carry_status_and_code(bucket: Bucket, object_store: RunningObjectStore) -> None:
    await bucket.write("file", "text/plain", pieces(b"x"))
    for failing in (bucket.open_object("none"), bucket.head("none")):
        with pytest.raises(ObjectStoreError) as missing:
            await failing
        assert (missing.value.status, missing.value.is_missing) == (404, True)
    with pytest.raises(ObjectStoreError) as beyond:
        await bucket.open_object("file", "bytes=5-9")
    assert (beyond.value.status, beyond.value.code) == (416, "InvalidRange")
    nobody = BucketAccess("http://127.0.0.1:1", REGION, "b", "k", "s")
    async with open_http() as http, Bucket.open(nobody, http) as closed:
        with pytest.raises(ObjectStoreError) as unreachable:
            await closed.open_object("k")
        assert unreachable.value.status is None


async def test_a_failed_upload_leaves_nothing(bucket: Bucket) -> None:
    async def breaking() -> AsyncIterator[bytes]:
        yield os.urandom(PART_BYTES + 1)
        raise ConnectionAbortedError

    with pytest.raises(ObjectStoreError):
        await bucket.write("broken", "text/plain", breaking())
    assert await bucket.is_empty("")


@pytest.mark.parametrize("variable", CA_VARIABLES)
async def test_a_store_with_a_certificate_of_its_own_authority_is_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    issued = certificates.issue(["127.0.0.1"])
    (tmp_path / "server.pem").write_text(issued.certificate + issued.key)
    (tmp_path / "ca.pem").write_text(issued.ca)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    application = web.Application()
    application.router.add_get("/b/k", lambda _: respond("content"))
    application.router.add_get("/b", lambda _: respond("<ListBucketResult/>"))
    server = TestServer(application, scheme="https")
    await server.start_server(ssl=context)
    for each in CA_VARIABLES:
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(variable, str(tmp_path / "ca.pem"))
    access = BucketAccess(f"https://127.0.0.1:{server.port}", REGION, "b", "k", "s")
    try:
        async with open_http() as http, Bucket.open(access, http) as trusting:
            assert await trusting.read("k") == b"content"
            assert await trusting.is_empty("")
    finally:
        await server.close()


async def respond(text: str) -> web.Response:
    """Return a response."""
    return web.Response(text=text)


async def test_the_error_of_a_store_in_two_segments_is_known() -> None:
    async with (
        serve_in_pieces(b"<Error><Code>NoSuch", b"Key</Code></Error>", status=404) as url,
        open_http() as http,
        Bucket.open(BucketAccess(url, REGION, "b", "k", "s"), http) as bucket,
    ):
        with pytest.raises(ObjectStoreError) as refused:
            await bucket.read("k")
    assert (refused.value.status, refused.value.code) == (404, "NoSuchKey")
