"""What every engine that reads SQL does with a table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

EXPECTED = [(1, "a"), (2, "c")]


def run(execute: Callable[[str], Sequence[Sequence[Any]]], name: str, columns: str) -> Iterator[str]:
    """Create, write, update and read a table; yield each thing that worked.

    Args:
        execute: runs a statement, and returns its rows.
        name: of the table, in full.
        columns: what follows the name in CREATE TABLE: `id`, an integer, and `name`, a text.

    Raises:
        ValueError: it reads other rows than were written.
    """
    execute(f"CREATE TABLE {name} {columns}")
    yield "create"
    execute(f"INSERT INTO {name} VALUES (1, 'a'), (2, 'b')")
    yield "write"
    execute(f"UPDATE {name} SET name = 'c' WHERE id = 2")
    yield "update"
    rows = [tuple(row) for row in execute(f"SELECT * FROM {name} ORDER BY id")]
    if rows != EXPECTED:
        raise ValueError(f"other rows: {rows}")
    yield "read"
