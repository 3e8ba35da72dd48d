"""The end of a sentence about a name that does not exist: the nearest of those that do. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

SHOWN_CHARACTERS = 64
_MOST_LISTED = 8


def shown(name: str) -> str:
    """Return as much of a name, which the caller chose, as a sentence has room for."""
    return name[:SHOWN_CHARACTERS]


def hint_of(name: str, known: Iterable[str]) -> str:
    """Return how a sentence about an unknown name ends: with the nearest name, else with the names if they are few."""
    names = list(known)
    if close := get_close_matches(shown(name), names, n=1):
        return f"; did you mean {close[0]}?"
    if 0 < len(names) <= _MOST_LISTED:
        return f"; there are: {', '.join(names)}."
    return "."
