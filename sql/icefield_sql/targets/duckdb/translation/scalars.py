"""Scalar functions that DuckDB has under some name with the same meaning, checked against Spark's answers (tests)."""

from __future__ import annotations

from collections.abc import Sequence

from icefield_sql.lang.types import BIGINT, BOOLEAN, DATE, DOUBLE, INT, STRING, TIMESTAMP, Type, array, common

from .argument import Argument
from .rules import Form


def _item(arguments: Sequence[Argument]) -> Type | None:
    kind = arguments[0].type
    return kind.inner[-1] if kind and kind.inner else None


def _keys(arguments: Sequence[Argument]) -> Type | None:
    kind = arguments[0].type
    return array(kind.inner[0]) if kind and kind.inner else None


def _values(arguments: Sequence[Argument]) -> Type | None:
    kind = arguments[0].type
    return array(kind.inner[1]) if kind and len(kind.inner) == 2 else None


def _any(arguments: Sequence[Argument]) -> Type | None:
    return common([argument.type for argument in arguments])


def _of(template: str, result: Type, *takes: str) -> tuple[Form, ...]:
    return tuple(Form(one, template, result) for one in takes)


_MATH = {
    "sqrt": _of("(CASE WHEN {0} < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt({0}) END)", DOUBLE, "f"),
    "exp": _of("exp({0})", DOUBLE, "f"),
    "ln": _of("(CASE WHEN {0} > 0 THEN ln({0}) END)", DOUBLE, "f"),
    "log10": _of("(CASE WHEN {0} > 0 THEN log10({0}) END)", DOUBLE, "f"),
    "log2": _of("(CASE WHEN {0} > 0 THEN log2({0}) END)", DOUBLE, "f"),
    "sin": _of("sin({0})", DOUBLE, "f"),
    "cos": _of("cos({0})", DOUBLE, "f"),
    "tan": _of("tan({0})", DOUBLE, "f"),
    "atan": _of("atan({0})", DOUBLE, "f"),
    "atan2": _of("atan2({0}, {1})", DOUBLE, "ff"),
    "degrees": _of("degrees({0})", DOUBLE, "f"),
    "radians": _of("radians({0})", DOUBLE, "f"),
    "power": _of("pow({0}, {1})", DOUBLE, "ff"),
    "pow": _of("pow({0}, {1})", DOUBLE, "ff"),
    "sign": _of("(CASE WHEN isnan({0}) THEN {0} ELSE CAST(sign({0}) AS DOUBLE) END)", DOUBLE, "f"),
    "signum": _of("(CASE WHEN isnan({0}) THEN {0} ELSE CAST(sign({0}) AS DOUBLE) END)", DOUBLE, "f"),
    "pi": _of("pi()", DOUBLE, ""),
    "e": _of("exp(CAST(1 AS DOUBLE))", DOUBLE, ""),
    "abs": (Form("n", "abs({0})", 0),),
    "positive": (Form("n", "{0}", 0),),
    "isnan": _of("coalesce(isnan({0}), FALSE)", BOOLEAN, "F"),
    "nanvl": _of("(CASE WHEN isnan({0}) THEN {1} ELSE {0} END)", DOUBLE, "ff"),
    "bit_count": _of("CAST(bit_count(CAST({0} AS BIGINT)) AS INTEGER)", INT, "i"),
    "bin": _of("(CASE WHEN {0} < 0 THEN bin(CAST({0} AS BIGINT)) ELSE bin({0}) END)", STRING, "i"),
}
_TEXT = {
    "octet_length": _of("CAST(strlen({0}) AS INTEGER)", INT, "s"),
    "bit_length": _of("CAST(8 * strlen({0}) AS INTEGER)", INT, "s"),
    "trim": _of("trim({0}, ' ')", STRING, "s"),
    "btrim": (Form("s", "trim({0}, ' ')", STRING), Form("ss", "trim({0}, {1})", STRING)),
    "ltrim": (Form("s", "ltrim({0}, ' ')", STRING), Form("ss", "ltrim({1}, {0})", STRING)),
    "rtrim": (Form("s", "rtrim({0}, ' ')", STRING), Form("ss", "rtrim({1}, {0})", STRING)),
    "left": _of("left({0}, greatest({1}, 0))", STRING, "si"),
    "right": _of("right({0}, greatest({1}, 0))", STRING, "si"),
    "repeat": _of("repeat({0}, {1})", STRING, "si"),
    "space": _of("repeat(' ', {0})", STRING, "i"),
    "replace": (
        Form("sss", "replace({0}, {1}, {2})", STRING),
        Form("ss", "replace({0}, {1}, '')", STRING),
    ),
    "translate": _of("translate({0}, {1}, {2})", STRING, "sss"),
    "charindex": _of("CAST(instr({1}, {0}) AS INTEGER)", INT, "ss"),
    "instr": _of("CAST(instr({0}, {1}) AS INTEGER)", INT, "ss"),
    "locate": _of("CAST(instr({1}, {0}) AS INTEGER)", INT, "ss"),
    "position": _of("CAST(instr({1}, {0}) AS INTEGER)", INT, "ss"),
    "ascii": _of("ascii({0})", INT, "s"),
    "contains": _of("contains({0}, {1})", BOOLEAN, "ss"),
    "startswith": _of("starts_with({0}, {1})", BOOLEAN, "ss"),
    "endswith": _of("ends_with({0}, {1})", BOOLEAN, "ss"),
    "md5": _of("md5({0})", STRING, "s"),
    "sha": _of("sha1({0})", STRING, "s"),
    "sha1": _of("sha1({0})", STRING, "s"),
    "lpad": (
        Form(
            "sis", "(CASE WHEN length({2}) = 0 THEN left({0}, {1}) ELSE lpad({0}, greatest({1}, 0), {2}) END)", STRING
        ),
        Form("si", "lpad({0}, greatest({1}, 0), ' ')", STRING),
    ),
    "rpad": (
        Form(
            "sis", "(CASE WHEN length({2}) = 0 THEN left({0}, {1}) ELSE rpad({0}, greatest({1}, 0), {2}) END)", STRING
        ),
        Form("si", "rpad({0}, greatest({1}, 0), ' ')", STRING),
    ),
    "base64": _of("to_base64({0})", STRING, "x"),
}
_TIME = {
    "year": _of("CAST(year({0}) AS INTEGER)", INT, "d"),
    "quarter": _of("CAST(quarter({0}) AS INTEGER)", INT, "d"),
    "month": _of("CAST(month({0}) AS INTEGER)", INT, "d"),
    "day": _of("CAST(day({0}) AS INTEGER)", INT, "d"),
    "dayofmonth": _of("CAST(day({0}) AS INTEGER)", INT, "d"),
    "dayofweek": _of("CAST(dayofweek({0}) + 1 AS INTEGER)", INT, "d"),
    "dayofyear": _of("CAST(dayofyear({0}) AS INTEGER)", INT, "d"),
    "weekday": _of("CAST(isodow({0}) - 1 AS INTEGER)", INT, "d"),
    "weekofyear": _of("CAST(weekofyear({0}) AS INTEGER)", INT, "d"),
    "hour": _of("CAST(hour({0}) AS INTEGER)", INT, "t"),
    "minute": _of("CAST(minute({0}) AS INTEGER)", INT, "t"),
    "second": _of("CAST(second({0}) AS INTEGER)", INT, "t"),
    "date_add": _of("({0} + CAST({1} AS INTEGER))", DATE, "di"),
    "date_sub": _of("({0} - CAST({1} AS INTEGER))", DATE, "di"),
    "datediff": _of("CAST(({0}) - ({1}) AS INTEGER)", INT, "dd"),
    "date_diff": _of("CAST(({0}) - ({1}) AS INTEGER)", INT, "dd"),
    "add_months": _of("CAST({0} + to_months(CAST({1} AS INTEGER)) AS DATE)", DATE, "di"),
    "last_day": _of("last_day({0})", DATE, "d"),
    "unix_date": _of("CAST({0} - DATE '1970-01-01' AS INTEGER)", INT, "d"),
    "date_from_unix_date": _of("(DATE '1970-01-01' + CAST({0} AS INTEGER))", DATE, "i"),
    "unix_timestamp": _of("CAST(epoch_us({0}) // 1000000 AS BIGINT)", BIGINT, "t"),
    "to_unix_timestamp": _of("CAST(epoch_us({0}) // 1000000 AS BIGINT)", BIGINT, "t"),
    "unix_seconds": _of("CAST(floor(epoch({0})) AS BIGINT)", BIGINT, "t"),
    "unix_millis": _of("CAST(floor(epoch_us({0}) / 1000) AS BIGINT)", BIGINT, "t"),
    "unix_micros": _of("epoch_us({0})", BIGINT, "t"),
    "timestamp_seconds": _of("to_timestamp({0})", TIMESTAMP, "i"),
    "make_date": _of("make_date({0}, {1}, {2})", DATE, "iii"),
    "monthname": _of("strftime({0}, '%b')", STRING, "d"),
    "dayname": _of("strftime({0}, '%a')", STRING, "d"),
    "current_timestamp": _of("now()", TIMESTAMP, ""),
    "now": _of("now()", TIMESTAMP, ""),
    "current_date": _of("today()", DATE, ""),
    "curdate": _of("today()", DATE, ""),
}
_NESTED = {
    "get": (Form("ai", "(CASE WHEN {1} >= 0 THEN list_extract({0}, {1} + 1) END)", _item),),
    "array_sort": (Form("a", "list_sort({0}, 'ASC', 'NULLS LAST')", 0),),
    "array_max": (Form("a", "list_max({0})", _item),),
    "array_min": (Form("a", "list_min({0})", _item),),
    "array_compact": (Form("a", "list_filter({0}, lambda _v: _v IS NOT NULL)", 0),),
    "array_contains": (
        Form(
            "a*",
            "(CASE WHEN {0} IS NOT NULL AND {1} IS NOT NULL THEN CASE WHEN list_contains({0}, {1}) THEN TRUE "
            "WHEN len(list_filter({0}, lambda _v: _v IS NULL)) > 0 THEN NULL ELSE FALSE END END)",
            BOOLEAN,
        ),
    ),
    "array_append": (Form("a*", "(CASE WHEN {0} IS NOT NULL THEN list_append({0}, {1}) END)", 0),),
    "map_keys": (Form("m", "map_keys({0})", _keys),),
    "map_values": (Form("m", "map_values({0})", _values),),
    "map_contains_key": (Form("m*", "list_contains(map_keys({0}), {1})", BOOLEAN),),
}
_CONDITIONS = {
    "if": (Form("b**", "(CASE WHEN {0} THEN {1} ELSE {2} END)", lambda arguments: _any(arguments[1:])),),
    "nvl": (Form("**", "coalesce({0}, {1})", _any),),
    "ifnull": (Form("**", "coalesce({0}, {1})", _any),),
    "nvl2": (Form("***", "(CASE WHEN {0} IS NOT NULL THEN {1} ELSE {2} END)", lambda arguments: _any(arguments[1:])),),
    "nullif": (Form("**", "nullif({0}, {1})", 0),),
    "isnull": (Form("*", "({0} IS NULL)", BOOLEAN),),
    "isnotnull": (Form("*", "({0} IS NOT NULL)", BOOLEAN),),
    "equal_null": (Form("**", "({0} IS NOT DISTINCT FROM {1})", BOOLEAN),),
    "zeroifnull": (Form("n", "coalesce({0}, 0)", 0),),
    "nullifzero": (Form("n", "nullif({0}, 0)", 0),),
}

FORMS: dict[str, tuple[Form, ...]] = {
    name: forms for group in (_MATH, _TEXT, _TIME, _NESTED, _CONDITIONS) for name, forms in group.items() if forms
}
"""The forms of each function, by its lower-case name."""
