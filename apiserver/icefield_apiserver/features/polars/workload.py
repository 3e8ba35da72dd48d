"""Builds a Polars workload from a request, and refuses what could never run. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import orjson
from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from icefield_apiserver.core.errors import BadRequest, validation_sentence
from icefield_crds import PolarsTable, PolarsWorkload
from icefield_crds.meta import Model
from icefield_crds.polars import Mode

M = TypeVar("M", bound=Model)

MAX_DEPTH = 64
MAX_BYTES = 1024 * 1024
"""Of a whole workload; Kubernetes stores no object that is much longer."""
_INTEGERS = range(-(2**63), 2**63)


def new_workload(
    *,
    query: str | None = None,
    script: str | None = None,
    mode: Mode | None = None,
    tables: Sequence[tuple[str, str]] = (),
    params: Mapping[str, Any],
    **fields: Any,
) -> PolarsWorkload:
    """Return a workload.

    Args:
        query: SQL in Polars' dialect.
        script: Python.
        mode: which of the two is used; the one that is given when None.
        tables: alias and name of each table that the query reads.
        params: parameters of the script.
        fields: further fields of PolarsWorkload.

    Raises:
        BadRequest: it could never run.
    """
    is_script = _is_script(mode, query, script)
    bound = [_table(alias, table, index) for index, (alias, table) in enumerate(tables)]
    if not is_script and not bound:
        raise BadRequest('A query needs tables: those that it reads, such as "flowers=default.flowers".')
    aliases = [table.alias for table in bound]
    if twice := next((alias for alias in aliases if aliases.count(alias) > 1), None):
        raise BadRequest(f"Two tables have the alias {twice}.")
    _check_value(params)
    return _checked(mode=mode, query=query, script=script, tables=bound, params=dict(params), **fields)


def _is_script(mode: Mode | None, query: str | None, script: str | None) -> bool:
    if mode is None and (query is None) == (script is None):
        if query is None:
            raise BadRequest("Give a query or a script.")
        raise BadRequest("Give either a query or a script, or specify by mode which of them is used.")
    if mode is Mode.QUERY and query is None:
        raise BadRequest("Mode query needs a query.")
    if mode is Mode.SCRIPT and script is None:
        raise BadRequest("Mode script needs a script.")
    return mode is Mode.SCRIPT or (mode is None and script is not None)


def _table(alias: str, table: str, index: int) -> PolarsTable:
    return _built(PolarsTable, ("body", "tables", index), alias=alias.strip(), table=table.strip())


def _checked(**fields: Any) -> PolarsWorkload:
    workload = _built(PolarsWorkload, ("body",), **fields)
    try:
        length = len(orjson.dumps(workload.to_api()))
    except TypeError as error:
        raise BadRequest("The workload holds a text that is not Unicode.") from error
    if length > MAX_BYTES:
        raise BadRequest(f"The workload is longer than {MAX_BYTES} bytes; put large things into a table.")
    return workload


def _built(model: type[M], place: tuple[str | int, ...], **fields: Any) -> M:
    try:
        return model(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        names = [to_camel(part) if isinstance(part, str) else part for part in first["loc"]]
        if first["type"] == "string_pattern_mismatch":
            raise BadRequest(f"Field {_path((*place[1:], *names))}: {_EXPECTED[str(names[-1])]}.") from error
        raise BadRequest(validation_sentence([{**first, "loc": (*place, *names)}])) from error


_EXPECTED = {
    "alias": "an alias has letters, digits and underscores, no digit first",
    "table": "the form of a table is namespace.table",
    "destination": "the form of a table is namespace.table",
}


def _path(parts: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _check_value(value: Any, depth: int = 0) -> None:
    """Refuse parameters that the script could not receive unchanged.

    Raises:
        BadRequest: a number is too large or not finite, or they are nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise BadRequest(f"Field params: it is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            _check_value(each, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadRequest("Field params: JSON has no numbers that are not finite.")
    elif isinstance(value, int) and value not in _INTEGERS:
        raise BadRequest("Field params: an integer beyond 64 bits has to be passed as a text.")
