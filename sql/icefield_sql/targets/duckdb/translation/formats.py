"""Spark's patterns of dates and times as strftime's, for those letters that mean the same."""

from __future__ import annotations

import re

from icefield_sql.targets.duckdb.errors import Untranslatable

_WRITING = {
    "yyyy": "%Y", "yy": "%y", "MM": "%m", "dd": "%d", "HH": "%H", "hh": "%I", "mm": "%M", "ss": "%S", "SSS": "%g",
    "SSSSSS": "%f", "MMM": "%b", "MMMM": "%B", "E": "%a", "EE": "%a", "EEE": "%a", "EEEE": "%A", "a": "%p", "d": "%-d",
    "M": "%-m", "H": "%-H", "h": "%-I", "D": "%-j", "DDD": "%j", "y": "%Y",
}  # fmt: skip
_READING = {"yyyy": "%Y", "MM": "%m", "dd": "%d", "HH": "%H", "mm": "%M", "ss": "%S"}
_PARTS = re.compile(r"([A-Za-z])\1*|'[^']*'|[^A-Za-z']+")


def format_text(pattern: str | None, *, parsing: bool) -> str:
    """Return strftime's or strptime's format for a pattern, ready to stand in single quotes.

    Raises:
        Untranslatable: it is no literal, or has letters that the engines read differently.
    """
    if pattern is None:
        raise Untranslatable("a pattern of dates that is not a literal.")
    known = _READING if parsing else _WRITING
    out = []
    for match in _PARTS.finditer(pattern):
        part = match.group()
        if part[0] == "'":
            part = part[1:-1] or "'"
        elif part[0].isalpha():
            if part not in known:
                raise Untranslatable(f"the letters {part} in the pattern {pattern!r}.")
            out.append(known[part])
            continue
        out.append(part.replace("%", "%%"))
    return "".join(out).replace("'", "''")
