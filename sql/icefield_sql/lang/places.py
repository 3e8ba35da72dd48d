"""Lines and columns of a statement's text, both counted from 1."""

from __future__ import annotations


def place(text: str, position: int) -> str:
    """Return a position in a text in words, such as `Line 1, column 8`."""
    line = text.count("\n", 0, position) + 1
    return f"Line {line}, column {position - (text.rfind(chr(10), 0, position) + 1) + 1}"


def position_of(text: str, line: int, column: int) -> int:
    """Return the position in a text of a line (from 1) and a column (from 0), as Spark counts them."""
    start = 0
    for _ in range(line - 1):
        start = text.find("\n", start) + 1 or len(text)
    return start + column
