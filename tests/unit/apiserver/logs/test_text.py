"""Logs as text: the pieces of a long line are one line again."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from icefield_apiserver.features.logs.entry import Entry, from_pod
from icefield_apiserver.features.logs.routes import _text
from icefield_crds.wire.log_stream import ReadLine

STAMP = "2026-06-01T08:00:00.000000000Z"
Line = tuple[str, bool, str]


async def _entries(lines: list[Line]) -> AsyncIterator[Entry]:
    for message, continues, task in lines:
        yield from_pod(ReadLine(STAMP, message, continues), task, 0)


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], ""),
        ([("", False, "a")], "\n"),
        ([("x", False, "a"), ("y", False, "a")], "x\ny\n"),
        ([("x", False, "a"), ("y", True, "a"), ("z", False, "a")], "xy\nz\n"),
        ([("rest", True, "a")], "rest\n"),
        ([("x", False, "a"), ("b", False, "b"), ("y", True, "a")], "x\nb\ny\n"),
    ],
)
async def test_lines_and_their_pieces(lines: list[Line], text: str) -> None:
    assert b"".join([piece async for piece in _text(_entries(lines))]).decode() == text
