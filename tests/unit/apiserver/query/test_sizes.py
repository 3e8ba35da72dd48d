"""How much is read, by the tables' metadata, and which sandbox that asks for."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_apiserver.features.query.sizes import GIB, Inputs, InputTable, format_bytes, input_table


def metadata(*snapshots: dict[str, Any], current: int | None = None) -> dict[str, Any]:
    return {"current-snapshot-id": current, "snapshots": list(snapshots)}


def snapshot(number: int, **summary: str) -> dict[str, Any]:
    named = {key.replace("_", "-"): value for key, value in summary.items()}
    return {"snapshot-id": number, "timestamp-ms": 0, "summary": {"operation": "append", **named}}


@pytest.mark.parametrize(
    ("found", "wanted", "expected"),
    [
        (metadata(), None, InputTable("t", 0)),
        (metadata(current=-1), None, InputTable("t", 0)),
        (metadata(snapshot(1, total_files_size="10"), current=1), None, InputTable("t", 10)),
        (
            metadata(snapshot(1, total_files_size="10"), snapshot(2, total_files_size="30"), current=2),
            1,
            InputTable("t", 10),
        ),
        (metadata(snapshot(1), current=1), None, InputTable("t", None)),
        (metadata(snapshot(1, total_files_size="many"), current=1), None, InputTable("t", None)),
        (metadata(snapshot(1, total_files_size="10"), current=1), 9, InputTable("t", None)),
        (
            metadata(snapshot(1, total_files_size="10", total_equality_deletes="3"), current=1),
            None,
            InputTable("t", 10, has_equality_deletes=True),
        ),
        (
            metadata(snapshot(1, total_files_size="10", total_equality_deletes="0"), current=1),
            None,
            InputTable("t", 10),
        ),
    ],
)
def test_the_size_of_a_table_is_in_its_snapshot(
    found: dict[str, Any], wanted: int | None, expected: InputTable
) -> None:
    assert input_table("t", found, wanted) == expected


@pytest.mark.parametrize(
    ("sizes", "band", "vcpus"),
    [
        ((), "small", 2),
        ((0,), "small", 2),
        ((GIB - 1,), "small", 2),
        ((GIB // 2, GIB // 2), "medium", 2),
        ((GIB + 1,), "medium", 4),
        ((4 * GIB,), "medium", 8),
        ((8 * GIB + 1,), "medium", 32),
        ((32 * GIB - 1,), "medium", 32),
        ((32 * GIB,), "large", 32),
        ((None,), "small", 2),
        ((None, 33 * GIB), "large", 32),
    ],
)
def test_bands_and_sandboxes(sizes: tuple[int | None, ...], band: str, vcpus: int) -> None:
    inputs = Inputs(tuple(InputTable(f"t{number}", size) for number, size in enumerate(sizes)))
    assert (inputs.band, inputs.vcpus, inputs.estimated_bytes) == (band, vcpus, sum(size or 0 for size in sizes))


def test_what_is_not_known_is_reported() -> None:
    unknown = Inputs(is_complete=False)
    assert (unknown.band, unknown.estimated_bytes, unknown.vcpus) == (None, None, 2)
    assert unknown.sentences() == ["The script lists no tables, so how much it reads is not known."]
    partly = Inputs((InputTable("a.b", 3 * GIB // 2), InputTable("a.c", None)))
    assert partly.sentences() == [
        "The 2 tables that it reads hold 1.5 GiB, which is medium (from 1 GiB to less than 32 GiB).",
        "The size of table a.c is unknown; it counts as empty.",
    ]
    assert Inputs((InputTable("a.b", 5),)).sentences() == [
        "The table that it reads holds 5 bytes, which is small (less than 1 GiB)."
    ]
    assert Inputs().sentences() == ["The query reads no tables."]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (5 * GIB, "5 GiB"),
        (2**70, "1048576 PiB"),
    ],
)
def test_bytes_as_people_write_them(size: int, text: str) -> None:
    assert format_bytes(size) == text
