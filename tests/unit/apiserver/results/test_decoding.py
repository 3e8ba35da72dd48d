"""Streams turned into JSON by processes of their own, also those that nobody in his right mind wrote."""

from __future__ import annotations

import asyncio
import datetime as dt
import io
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from decimal import Decimal
from typing import Any

import orjson
import pyarrow as pa
import pytest
import pytest_asyncio

from icefield_apiserver.core.arrow.decoder import MAX_READ_BYTES
from icefield_apiserver.core.arrow.decoding import MAX_JSON_BYTES, Decoded, Decoders, DecodingError
from icefield_apiserver.core.objects.transfers import ObjectStoreError

MIB = 1024 * 1024


@pytest_asyncio.fixture
async def decoders() -> AsyncIterator[Decoders]:
    """The processes."""
    async with Decoders.open() as decoders:
        yield decoders


def stream_of(batches: Iterable[pa.RecordBatch], **options: Any) -> bytes:
    """Return batches as an Arrow IPC stream."""
    sink = io.BytesIO()
    batches = list(batches)
    with pa.ipc.new_stream(sink, batches[0].schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue()


async def pieces(content: bytes, size: int = MIB) -> AsyncGenerator[bytes, None]:
    """Yield a stream as a download does."""
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def read(decoders: Decoders, content: bytes, rows: int = 10_000, size: int = MIB) -> Decoded:
    """Have a stream read."""
    return await decoders.first_rows(pieces(content, size), rows)


def rows_of(decoded: Decoded) -> list[list[Any]]:
    """Return the rows as Python has them."""
    rows: list[list[Any]] = orjson.loads(b"[" + decoded.rows + b"]")
    return rows


def typed(**columns: tuple[pa.Array, str]) -> pa.RecordBatch:
    """Return a batch of columns, each with what Polars calls its type."""
    fields = [pa.field(n, a.type, metadata={"polars.dtype": stated}) for n, (a, stated) in columns.items()]
    return pa.record_batch([array for array, _ in columns.values()], schema=pa.schema(fields))


async def test_rows_and_what_polars_calls_their_types(decoders: Decoders) -> None:
    batch = typed(
        n=(pa.array([1, None]), "Int64"),
        name=(pa.array(["a", "ü"], pa.large_string()), "String"),
        at=(pa.array([dt.datetime(2026, 6, 1, 8), None], pa.timestamp("us")), "Datetime(time_unit='us')"),  # noqa: DTZ001
        time=(pa.array([dt.time(1, 2, 3, 4), None], pa.time64("ns")), "Time"),
        took=(pa.array([1_000_000_001, None], pa.duration("ns")), "Duration(time_unit='ns')"),
        price=(pa.array([Decimal("1.50"), None]), "Decimal(precision=3, scale=2)"),
        kind=(pa.array(["x", "y"]).dictionary_encode(), "Categorical"),
        ratio=(pa.array([0.5, float("nan")]), "Float64"),
    )
    decoded = await read(decoders, stream_of([batch]), size=7)
    assert decoded.columns == ["n", "name", "at", "time", "took", "price", "kind", "ratio"]
    assert decoded.column_types[:3] == ["Int64", "String", "Datetime(time_unit='us')"]
    assert rows_of(decoded) == [
        [1, "a", "2026-06-01T08:00:00", "01:02:03.000004", "0:00:01", 1.5, "x", 0.5],
        [None, "ü", None, None, None, None, "y", "NaN"],
    ]


async def test_types_that_polars_says_nothing_of(decoders: Decoders) -> None:
    decoded = await read(decoders, stream_of([pa.record_batch({"a": pa.array([], pa.int32())})]))
    assert (decoded.column_types, decoded.count, rows_of(decoded)) == (["int32"], 0, [])


async def test_no_more_rows_than_asked_for_and_no_more_read_than_needed(decoders: Decoders) -> None:
    batches = [pa.record_batch({"n": range(start, start + 1000)}) for start in range(0, 1_000_000, 1000)]
    content, taken = stream_of(batches), 0

    async def counted() -> AsyncGenerator[bytes, None]:
        nonlocal taken
        async for piece in pieces(content, 4096):
            taken += len(piece)
            yield piece

    decoded = await decoders.first_rows(counted(), 2500)
    assert (decoded.count, rows_of(decoded)[-1]) == (2500, [2499])
    assert taken < len(content) / 2
    assert (await read(decoders, stream_of(batches[:2]))).count == 2000


async def test_rows_that_have_no_room_are_left_out(decoders: Decoders) -> None:
    batch = pa.record_batch({"text": ["x" * (5 * MIB)] * 5})
    decoded = await read(decoders, stream_of([batch]))
    assert (decoded.count, len(decoded.rows) < MAX_JSON_BYTES) == (3, True)
    longest = pa.record_batch({"text": ["short", "x" * (20 * MIB), "short"]})
    assert rows_of(await read(decoders, stream_of([longest]))) == [["short"]]


async def test_what_is_too_long_to_be_read_is_left_out(decoders: Decoders) -> None:
    small, large = pa.record_batch({"b": [b"1"]}), pa.record_batch({"b": [b"1" * (MAX_READ_BYTES + 1)]})
    decoded = await read(decoders, stream_of([small, large]))
    assert (decoded.columns, rows_of(decoded)) == (["b"], [["MQ=="]])


def forged_offsets() -> bytes:
    """A string column whose second value reaches far behind its buffer."""
    good = b"".join(n.to_bytes(4, "little") for n in (0, 1, 78))
    bad = b"".join(n.to_bytes(4, "little") for n in (0, 1, 2**30))
    content = stream_of([pa.record_batch({"a": ["x", "y" * 77]})])
    assert content.count(good) == 1
    return content.replace(good, bad)


def cut_off() -> bytes:
    """A stream without its last bytes."""
    return stream_of([pa.record_batch({"a": ["x" * 1000]})])[:-800]


def compressed() -> bytes:
    """A few bytes that unpack to many."""
    length = 400 * MIB
    zeros = pa.Array.from_buffers(pa.uint8(), length, [None, pa.py_buffer(bytes(length))])
    return stream_of([pa.record_batch([zeros], names=["a"])], compression="zstd")


def shared_dictionary() -> bytes:
    """A thousand columns of one long text."""
    column = pa.DictionaryArray.from_arrays(pa.array([0] * 100, pa.int8()), pa.array(["x" * MIB]))
    return stream_of([pa.record_batch([column] * 40, names=[str(n) for n in range(40)])])


def nulls_for_ever() -> bytes:
    """A list of more nulls than any memory has room for, in a few bytes."""
    inner = pa.nulls(2**31 - 1)
    array = pa.ListArray.from_arrays(pa.array([0, 2**31 - 1], pa.int32()), inner)
    return stream_of([pa.record_batch([array], names=["a"])])


@pytest.mark.parametrize(
    "forge",
    [bytes, lambda: b"PAR1", lambda: b"\xff" * 4096, cut_off, forged_offsets, compressed, nulls_for_ever],
    ids=["nothing", "no Arrow", "forged length", "cut off", "forged offsets", "compressed", "nulls"],
)
async def test_what_no_sandbox_writes(decoders: Decoders, forge: Callable[[], bytes]) -> None:
    with pytest.raises(DecodingError):
        await read(decoders, forge())
    assert rows_of(await read(decoders, stream_of([pa.record_batch({"n": [1]})]))) == [[1]]


async def test_one_text_in_many_columns_is_left_out(decoders: Decoders) -> None:
    assert (await read(decoders, shared_dictionary())).count == 0


async def test_many_at_once(decoders: Decoders) -> None:
    contents = [stream_of([pa.record_batch({"n": [number]})]) for number in range(20)]
    contents[7] = forged_offsets()
    answers = await asyncio.gather(*(read(decoders, content) for content in contents), return_exceptions=True)
    good = [rows_of(answer) for answer in answers if isinstance(answer, Decoded)]
    assert good == [[[number]] for number in range(20) if number != 7]
    assert isinstance(answers[7], DecodingError)


async def test_a_store_that_breaks_off(decoders: Decoders) -> None:
    async def broken() -> AsyncGenerator[bytes, None]:
        yield stream_of([pa.record_batch({"n": [1]})])[:100]
        raise ObjectStoreError(None)

    with pytest.raises(ObjectStoreError):
        await decoders.first_rows(broken(), 10)
    assert (await read(decoders, stream_of([pa.record_batch({"n": [1]})]))).count == 1
