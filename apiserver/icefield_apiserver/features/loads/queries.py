"""The SQL statements that a load is made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from icefield_apiserver.core.catalog.model import Namespace
from icefield_apiserver.core.errors import BadRequest
from icefield_sql import quote_all

FileFormat = Literal["csv", "json", "parquet"]
_ENDINGS: dict[str, FileFormat] = {
    "csv": "csv", "tsv": "csv", "txt": "csv", "json": "json", "jsonl": "json", "ndjson": "json", "parquet": "parquet",
}  # fmt: skip
_COMPRESSED = re.compile(r"\.(gz|zst)$")
_OPTION = re.compile(r"[A-Za-z_]\w{0,63}")


@dataclass(frozen=True)
class Query:
    """A statement with the values of its parameters."""

    text: str
    params: list[Any]


def format_of(path: str) -> FileFormat:
    """Return the format that the name of a file says.

    Raises:
        BadRequest: it says none.
    """
    ending = _COMPRESSED.sub("", path.lower()).rpartition(".")[2]
    if ending not in _ENDINGS:
        raise BadRequest(f"The name {path!r} says no format of its file; give format: csv, json or parquet.")
    return _ENDINGS[ending]


def copy_query(
    namespace: Namespace,
    table: str,
    path: str,
    file_format: FileFormat,
    options: Mapping[str, str],
    copy_options: Mapping[str, bool],
) -> Query:
    """Return the COPY INTO of a load.

    Args:
        namespace: the table's namespace.
        table: the table's name.
        path: the files.
        file_format: their format.
        options: of the format.
        copy_options: of COPY INTO.
    """
    text, params = f"COPY INTO {quote_all((*namespace, table))} FROM ? FILEFORMAT = {file_format.upper()}", [path]
    if options:
        text += f" FORMAT_OPTIONS ({', '.join('? = ?' for _ in options)})"
        params += [part for pair in options.items() for part in pair]
    if wanted := [f"'{option}' = 'true'" for option, is_wanted in copy_options.items() if is_wanted]:
        text += f" COPY_OPTIONS ({', '.join(wanted)})"
    return Query(text, params)


def read_query(path: str, file_format: FileFormat, options: Mapping[str, str], rows: int) -> Query:
    """Return the query of the first rows of files.

    Raises:
        BadRequest: the name of an option is none.
    """
    for name in options:
        if not _OPTION.fullmatch(name):
            raise BadRequest(f"Files have no option {name[:80]!r}.")
    listed = "".join(f", {name} => ?" for name in options)
    text = f"SELECT * FROM read_{file_format}(?{listed}) LIMIT {rows}"  # noqa: S608 - written by us
    return Query(text, [path, *options.values()])
