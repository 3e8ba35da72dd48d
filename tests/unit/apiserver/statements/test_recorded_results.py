"""Results in the records of statements: read, linked to, and deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import orjson
import pyarrow as pa
import pytest

from icefield_apiserver.core.errors import Unavailable
from icefield_apiserver.core.objects.transfers import ObjectStoreError
from icefield_apiserver.features.statements.janitor import Janitor
from icefield_apiserver.features.statements.results import Result, ResultStore
from icefield_crds import WorkspaceSpec
from icefield_crds.wire.gateway import ResultIndex

KEY = "workspaces/demo/results/s.arrow"


class Objects:
    """The platform's bucket."""

    def __init__(self) -> None:
        self.stored: dict[str, bytes] = {}
        self.is_away = False

    async def write(self, key: str, content_type: str, chunks: AsyncIterator[bytes]) -> None:
        if self.is_away:
            raise ObjectStoreError(None)
        self.stored[key] = b"".join([chunk async for chunk in chunks])

    async def presign(self, key: str) -> str:
        return f"http://inside/{key}"

    async def presign_external(self, key: str) -> str:
        return f"http://outside/{key}"

    async def delete(self, key: str) -> None:
        self.stored.pop(key, None)


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def store(objects: Objects) -> ResultStore:
    return ResultStore(cast(Any, objects))


def result_of(*batches: list[int]) -> Result:
    """Return a result of such batches."""
    schema = pa.schema([("n", pa.int64())])
    content = schema.serialize().to_pybytes()
    index = []
    for numbers in batches:
        message = pa.record_batch([numbers], schema=schema).serialize().to_pybytes()
        index.append((len(numbers), len(content), len(message)))
        content += message
    content += b"\xff\xff\xff\xff\0\0\0\0"
    return Result(ResultIndex(KEY, len(content), schema.serialize().size, tuple(index)), content)


async def whole(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


@pytest.mark.parametrize(
    ("start", "count", "expected"),
    [
        (0, None, [0, 1, 2, 3, 4, 5]),
        (0, 2, [0, 1]),
        (1, 3, [1, 2, 3]),
        (3, 1, [3]),
        (4, 100, [4, 5]),
        (6, None, []),
    ],
)
async def test_pages(store: ResultStore, start: int, count: int | None, expected: list[int]) -> None:
    pieces = await store.json_rows(result_of([0, 1, 2], [3, 4], [5]), start, count)
    assert orjson.loads(b"[" + await whole(pieces) + b"]") == [[number] for number in expected]


async def test_an_empty_result(store: ResultStore) -> None:
    assert await whole(await store.json_rows(result_of())) == b""


async def test_the_stream_is_the_content(store: ResultStore, objects: Objects) -> None:
    result = result_of([1, 2])
    assert await whole(await store.stream(result)) == result.content
    assert objects.stored == {}


async def test_a_link_puts_it_into_the_store(store: ResultStore, objects: Objects) -> None:
    result = result_of([1, 2])
    assert await store.external_url(result) == f"http://outside/{KEY}"
    assert objects.stored == {KEY: result.content}
    objects.stored.clear()
    assert await store.internal_url(result) == f"http://inside/{KEY}"
    assert objects.stored == {KEY: result.content}


async def test_a_link_to_what_is_there_already(store: ResultStore, objects: Objects) -> None:
    assert await store.external_url(Result(result_of([1]).index)) == f"http://outside/{KEY}"
    assert objects.stored == {}


async def test_no_link_without_the_store(store: ResultStore, objects: Objects) -> None:
    objects.is_away = True
    with pytest.raises(Unavailable):
        await store.external_url(result_of([1]))


class Records:
    """Records of statements: (key of the expired result) and (workspaces with results in their records)."""

    def __init__(self, expired: dict[str, str], workspaces: set[str]) -> None:
        self.results = expired
        self.workspaces = workspaces
        self.reads = 0

    async def expired(self, limit: int) -> list[tuple[str, str]]:
        return list(self.results.items())[:limit]

    async def forget_result(self, statement_id: str) -> None:
        del self.results[statement_id]

    async def workspaces_with_content(self) -> set[str]:
        self.reads += 1
        return set(self.workspaces)

    async def forget_content(self, workspace_uid: str) -> None:
        self.workspaces.discard(workspace_uid)

    async def workspace_uids(self) -> list[str]:
        return []  # no record is old: tests/api/test_retention.py has those


async def test_the_janitor(store: ResultStore, objects: Objects) -> None:
    objects.stored[KEY] = b"a result that a link had put here"
    records = Records({"a": KEY, "b": "", "c": "never/stored"}, {"here", "deleted while nobody served"})
    existing = ["here", "without results"]
    spec = WorkspaceSpec()
    workspaces = SimpleNamespace(
        all=lambda: [SimpleNamespace(metadata=SimpleNamespace(uid=uid), spec=spec) for uid in existing]
    )
    janitor = Janitor(cast(Any, records), store, cast(Any, workspaces))
    await janitor.sweep()
    assert (objects.stored, records.results, records.workspaces) == ({}, {}, {"here"})
    existing.remove("here")
    await janitor.sweep()
    assert (records.workspaces, records.reads) == (set(), 1)
