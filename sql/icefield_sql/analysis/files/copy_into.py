"""COPY INTO, after Databricks' grammar: what is loaded, into which table, and how its columns are matched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.file_paths import FilePath, read_path
from icefield_sql.lang.names import Names, TableName

from .calls import MAX_PATHS
from .model import FileRead, Value
from .options import options_of

FORMATS = ("CSV", "PARQUET", "JSON")
COPY_OPTIONS = ("mergeSchema", "force", "maxBadRecords", "badRecordsPath")
MAX_BAD_ROWS = 100_000
"""Most rows that a COPY INTO may leave out."""

_OF_BAD_ROWS = ("maxbadrecords", "badrecordspath")


@dataclass(frozen=True)
class CopyInto:
    """A load of files into a table.

    Args:
        target: the table.
        read: the files.
        merge_schema: whether columns that the table does not have are added to it.
        force: whether files that were loaded before are loaded again.
        max_bad_rows: how many rows that cannot be read are left out; with one more nothing is loaded.
        bad_rows_path: the folder that gets a file of them; None for none.
    """

    target: TableName
    read: FileRead
    merge_schema: bool = False
    force: bool = False
    max_bad_rows: int = 0
    bad_rows_path: FilePath | None = None


def read_copy_into(cursor: Cursor, names: Names) -> CopyInto:
    """Read `COPY INTO table FROM 'path' FILEFORMAT = CSV [FILES = (…) | PATTERN = '…'] [FORMAT_OPTIONS (…)] …`.

    Raises:
        SqlError: it is something else, or names what is no file of a workspace.
    """
    cursor.expect("COPY")
    cursor.expect("INTO")
    target = names.table(cursor.name().parts)
    cursor.expect("FROM")
    root = cursor.string()
    cursor.expect("FILEFORMAT")
    cursor.expect("=")
    kind = cursor.take_any(*FORMATS)
    if not kind:
        raise cursor.unexpected("CSV, PARQUET or JSON")
    paths: tuple[FilePath, ...] = ()
    format_options: dict[str, str] = {}
    copy_options: dict[str, str] = {}
    while not cursor.done:
        if not paths and cursor.take("FILES"):
            paths = _files(cursor, root)
        elif not paths and cursor.take("PATTERN"):
            cursor.expect("=")
            paths = (read_path(_below(root, cursor.string())),)
        elif not format_options and cursor.take("FORMAT_OPTIONS"):
            format_options = _options(cursor)
        elif not copy_options and cursor.take("COPY_OPTIONS"):
            copy_options = _options(cursor)
        else:
            raise cursor.unexpected("FILES, PATTERN, FORMAT_OPTIONS or COPY_OPTIONS")
    flags, bad_rows = _split(copy_options)
    chosen = _chosen(flags)
    if bad_rows and kind != "CSV":
        raise SqlError("maxBadRecords and badRecordsPath are for CSV, whose rows can be read one by one.")
    # Files may have their columns in any order, and not all of them.
    options: dict[str, Value] = {"union_by_name": True, **dict(options_of(kind.lower(), format_options))}
    read = FileRead(kind.lower(), paths or (read_path(root),), tuple(sorted(options.items())))
    path, most = bad_rows.get("badrecordspath"), bad_rows.get("maxbadrecords")
    return CopyInto(
        target,
        read,
        chosen.get("mergeschema", False),
        chosen.get("force", False),
        _limit(most) if most is not None else MAX_BAD_ROWS if path else 0,
        _folder(path) if path else None,
    )


def _files(cursor: Cursor, root: str) -> tuple[FilePath, ...]:
    cursor.expect("=")
    cursor.expect("(")
    paths = [read_path(_below(root, cursor.string()))]
    while cursor.take(","):
        paths.append(read_path(_below(root, cursor.string())))
        if len(paths) > MAX_PATHS:
            raise SqlError(f"FILES names at most {MAX_PATHS} files.")
    cursor.expect(")")
    for path in paths:
        if path.is_pattern:
            raise SqlError(f"FILES names files in full; {path.text!r} is a pattern, for PATTERN.")
    return tuple(paths)


def _below(root: str, name: str) -> str:
    return f"{root.rstrip('/')}/{name}"


def _options(cursor: Cursor) -> dict[str, str]:
    """Read `('name' = 'value', …)`."""
    found: dict[str, str] = {}
    cursor.expect("(")
    while True:
        name = cursor.string()
        cursor.expect("=")
        value = cursor.take_string()
        word = "" if value is not None else cursor.take_any("TRUE", "FALSE")
        if value is None and not word:
            raise cursor.unexpected("a string, TRUE or FALSE")
        if name in found:
            raise SqlError(f"The option {name[:80]} is given twice.")
        found[name] = value if value is not None else word.lower()
        if not cursor.take(","):
            break
    cursor.expect(")")
    return found


def _split(given: Mapping[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the options that are true or false, and those of rows that cannot be read."""
    about_rows = {name.lower(): value for name, value in given.items() if name.lower() in _OF_BAD_ROWS}
    return {name: value for name, value in given.items() if name.lower() not in _OF_BAD_ROWS}, about_rows


def _limit(value: str) -> int:
    if not value.isdecimal() or len(value) > 9 or int(value) > MAX_BAD_ROWS:
        raise SqlError(f"The option maxBadRecords of COPY INTO is a number from 0 to {MAX_BAD_ROWS}.")
    return int(value)


def _folder(value: str) -> FilePath:
    path = read_path(f"{value.rstrip('/')}/")
    if path.is_pattern:
        raise SqlError(f"The path {value!r} is a pattern; badRecordsPath is a folder.")
    return path


def _chosen(given: Mapping[str, str]) -> dict[str, bool]:
    known = {name.lower(): name for name in COPY_OPTIONS}
    chosen: dict[str, bool] = {}
    for name, value in given.items():
        if name.lower() not in known:
            near = get_close_matches(name.lower(), known, n=1)
            hint = f"did you mean {known[near[0]]}?" if near else f"it has: {', '.join(COPY_OPTIONS)}."
            raise SqlError(f"COPY INTO has no option {name[:80]}; {hint}")
        if value.lower() not in ("true", "false"):
            raise SqlError(f"The option {name} of COPY INTO is 'true' or 'false'.")
        chosen[name.lower()] = value.lower() == "true"
    return chosen
