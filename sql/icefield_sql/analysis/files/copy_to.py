"""COPY (query) TO 'path': where the rows of a query are written, in which format."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from sqlglot.tokenizer_core import TokenType

from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.file_paths import FilePath, read_path
from icefield_sql.lang.lexing import SourceText

from .model import Value
from .options import BOOLEAN, INTEGER, TEXT, taken

_TIMES = {"dateformat": TEXT, "timestampformat": TEXT}
OPTIONS: dict[str, dict[str, str]] = {
    "csv": {
        **_TIMES,
        "header": BOOLEAN, "delimiter": TEXT, "quote": TEXT, "escape": TEXT, "nullstr": TEXT, "compression": TEXT,
    },
    "json": {**_TIMES, "array": BOOLEAN, "compression": TEXT},
    "parquet": {"compression": TEXT, "row_group_size": INTEGER},
}  # fmt: skip
"""DuckDB's options of each format that may be given, with what each takes."""
_OTHER_NAMES = {"sep": "delimiter", "delim": "delimiter", "nullvalue": "nullstr", "null": "nullstr"}
_ENDINGS = {"csv": "csv", "tsv": "csv", "json": "json", "jsonl": "json", "ndjson": "json", "parquet": "parquet"}


@dataclass(frozen=True)
class FileExport:
    """Where the rows of a query are written.

    Args:
        path: a file, or a folder with a slash at its end.
        format: csv, json or parquet.
        options: DuckDB's, by name.
    """

    path: FilePath
    format: str
    options: tuple[tuple[str, Value], ...] = ()


def read_copy_to(cursor: Cursor) -> tuple[SourceText, FileExport]:
    """Read `COPY (query) TO 'path' [(FORMAT csv, HEADER true, …)]`, and return the query's text and its place.

    Raises:
        SqlError: it is something else, or names what is no file of a workspace.
    """
    cursor.expect("COPY")
    if not cursor.at("("):
        raise SqlError("COPY … TO writes a query: COPY (SELECT * FROM t) TO 'volumes/<database>/<volume>/<path>'.")
    query = SourceText(cursor.source.text, tuple(cursor.parenthesised()))
    cursor.expect("TO")
    path = read_path(cursor.string())
    if path.is_pattern:
        raise SqlError(f"The path {path.text!r} is a pattern; a file to be written is named in full.")
    given = _options(cursor) if cursor.at("(") else {}
    cursor.end()
    kind = str(given.pop("format", "")).lower() or _ENDINGS.get(_ending(path.path), "")
    if kind not in OPTIONS:
        raise SqlError("COPY … TO needs a format: (FORMAT csv), (FORMAT json) or (FORMAT parquet).")
    return query, FileExport(path, kind, tuple(sorted(_checked(kind, given).items())))


def _ending(path: str) -> str:
    name = path.lower().rpartition("/")[2]
    return name.removesuffix(".gz").removesuffix(".zst").rpartition(".")[2]


def _options(cursor: Cursor) -> dict[str, Value]:
    found: dict[str, Value] = {}
    cursor.expect("(")
    while True:
        name = cursor.name().parts[0].lower()
        cursor.take("=")
        value = _value(cursor)
        name = _OTHER_NAMES.get(name, name)
        if name in found:
            raise SqlError(f"The option {name[:80]} of COPY is given twice.")
        found[name] = value
        if not cursor.take(","):
            break
    cursor.expect(")")
    return found


def _value(cursor: Cursor) -> Value:
    """Read the value of an option; one without is true."""
    if (text := cursor.take_string()) is not None:
        return text
    token = cursor.token
    if token is not None and token.token_type == TokenType.NUMBER:
        cursor.index += 1
        return token.text
    if cursor.at(",") or cursor.at(")"):
        return True
    return cursor.name().parts[0]


def _checked(kind: str, given: dict[str, Value]) -> dict[str, Value]:
    known = OPTIONS[kind]
    checked: dict[str, Value] = {"header": True} if kind == "csv" else {}
    for name, value in given.items():
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it is one of {', '.join(sorted(known))}."
            raise SqlError(f"COPY … TO has no option {name[:80]} for {kind}; {hint}")
        checked[name] = taken(name, known[name], value)
    return checked
