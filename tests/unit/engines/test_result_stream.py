"""The Arrow IPC stream of a result, its index, and its first rows."""

from __future__ import annotations

import pyarrow as pa
import pytest

from icefield_engines.warehouse.results import ipc
from icefield_engines.warehouse.results.ipc import END, ResultStream

KEY = "results/s.arrow"
SCHEMA = pa.schema([("n", pa.int64()), ("s", pa.string())])


def _batch(start: int, rows: int) -> pa.RecordBatch:
    return pa.record_batch([list(range(start, start + rows)), [f"row {n}" for n in range(start, start + rows)]], SCHEMA)


def _read(content: bytes) -> pa.Table:
    return pa.ipc.open_stream(content).read_all()


def _inline(stream: ResultStream) -> pa.Table:
    return _read(stream.inline() or b"")


def test_the_parts_make_one_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipc, "PART_BYTES", 1000)
    parts: list[bytes] = []
    stream = ResultStream(parts.append)
    stream.start(SCHEMA)
    for start in range(0, 100, 10):
        assert stream.add(_batch(start, 10))
    parts.append(stream.end())
    whole = b"".join(parts)
    assert len(parts) > 3
    assert all(len(part) >= 1000 for part in parts[:-1])
    assert stream.index(KEY).size == len(whole)
    assert stream.index(KEY).rows == 100
    assert _read(whole).column("n").to_pylist() == list(range(100))


def test_the_index_finds_each_batch() -> None:
    stream = ResultStream(lambda _: None)
    stream.start(SCHEMA)
    stream.add(_batch(0, 3))
    stream.add(_batch(3, 4))
    whole = stream.end()
    assert len(stream.index(KEY).batches) == 2
    rows, offset, length = stream.index(KEY).batches[1]
    only_second = whole[: stream.index(KEY).schema_bytes] + whole[offset : offset + length] + END
    assert rows == 4
    assert _read(only_second).column("n").to_pylist() == [3, 4, 5, 6]


def test_long_batches_are_cut_and_empty_ones_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ipc, "BATCH_ROWS", 4)
    stream = ResultStream(lambda _: None)
    stream.start(SCHEMA)
    stream.add(_batch(0, 0))
    stream.add(_batch(0, 10))
    assert [rows for rows, _, _ in stream.index(KEY).batches] == [4, 4, 2]
    assert _read(stream.end()).num_rows == 10


def test_an_empty_result_has_a_schema_and_no_batch() -> None:
    stream = ResultStream(lambda _: None, inline_rows=10, inline_bytes=1000)
    stream.start(SCHEMA)
    assert _read(stream.end()).schema == SCHEMA
    assert _inline(stream).schema == SCHEMA
    assert stream.index(KEY).batches == ()


@pytest.mark.parametrize(("limit", "truncated"), [(9, True), (10, False), (11, False), (0, True)])
def test_the_row_limit_cuts(limit: int, truncated: bool) -> None:
    stream = ResultStream(lambda _: None, row_limit=limit)
    stream.start(SCHEMA)
    for start in (0, 5):
        if not stream.add(_batch(start, 5)):
            break
    assert stream.is_truncated is truncated
    assert _read(stream.end()).num_rows == min(limit, 10)


def test_first_rows_are_kept_up_to_a_number() -> None:
    stream = ResultStream(None, inline_rows=7, inline_bytes=100_000)
    stream.start(SCHEMA)
    for start in (0, 5, 10):
        stream.add(_batch(start, 5))
    assert _inline(stream).column("n").to_pylist() == list(range(7))
    assert stream.end() == b""


def test_first_rows_are_kept_up_to_a_size() -> None:
    stream = ResultStream(None, inline_rows=1000, inline_bytes=4000)
    stream.start(SCHEMA)
    for start in (0, 500, 1000):
        stream.add(_batch(start, 500))
    kept = _inline(stream).column("n").to_pylist()
    assert 10 < len(kept) < 500
    assert kept == list(range(len(kept)))


def test_a_row_too_large_to_keep_leaves_none() -> None:
    stream = ResultStream(None, inline_rows=10, inline_bytes=1000)
    stream.start(SCHEMA)
    stream.add(pa.record_batch([[1], ["x" * 5000]], SCHEMA))
    stream.add(_batch(0, 1))
    assert _inline(stream).num_rows == 0
