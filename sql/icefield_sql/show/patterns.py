"""LIKE of SHOW: `*` or `%` for any characters, `|` between alternatives, without case (Spark, "SHOW TABLES")."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from icefield_sql.lang.errors import SqlError

MAX_LENGTH = 1000
"""Longest pattern, in characters."""


def matcher(pattern: str | None) -> Callable[[str], bool]:
    """Return whether a name matches a pattern, in time that grows with the product of their lengths at most.

    Args:
        pattern: None matches every name.

    Raises:
        SqlError: it is too long.
    """
    if pattern is None:
        return lambda name: True
    if len(pattern) > MAX_LENGTH:
        raise SqlError(f"The pattern of SHOW is longer than {MAX_LENGTH} characters.")
    alternatives = [one.strip().lower().replace("%", "*").split("*") for one in pattern.split("|")]
    return lambda name: any(_matches(pieces, name.lower()) for pieces in alternatives)


def _matches(pieces: Sequence[str], name: str) -> bool:
    """Return whether a name is these pieces in order, with any characters between them.

    Each piece is taken where it comes first: a later place leaves less for those that follow, so none is tried twice.
    """
    if len(pieces) == 1:
        return name == pieces[0]
    first, *between, last = pieces
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    position, end = len(first), len(name) - len(last)
    for piece in between:
        found = name.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
