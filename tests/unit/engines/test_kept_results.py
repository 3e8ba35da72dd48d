"""Short results, which the caller keeps, and callers that do not know of it; over the gateway's own HTTP."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pyarrow as pa
import pytest
import pytest_asyncio
from aiohttp.test_utils import TestClient, TestServer

from icefield_crds.wire.gateway import EngineName, StatementRequest
from icefield_engines.warehouse.engine import Rows
from icefield_engines.warehouse.errors import Code, EngineError, Scrubber
from icefield_engines.warehouse.http import Gateway
from icefield_engines.warehouse.registry import Registry
from icefield_engines.warehouse.results import ipc
from icefield_engines.warehouse.runner import Runner

KEY = "workspaces/demo/results/s.arrow"
KEEPS = 4096
SECRET = "secret-key"


class Engine:
    """An engine whose statement is a number of rows."""

    name = EngineName.DUCKDB
    statements_at_once = 2
    is_ready = True

    async def wait_until_ready(self) -> None:
        return None

    def execution(self, statement_id: str, request: StatementRequest) -> Execution:
        return Execution(int(request.sql))


class Execution:
    appended = None

    def __init__(self, rows: int) -> None:
        self._rows = rows

    def start(self) -> Rows:
        batch = pa.record_batch({"n": pa.array(range(self._rows), pa.int64())})
        half = self._rows // 2

        def batches() -> Iterator[pa.RecordBatch]:
            yield from (batch.slice(0, half), batch.slice(half))

        return Rows(batch.schema, batches())

    def interrupt(self) -> None:
        return None

    def close(self) -> None:
        return None

    def describe_error(self, error: Exception) -> tuple[str, str]:
        return Code.INTERNAL_ERROR, str(error)


class Objects:
    """The bucket."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.is_away = False

    async def put(self, key: str, content: bytes) -> None:
        if self.is_away:
            raise EngineError(Code.RESULT_NOT_STORED, f"It is away: {SECRET}")
        self.stored[key] = content

    async def call(self, operation: str, **arguments: Any) -> dict[str, str]:
        self.stored[arguments["Key"]] = self.stored.get(arguments["Key"], b"") + arguments.get("Body", b"")
        return {"UploadId": "u", "ETag": "e"}


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest_asyncio.fixture
async def client(objects: Objects) -> AsyncIterator[TestClient[Any, Any]]:
    """A client of the gateway."""
    engines: Any = {EngineName.DUCKDB: Engine()}
    bucket: Any = objects
    runner = Runner(engines, bucket, Scrubber([SECRET]))
    gateway = Gateway(Registry(runner.run, 10), engines, runner.store, "token", "workspaces/demo/results/")
    async with TestClient(TestServer(gateway.app()), headers={"Authorization": "Bearer token"}) as client:
        yield client
    runner.close()


async def put(client: TestClient[Any, Any], rows: int, content_bytes: int = KEEPS, **fields: Any) -> dict[str, Any]:
    """Run the statement `s`, and return its state."""
    request = StatementRequest(
        EngineName.DUCKDB, str(rows), result_key=KEY, inline_rows=100, content_bytes=content_bytes, **fields
    )
    async with client.put("/statements/s?wait=10", json=request.to_json()) as answer:
        assert answer.status == 200
        state: dict[str, Any] = await answer.json()
        return state


def rows_in(encoded: str) -> list[int]:
    numbers: list[int] = pa.ipc.open_stream(base64.b64decode(encoded)).read_all().column("n").to_pylist()
    return numbers


async def test_a_short_result_is_in_the_answer_and_not_stored(client: TestClient[Any, Any], objects: Objects) -> None:
    state = await put(client, 10)
    assert (rows_in(state["content"]), state["inline"], objects.stored) == (list(range(10)), None, {})
    content, index = base64.b64decode(state["content"]), state["result"]
    assert (index["key"], index["bytes"], [rows for rows, _, _ in index["batches"]]) == (KEY, len(content), [5, 5])


async def test_a_caller_that_wants_no_rows_still_keeps_the_result(client: TestClient[Any, Any]) -> None:
    request = StatementRequest(EngineName.DUCKDB, "10", result_key=KEY, content_bytes=KEEPS)
    async with client.put("/statements/s?wait=10", json=request.to_json()) as answer:
        state = await answer.json()
    assert (rows_in(state["content"]), rows_in(state["inline"])) == (list(range(10)), [])


async def test_a_longer_result_is_stored(client: TestClient[Any, Any], objects: Objects) -> None:
    state = await put(client, 1000)
    assert (state["content"], len(rows_in(state["inline"]))) == (None, 100)
    assert len(objects.stored[KEY]) == state["result"]["bytes"]


async def test_what_is_sent_in_parts_is_stored(
    client: TestClient[Any, Any], objects: Objects, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ipc, "PART_BYTES", 100)
    state = await put(client, 10)
    assert (state["content"], len(objects.stored[KEY])) == (None, state["result"]["bytes"])


async def test_an_older_caller_has_it_stored(client: TestClient[Any, Any], objects: Objects) -> None:
    state = await put(client, 10, content_bytes=0)
    assert (state["content"], rows_in(state["inline"])) == (None, list(range(10)))
    assert len(objects.stored[KEY]) == state["result"]["bytes"]


async def test_an_older_caller_that_continues_a_statement_has_it_stored_first(
    client: TestClient[Any, Any], objects: Objects
) -> None:
    kept = await put(client, 10)
    async with client.get("/statements/s?keeps_content=1") as answer:
        assert await answer.json() == kept
    assert objects.stored == {}
    async with client.get("/statements/s?wait=1") as answer:
        state = await answer.json()
    assert (answer.status, state["content"], rows_in(state["inline"])) == (200, None, list(range(10)))
    assert objects.stored[KEY] == base64.b64decode(kept["content"])
    objects.stored.clear()
    assert await put(client, 10, content_bytes=0) == state
    assert objects.stored == {}


async def test_an_older_caller_waits_until_the_store_is_back(client: TestClient[Any, Any], objects: Objects) -> None:
    await put(client, 10)
    objects.is_away = True
    async with client.get("/statements/s") as answer:
        assert (answer.status, await answer.json()) == (503, {"error": "It is away: ***"})
    objects.is_away = False
    async with client.get("/statements/s") as answer:
        assert (answer.status, list(objects.stored)) == (200, [KEY])
