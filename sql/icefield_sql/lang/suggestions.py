"""The names that a misspelt one may mean, and the words of a sentence that offers them."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import SequenceMatcher
from itertools import islice

MAX_KNOWN = 5_000
"""How many names are compared at most: each takes some microseconds."""
MAX_LENGTH = 128
"""Longest name that is compared, in characters: comparing takes the product of both lengths."""
_CLOSE = 0.7
_MOST = 3


def nearest(name: str, known: Iterable[str], close: float = _CLOSE) -> list[str]:
    """Return up to three known names that are close to a name, the closest first; case does not count.

    Args:
        name: what was written.
        known: the names that there are; the first MAX_KNOWN are compared.
        close: how close a name has to be, from 0 to 1 (difflib's ratio).
    """
    wanted = name.lower()
    if not wanted or len(wanted) > MAX_LENGTH:
        return []
    found: list[tuple[float, str]] = []
    matcher = SequenceMatcher(b=wanted, autojunk=False)
    for one in islice(known, MAX_KNOWN):
        lowered = one.lower()
        if abs(len(lowered) - len(wanted)) > max(2, len(wanted) // 2):
            continue
        if sorted(lowered) == sorted(wanted):
            found.append((1.0, one))
            continue
        matcher.set_seq1(lowered)
        if matcher.real_quick_ratio() >= close and matcher.quick_ratio() >= close:
            ratio = matcher.ratio()
            if ratio >= close:
                found.append((ratio, one))
    best = max((ratio for ratio, _ in found), default=0.0)
    kept = sorted((item for item in found if item[0] >= best - 0.15), key=lambda item: -item[0])
    return list(dict.fromkeys(one for _, one in kept))[:_MOST]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return `; did you mean a or b?` for the known names that are close to a name, a full stop where none is."""
    found = nearest(name, known)
    return f"; did you mean {either(found)}?" if found else "."


def either(names: Iterable[str]) -> str:
    """Return names as `a`, `a or b`, or `a, b or c`."""
    *rest, last = names
    return f"{', '.join(rest)} or {last}" if rest else last
