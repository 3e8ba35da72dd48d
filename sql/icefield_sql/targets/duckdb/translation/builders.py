"""Scalar functions whose translation depends on their arguments: on types, on literals, on how many there are."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from icefield_sql.lang.quoting import quote_standard_string
from icefield_sql.lang.types import (
    BIGINT,
    BOOLEAN,
    DATE,
    DOUBLE,
    FLOAT,
    INT,
    INTEGERS,
    STRING,
    TIMESTAMP,
    Type,
    array,
    bounded,
    common,
    decimal,
    duckdb_name,
)
from icefield_sql.targets.duckdb.errors import Untranslatable

from .argument import Argument, left_to_spark, raw
from .casts import as_text, cast
from .operators import checked_regex, concatenated, nonzero
from .rules import Builder, Form, build


def _refuse(name: str) -> Untranslatable:
    return Untranslatable(f"this form of {name}.")


def _concat(arguments: Sequence[Argument]) -> Argument:
    if any(argument.type is not None and argument.type.kind in ("array", "binary") for argument in arguments):
        raise _refuse("concat")
    return concatenated(arguments)


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


_BECOME_SEVERAL = "".join(
    letter for code in range(0x80, 0x10000) if len((letter := chr(code)).upper()) > 1 and letter != "ß"
)
"""Lower-case letters that are several in upper case (Unicode, SpecialCasing.txt); DuckDB leaves them as they are."""


def _upper(arguments: Sequence[Argument]) -> Argument:
    text = as_text(arguments[0])
    return Argument(
        raw(
            f"(CASE WHEN regexp_matches({text}, '[{_BECOME_SEVERAL}]') THEN {left_to_spark('upper of such letters')} "
            f"ELSE upper(replace({text}, 'ß', 'SS')) END)"
        ),
        STRING,
    )


def _lower(arguments: Sequence[Argument]) -> Argument:
    """Return the lower case; the one of a sigma depends on what is around it (Unicode, SpecialCasing.txt)."""
    text = as_text(arguments[0])
    return Argument(
        raw(
            f"(CASE WHEN contains({text}, 'Σ') THEN {left_to_spark('lower of Σ')} "
            f"ELSE lower(replace({text}, 'İ', 'i\u0307')) END)"
        ),
        STRING,
    )


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
    if "\\" in replacement or re.search(r"\$(?!\d(?!\d))", replacement):
        raise _refuse("regexp_replace")
    pattern = checked_regex(arguments[1], "regexp_replace")
    new = quote_standard_string(re.sub(r"\$(\d)", r"\\\1", replacement))
    return Argument(raw(f"regexp_replace({as_text(arguments[0])}, {pattern}, {new}, 'g')"), STRING)


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


def _try_divide(arguments: Sequence[Argument]) -> Argument:
    a, b = arguments
    if a.kind("try_divide") not in (*INTEGERS, "double") or b.kind("try_divide") not in (*INTEGERS, "double"):
        raise _refuse("try_divide")
    return Argument(raw(f"(CASE WHEN {b.sql} <> 0 THEN {a.sql} / {b.sql} END)"), DOUBLE)


def _tried(sign: str) -> Builder:
    def builder(arguments: Sequence[Argument]) -> Argument:
        a, b = arguments
        kind = common([a.type, b.type])
        if kind is None or kind.kind not in ("int", "bigint"):
            raise _refuse("try_add and the like")
        name = duckdb_name(kind)
        return Argument(raw(f"TRY(CAST({a.sql} AS {name}) {sign} CAST({b.sql} AS {name}))"), kind)

    return builder


def _initcap(arguments: Sequence[Argument]) -> Argument:
    words = f"string_split(lower({as_text(arguments[0])}), ' ')"
    text = f"array_to_string(list_transform({words}, lambda _w: upper(left(_w, 1)) || substring(_w, 2)), ' ')"
    return Argument(raw(text), STRING)


def _sha2(arguments: Sequence[Argument]) -> Argument:
    if arguments[1].integer not in (0, 256) or arguments[0].kind("sha2") == "binary":
        raise _refuse("sha2")
    return Argument(raw(f"sha256({as_text(arguments[0])})"), STRING)


def _character(arguments: Sequence[Argument]) -> Argument:
    code = arguments[0].integer
    if code is None or not 0 < code % 256 < 128:
        raise _refuse("chr")
    return Argument(raw(f"chr({code % 256})"), STRING)


def _typeof(arguments: Sequence[Argument]) -> Argument:
    arguments[0].kind("typeof")
    return Argument(exp.Literal.string(str(arguments[0].type)), STRING)


def _cast_function(target: Type) -> Builder:
    return lambda arguments: Argument(raw(cast(arguments[0], target)), target)


BUILDERS: dict[str, Builder] = {
    "concat": _concat,
    "concat_ws": _concat_ws,
    "substring": substring,
    "substr": substring,
    "lower": _lower,
    "lcase": _lower,
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
    "initcap": _initcap,
    "sha2": _sha2,
    "char": _character,
    "chr": _character,
    "typeof": _typeof,
    "try_add": _tried("+"),
    "try_subtract": _tried("-"),
    "try_multiply": _tried("*"),
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
