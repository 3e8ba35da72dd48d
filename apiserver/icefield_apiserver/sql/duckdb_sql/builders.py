"""Scalar functions whose translation depends on their arguments: on types, on literals, on how many there are."""

from __future__ import annotations

from collections.abc import Sequence

from icefield_apiserver.sql.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    INTEGERS,
    STRING,
    TIMES,
    TIMESTAMP,
    Type,
    array,
    bounded,
    common,
    decimal,
    duckdb_name,
)

from .argument import Argument, Untranslatable, raw
from .casts import as_text, cast
from .formats import format_text
from .operators import checked_regex, nonzero
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
_UNITS = {"day": "days", "week": "weeks", "month": "months", "quarter": "quarters", "year": "years"}


def _refuse(name: str) -> Untranslatable:
    return Untranslatable(f"this form of {name}.")


def _concat(arguments: Sequence[Argument]) -> Argument:
    if any(argument.type is not None and argument.type.kind in ("array", "binary") for argument in arguments):
        raise _refuse("concat")
    return Argument(raw("(" + " || ".join(as_text(argument) for argument in arguments) + ")"), STRING)


def _concat_ws(arguments: Sequence[Argument]) -> Argument:
    if any(argument.type is not None and argument.type.kind == "array" for argument in arguments):
        raise _refuse("concat_ws")
    return Argument(raw(f"concat_ws({', '.join(as_text(argument) for argument in arguments)})"), STRING)


def substring(arguments: Sequence[Argument]) -> Argument:
    """Return Spark's substring: position 0 is 1, a negative one counts from the end."""
    if arguments[0].kind("substring") == "binary" or len(arguments) not in (2, 3):
        raise _refuse("substring")
    text = as_text(arguments[0])
    start, length = arguments[1], arguments[2] if len(arguments) == 3 else None
    if any(part.kind("substring") not in INTEGERS for part in arguments[1:]):
        raise _refuse("substring")
    if start.integer is not None and start.integer >= 0:
        first = str(max(start.integer, 1))
        if length is None:
            return Argument(raw(f"substring({text}, {first})"), STRING)
        return Argument(raw(f"substring({text}, {first}, greatest({length.sql}, 0))"), STRING)
    size = f"length({text})"
    begin = (
        f"(CASE WHEN {start.sql} > 0 THEN {start.sql} WHEN {start.sql} = 0 THEN 1 ELSE {size} + {start.sql} + 1 END)"
    )
    if length is None:
        return Argument(raw(f"substring({text}, greatest({begin}, 1))"), STRING)
    end = f"({begin} + greatest({length.sql}, 0))"
    return Argument(raw(f"substring({text}, greatest({begin}, 1), greatest({end} - greatest({begin}, 1), 0))"), STRING)


def _upper(arguments: Sequence[Argument]) -> Argument:
    text = as_text(arguments[0])
    return Argument(raw(f"upper(replace({text}, 'ß', 'SS'))"), STRING)


def _length(arguments: Sequence[Argument]) -> Argument:
    kind = arguments[0].kind("length")
    function = "octet_length" if kind == "binary" else "length"
    text = arguments[0].sql if kind == "binary" else as_text(arguments[0])
    return Argument(raw(f"CAST({function}({text}) AS INTEGER)"), INT)


def _split(arguments: Sequence[Argument]) -> Argument:
    if len(arguments) != 2 or arguments[1].literal in (None, ""):
        raise _refuse("split")
    return Argument(
        raw(f"string_split_regex({as_text(arguments[0])}, {checked_regex(arguments[1], 'split')})"), array(STRING)
    )


def _split_part(arguments: Sequence[Argument]) -> Argument:
    if len(arguments) != 3 or not arguments[2].integer or not arguments[1].literal:
        raise _refuse("split_part")
    return Argument(raw(f"split_part({as_text(arguments[0])}, {arguments[1].sql}, {arguments[2].sql})"), STRING)


def _regexp_like(arguments: Sequence[Argument]) -> Argument:
    pattern = checked_regex(arguments[1], "regexp_like")
    return Argument(raw(f"regexp_matches({as_text(arguments[0])}, {pattern})"), BOOLEAN)


def _regexp_extract(arguments: Sequence[Argument]) -> Argument:
    group = arguments[2].integer if len(arguments) > 2 else 1
    pattern = checked_regex(arguments[1], "regexp_extract")
    if group is None or group < 0 or ("(" not in pattern and group):
        raise _refuse("regexp_extract")
    return Argument(raw(f"regexp_extract({as_text(arguments[0])}, {pattern}, {group})"), STRING)


def _regexp_replace(arguments: Sequence[Argument]) -> Argument:
    if len(arguments) != 3 or arguments[2].literal is None:
        raise _refuse("regexp_replace")
    replacement = arguments[2].literal
    if any(character in replacement for character in "\\$"):
        raise _refuse("regexp_replace")
    pattern = checked_regex(arguments[1], "regexp_replace")
    return Argument(raw(f"regexp_replace({as_text(arguments[0])}, {pattern}, {arguments[2].sql}, 'g')"), STRING)


def _round(arguments: Sequence[Argument]) -> Argument:
    subject, kind = arguments[0], arguments[0].kind("round")
    digits = arguments[1].integer if len(arguments) > 1 else 0
    assert subject.type is not None  # noqa: S101 - kind says so
    if digits is None or kind not in (*INTEGERS, "decimal", "double"):
        raise _refuse("round")
    if kind == "decimal" and digits >= 0:
        scale = min(digits, subject.type.scale)
        target = bounded(subject.type.precision - subject.type.scale + scale + 1, scale)
        return Argument(raw(f"CAST(round({subject.sql}, {digits}) AS {duckdb_name(target)})"), target)
    if kind == "double" and 0 < digits <= 18:
        exact = f"CAST(CAST(CAST({subject.sql} AS VARCHAR) AS DECIMAL(38, {digits})) AS DOUBLE)"
        return Argument(raw(f"(CASE WHEN abs({subject.sql}) < 1e15 THEN {exact} ELSE {subject.sql} END)"), DOUBLE)
    if kind == "double" and digits == 0:
        return Argument(raw(f"round({subject.sql})"), DOUBLE)
    if kind in INTEGERS and digits >= 0:
        return Argument(raw(f"({subject.sql})"), subject.type)
    raise _refuse("round")


def _ceiling(name: str) -> Builder:
    def builder(arguments: Sequence[Argument]) -> Argument:
        kind = arguments[0].kind(name)
        subject = arguments[0].type
        if len(arguments) != 1 or subject is None:
            raise _refuse(name)
        if kind == "decimal":
            target = bounded(subject.precision - subject.scale + 1, 0)
            return Argument(raw(f"CAST({name}({arguments[0].sql}) AS {duckdb_name(target)})"), target)
        if kind in INTEGERS:
            return Argument(raw(f"CAST({arguments[0].sql} AS BIGINT)"), BIGINT)
        if kind in ("double", "float"):
            text = f"CAST({name}({arguments[0].sql}) AS BIGINT)"
            return Argument(raw(f"(CASE WHEN isnan({arguments[0].sql}) THEN 0 ELSE {text} END)"), BIGINT)
        raise _refuse(name)

    return builder


def _log(arguments: Sequence[Argument]) -> Argument:
    if len(arguments) == 1:
        return build("log", [Form("f", "(CASE WHEN {0} > 0 THEN ln({0}) END)", DOUBLE)], arguments)
    return build("log", [Form("ff", "(CASE WHEN {0} > 0 AND {1} > 0 THEN ln({1}) / ln({0}) END)", DOUBLE)], arguments)


def _mod(arguments: Sequence[Argument]) -> Argument:
    a, b = arguments
    if a.kind("mod") not in INTEGERS or b.kind("mod") not in INTEGERS:
        raise _refuse("mod")
    return Argument(raw(f"({a.sql} % {nonzero(b, b.sql)})"), common([a.type, b.type]))


def _pmod(arguments: Sequence[Argument]) -> Argument:
    a, b = arguments
    if a.kind("pmod") not in INTEGERS or b.integer is None or b.integer <= 0:
        raise _refuse("pmod")
    return Argument(raw(f"((({a.sql} % {b.sql}) + {b.sql}) % {b.sql})"), common([a.type, b.type]))


def _coalesce(arguments: Sequence[Argument]) -> Argument:
    kind = common([argument.type for argument in arguments])
    return Argument(raw(f"coalesce({', '.join(argument.sql for argument in arguments)})"), kind)


def _extreme(name: str) -> Builder:
    def builder(arguments: Sequence[Argument]) -> Argument:
        kind = common([argument.type for argument in arguments])
        if kind is None:
            raise _refuse(name)
        return Argument(raw(f"{name}({', '.join(argument.sql for argument in arguments)})"), kind)

    return builder


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


def _array(arguments: Sequence[Argument]) -> Argument:
    kind = common([argument.type for argument in arguments])
    if kind is None or not arguments:
        raise _refuse("array")
    listed = f"[{', '.join(argument.sql for argument in arguments)}]"
    target = array(kind)
    return Argument(raw(f"CAST({listed} AS {duckdb_name(target)})"), target)


def _named_struct(arguments: Sequence[Argument]) -> Argument:
    names = [argument.literal for argument in arguments[::2]]
    kinds = [argument.type for argument in arguments[1::2]]
    if len(arguments) % 2 or None in names or None in kinds:
        raise _refuse("named_struct")
    pairs = (f'"{_quoted(name)}" := {value.sql}' for name, value in zip(names, arguments[1::2], strict=True))
    inner = tuple(kind for kind in kinds if kind)
    return Argument(raw(f"struct_pack({', '.join(pairs)})"), Type("struct", inner=inner, names=tuple(map(str, names))))


def _quoted(name: str | None) -> str:
    return (name or "").replace('"', '""')


def _element_at(arguments: Sequence[Argument]) -> Argument:
    subject, key = arguments
    if subject.kind("element_at") == "map":
        return map_value(subject, key)
    raise _refuse("element_at")


def map_value(subject: Argument, key: Argument) -> Argument:
    """Return `map[key]`, NULL when there is no such key."""
    assert subject.type is not None  # noqa: S101 - the caller looked
    return Argument(raw(f"{subject.sql}[{key.sql}]"), subject.type.inner[1] if subject.type.inner else None)


def array_value(subject: Argument, index: Argument) -> Argument:
    """Return `array[index]`, counted from 0; an index outside of it ends the statement."""
    if index.kind("an index") not in INTEGERS or subject.type is None:
        raise _refuse("an index")
    error = "error('[INVALID_ARRAY_INDEX] The index ' || {0} || ' is out of bounds. Use get() to tolerate that.')"
    at = index.sql
    text = (
        f"(CASE WHEN {subject.sql} IS NULL OR {at} IS NULL THEN NULL WHEN {at} < 0 OR {at} >= len({subject.sql}) "
        f"THEN {error.format(at)} ELSE list_extract({subject.sql}, {at} + 1) END)"
    )
    return Argument(raw(text), subject.type.inner[0])


def _try_divide(arguments: Sequence[Argument]) -> Argument:
    a, b = arguments
    if a.kind("try_divide") not in (*INTEGERS, "double") or b.kind("try_divide") not in (*INTEGERS, "double"):
        raise _refuse("try_divide")
    return Argument(raw(f"(CASE WHEN {b.sql} <> 0 THEN {a.sql} / {b.sql} END)"), DOUBLE)


def _cast_function(target: Type) -> Builder:
    return lambda arguments: Argument(raw(cast(arguments[0], target)), target)


BUILDERS: dict[str, Builder] = {
    "concat": _concat,
    "concat_ws": _concat_ws,
    "substring": substring,
    "substr": substring,
    "upper": _upper,
    "ucase": _upper,
    "length": _length,
    "len": _length,
    "char_length": _length,
    "character_length": _length,
    "split": _split,
    "split_part": _split_part,
    "regexp_like": _regexp_like,
    "regexp_extract": _regexp_extract,
    "regexp_replace": _regexp_replace,
    "round": _round,
    "ceil": _ceiling("ceil"),
    "ceiling": _ceiling("ceil"),
    "floor": _ceiling("floor"),
    "log": _log,
    "mod": _mod,
    "pmod": _pmod,
    "coalesce": _coalesce,
    "greatest": _extreme("greatest"),
    "least": _extreme("least"),
    "trunc": _trunc,
    "date_trunc": _date_trunc,
    "date_format": _date_format,
    "to_date": _to_date,
    "to_timestamp": _to_timestamp,
    "array": _array,
    "named_struct": _named_struct,
    "element_at": _element_at,
    "try_divide": _try_divide,
    **{
        name: _cast_function(target)
        for name, target in {
            "int": INT, "bigint": BIGINT, "smallint": Type("smallint"), "tinyint": Type("tinyint"), "double": DOUBLE,
            "float": FLOAT, "string": STRING, "date": DATE, "timestamp": TIMESTAMP, "boolean": BOOLEAN,
            "decimal": decimal(10, 0), "binary": Type("binary"),
        }.items()
    },
}  # fmt: skip
"""What builds a call, by the function's lower-case name."""
