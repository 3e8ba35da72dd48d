"""Aggregates and window functions of Spark in DuckDB, with Spark's types of their results."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from icefield_sql.lang.timed import written
from icefield_sql.lang.types import (
    BIGINT,
    BOOLEAN,
    DOUBLE,
    FRACTIONS,
    INT,
    INTEGERS,
    NUMBERS,
    Type,
    array,
    bounded,
    common,
    duckdb_name,
)
from icefield_sql.targets.duckdb.errors import Untranslatable

from .argument import Argument, raw

WINDOW_TYPES = {
    "row_number": INT,
    "rank": INT,
    "dense_rank": INT,
    "ntile": INT,
    "percent_rank": DOUBLE,
    "cume_dist": DOUBLE,
}
_STATISTICS = {
    "stddev": "stddev_samp", "std": "stddev_samp", "stddev_samp": "stddev_samp", "stddev_pop": "stddev_pop",
    "variance": "var_samp", "var_samp": "var_samp", "var_pop": "var_pop", "corr": "corr", "covar_pop": "covar_pop",
    "covar_samp": "covar_samp",
}  # fmt: skip
_LOGICAL = {
    "bool_and": "bool_and", "every": "bool_and", "bool_or": "bool_or", "some": "bool_or", "any": "bool_or",
}  # fmt: skip


def aggregate(name: str, arguments: Sequence[Argument], distinct: bool) -> Argument:
    """Return a call of an aggregate or window function.

    Raises:
        Untranslatable: the engines differ.
    """
    builder = _BUILDERS.get(name)
    if builder is None or (distinct and name not in _WITH_DISTINCT):
        raise Untranslatable(f"the aggregate {name}{' DISTINCT' if distinct else ''}.")
    return builder(name, arguments, "DISTINCT " if distinct else "")


def _count(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    if len(arguments) == 1:
        return Argument(
            raw(f"count({distinct}{written(arguments[0].node, 'duckdb', normalize_functions=False)})"), BIGINT
        )
    present = " AND ".join(f"{argument.sql} IS NOT NULL" for argument in arguments)
    if distinct:
        listed = ", ".join(argument.sql for argument in arguments)
        return Argument(raw(f"count(DISTINCT CASE WHEN {present} THEN row({listed}) END)"), BIGINT)
    return Argument(raw(f"count(CASE WHEN {present} THEN 1 END)"), BIGINT)


def _sum(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    kind = arguments[0].kind(name)
    given = arguments[0].type
    text = f"sum({distinct}{arguments[0].sql})"
    assert given is not None  # noqa: S101 - kind says so
    if kind in INTEGERS:
        return Argument(raw(text), BIGINT, "CAST({} AS BIGINT)")
    if kind in FRACTIONS:
        return Argument(raw(text), DOUBLE)
    if kind == "decimal":
        target = bounded(given.precision + 10, given.scale)
        return Argument(raw(text), target, f"CAST({{}} AS {duckdb_name(target)})")
    raise Untranslatable(f"sum of a {kind}.")


def _avg(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    kind = arguments[0].kind(name)
    given = arguments[0].type
    text = f"avg({distinct}{arguments[0].sql})"
    assert given is not None  # noqa: S101
    if kind in (*INTEGERS, *FRACTIONS):
        return Argument(raw(text), DOUBLE)
    if kind == "decimal":
        target = bounded(given.precision + 4, given.scale + 4)
        return Argument(raw(text), target, f"CAST(CAST({{}} AS VARCHAR) AS {duckdb_name(target)})")
    raise Untranslatable(f"avg of a {kind}.")


def _extreme(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    kind = arguments[0].type.kind if arguments[0].type else ""
    if len(arguments) != 1 or kind in ("array", "struct", "map"):
        raise Untranslatable(f"{name} of nested values.")
    return Argument(raw(f"{name}({arguments[0].sql})"), arguments[0].type)


def _statistic(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    if any(argument.kind(name) not in NUMBERS for argument in arguments):
        raise Untranslatable(f"{name} of anything but numbers.")
    listed = ", ".join(f"CAST({argument.sql} AS DOUBLE)" for argument in arguments)
    return Argument(raw(f"{_STATISTICS[name]}({listed})"), DOUBLE)


def _logical(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    if arguments[0].kind(name) != "boolean":
        raise Untranslatable(f"{name} of anything but booleans.")
    return Argument(raw(f"{_LOGICAL[name]}({arguments[0].sql})"), BOOLEAN)


def _bits(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    if arguments[0].kind(name) not in INTEGERS:
        raise Untranslatable(f"{name} of anything but integers.")
    return Argument(raw(f"{name}({arguments[0].sql})"), arguments[0].type)


def _count_if(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    if arguments[0].kind(name) != "boolean":
        raise Untranslatable("count_if of anything but booleans.")
    return Argument(raw(f"count(CASE WHEN {arguments[0].sql} THEN 1 END)"), BIGINT)


def _median(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    fraction = "0.5" if name == "median" else written(arguments[1].node, "duckdb") if len(arguments) == 2 else ""
    if (
        arguments[0].kind(name) not in NUMBERS
        or not fraction.replace("CAST('", "").split("'")[0].replace(".", "").isdigit()
    ):
        raise Untranslatable(f"this form of {name}.")
    return Argument(raw(f"quantile_cont(CAST({arguments[0].sql} AS DOUBLE), {fraction})"), DOUBLE)


def _collect(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    given = arguments[0].type
    unique = "DISTINCT " if name == "collect_set" else distinct
    kind = array(given) if given is not None else None
    empty = f"CAST([] AS {duckdb_name(kind)})" if kind else "[]"
    text = f"list({unique}{arguments[0].sql}) FILTER (WHERE {arguments[0].sql} IS NOT NULL)"
    return Argument(raw(text), kind, f"coalesce({{}}, {empty})")


def _first(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    if len(arguments) != 1:
        raise Untranslatable(f"{name} that ignores NULLs.")
    function = {"any_value": "first"}.get(name, name)
    return Argument(raw(f"{function}({arguments[0].sql})"), arguments[0].type)


def _by(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    function = {"max_by": "arg_max_null", "min_by": "arg_min_null"}[name]
    return Argument(raw(f"{function}({arguments[0].sql}, {arguments[1].sql})"), arguments[0].type)


def _grouping(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    listed = ", ".join(argument.sql for argument in arguments)
    kind = Type("tinyint") if name == "grouping" else BIGINT
    if not arguments or (name == "grouping" and len(arguments) != 1):
        raise Untranslatable(f"this form of {name}.")
    return Argument(raw(f"CAST(grouping({listed}) AS {duckdb_name(kind)})"), kind)


def _window(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    listed = ", ".join(argument.sql for argument in arguments)
    kind = WINDOW_TYPES[name]
    wrap = "CAST({} AS INTEGER)" if kind == INT else None
    return Argument(raw(f"{name}({listed})"), kind, wrap)


def _shifted(name: str, arguments: Sequence[Argument], distinct: str) -> Argument:
    listed = ", ".join(argument.sql for argument in arguments)
    kind = common([arguments[0].type, arguments[2].type]) if len(arguments) > 2 else arguments[0].type
    return Argument(raw(f"{name}({listed})"), kind)


_WITH_DISTINCT = ("count", "sum", "avg", "mean", "max", "min", "collect_list", "collect_set", "array_agg")
_BUILDERS: dict[str, Callable[[str, Sequence[Argument], str], Argument]] = {
    "count": _count,
    "sum": _sum,
    "avg": _avg,
    "mean": _avg,
    "max": _extreme,
    "min": _extreme,
    **dict.fromkeys(_STATISTICS, _statistic),
    **dict.fromkeys(_LOGICAL, _logical),
    **dict.fromkeys(("bit_and", "bit_or", "bit_xor"), _bits),
    "count_if": _count_if,
    "median": _median,
    "percentile": _median,
    **dict.fromkeys(("collect_list", "collect_set", "array_agg"), _collect),
    **dict.fromkeys(("first", "first_value", "last", "last_value", "any_value"), _first),
    **dict.fromkeys(("max_by", "min_by"), _by),
    **dict.fromkeys(("grouping", "grouping_id"), _grouping),
    **dict.fromkeys(WINDOW_TYPES, _window),
    **dict.fromkeys(("lag", "lead", "nth_value"), _shifted),
}
AGGREGATES = frozenset(_BUILDERS)
"""The aggregates and window functions that are translated."""
