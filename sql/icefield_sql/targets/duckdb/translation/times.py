"""Functions on dates and times whose translation depends on their arguments: units, patterns, types."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from icefield_sql.lang.types import BIGINT, DATE, INT, INTEGERS, STRING, TIMES, TIMESTAMP
from icefield_sql.targets.duckdb.errors import Untranslatable

from .argument import Argument, raw
from .casts import cast
from .formats import format_text
from .rules import Builder, Form, build

_TRUNC_DATE = {
    "year": "year", "yyyy": "year", "yy": "year", "quarter": "quarter", "month": "month", "mon": "month", "mm": "month",
    "week": "week",
}  # fmt: skip
_TRUNC_TIME = {
    **_TRUNC_DATE,
    **dict.fromkeys(("day", "dd"), "day"),
    "hour": "hour",
    "minute": "minute",
    "second": "second",
}


_UNITS = ("day", "week", "month", "quarter", "year", "hour", "minute", "second")


def _refuse(name: str) -> Untranslatable:
    return Untranslatable(f"this form of {name}.")


def _trunc(arguments: Sequence[Argument]) -> Argument:
    unit = _TRUNC_DATE.get((arguments[1].literal or "").lower())
    if unit is None:
        raise _refuse("trunc")
    form = Form("d*", f"CAST(date_trunc('{unit}', {{0}}) AS DATE)", DATE)
    return build("trunc", [form], arguments)


def _date_trunc(arguments: Sequence[Argument]) -> Argument:
    unit = _TRUNC_TIME.get((arguments[0].literal or "").lower())
    if unit is None or len(arguments) != 2:
        raise _refuse("date_trunc")
    if arguments[1].kind("date_trunc") == "timestamp_ntz":
        return Argument(raw(f"date_trunc('{unit}', {arguments[1].sql})"), arguments[1].type)
    return build("date_trunc", [Form("*t", f"date_trunc('{unit}', {{1}})", TIMESTAMP)], arguments)


def _date_format(arguments: Sequence[Argument]) -> Argument:
    pattern = format_text(arguments[1].literal, parsing=False)
    moment = arguments[0]
    kind = moment.kind("date_format")
    if kind == "string":
        moment = Argument(raw(cast(moment, TIMESTAMP)), TIMESTAMP)
    elif kind not in ("date", *TIMES):
        raise _refuse("date_format")
    text = moment.sql if kind in ("date", "timestamp_ntz") else f"CAST({moment.sql} AS TIMESTAMP)"
    return Argument(raw(f"strftime({text}, '{pattern}')"), STRING)


def _to_date(arguments: Sequence[Argument]) -> Argument:
    if len(arguments) == 1:
        return build("to_date", [Form("d", "{0}", DATE)], arguments)
    if arguments[0].kind("to_date") != "string":
        raise _refuse("to_date")
    pattern = format_text(arguments[1].literal, parsing=True)
    return Argument(raw(f"CAST(strptime({arguments[0].sql}, '{pattern}') AS DATE)"), DATE)


def _to_timestamp(arguments: Sequence[Argument]) -> Argument:
    if len(arguments) == 1:
        return build("to_timestamp", [Form("t", "{0}", TIMESTAMP)], arguments)
    if arguments[0].kind("to_timestamp") != "string":
        raise _refuse("to_timestamp")
    pattern = format_text(arguments[1].literal, parsing=True)
    return Argument(raw(f"CAST(strptime({arguments[0].sql}, '{pattern}') AS TIMESTAMPTZ)"), TIMESTAMP)


def date_part(unit: str, moment: Argument) -> Argument:
    """Return `EXTRACT(unit FROM moment)`.

    Raises:
        Untranslatable: the engines differ for this unit.
    """
    names = {
        "year": "year", "years": "year", "y": "year", "quarter": "quarter", "month": "month", "months": "month",
        "mon": "month", "day": "day", "days": "day", "d": "day", "doy": "dayofyear", "week": "weekofyear",
        "weeks": "weekofyear", "w": "weekofyear", "hour": "hour", "hours": "hour", "h": "hour", "minute": "minute",
        "minutes": "minute",
    }  # fmt: skip
    name = names.get(unit.lower())
    if unit.lower() in ("dow", "dayofweek"):
        return build(unit, [Form("d", "CAST(dayofweek({0}) + 1 AS INTEGER)", INT)], [moment])
    if name is None:
        raise _refuse(f"extract({unit} …)")
    takes = "t" if name in ("hour", "minute") else "d"
    return build(name, [Form(takes, f"CAST({name}({{0}}) AS INTEGER)", INT)], [moment])


def with_unit(name: str, unit: exp.Expr, arguments: Sequence[Argument]) -> Argument:
    """Return `DATEADD(unit, count, moment)` or `DATEDIFF(unit, from, to)`: complete units, as Spark counts them.

    Raises:
        Untranslatable: the unit or the types are not ones that the engines treat alike.
    """
    word = unit.name.lower()
    if word not in _UNITS:
        raise _refuse(name)
    if name in ("dateadd", "date_add", "timestampadd"):
        if arguments[0].kind(name) not in INTEGERS or arguments[1].kind(name) == "timestamp_ntz":
            raise _refuse(name)
        to_interval = (
            f"to_{word}s(CAST({{0}} AS INTEGER))" if word != "quarter" else "to_months(3 * CAST({0} AS INTEGER))"
        )
        return build(name, [Form("it", f"({{1}} + {to_interval})", TIMESTAMP)], arguments)
    kinds = {argument.kind(name) for argument in arguments}
    if word in ("month", "quarter", "year") or not kinds <= {"date", "timestamp"}:
        raise _refuse(name)  # DuckDB takes the last days of months for whole ones
    plain = [f"CAST({argument.sql} AS TIMESTAMP)" for argument in arguments]
    return Argument(raw(f"CAST(datesub('{word}', {plain[0]}, {plain[1]}) AS BIGINT)"), BIGINT)


def _from_unixtime(arguments: Sequence[Argument]) -> Argument:
    default = "%Y-%m-%d %H:%M:%S"
    pattern = default if len(arguments) == 1 else format_text(arguments[1].literal, parsing=False)
    if arguments[0].kind("from_unixtime") not in INTEGERS:
        raise _refuse("from_unixtime")
    return Argument(raw(f"strftime(CAST(to_timestamp({arguments[0].sql}) AS TIMESTAMP), '{pattern}')"), STRING)


BUILDERS: dict[str, Builder] = {
    "trunc": _trunc,
    "date_trunc": _date_trunc,
    "date_format": _date_format,
    "to_date": _to_date,
    "to_timestamp": _to_timestamp,
    "from_unixtime": _from_unixtime,
}
"""What builds a call, by the function's lower-case name."""
