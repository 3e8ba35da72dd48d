"""Spark's operators in DuckDB: division, comparison across types, dates, concatenation, patterns."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from icefield_sql.lang.quoting import quote_standard_string
from icefield_sql.lang.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INT,
    INTEGERS,
    MAX_PRECISION,
    NUMBERS,
    STRING,
    TIMES,
    Type,
    arithmetic,
    decimal,
    duckdb_name,
)
from icefield_sql.targets.duckdb.errors import Untranslatable

from .argument import Argument, failure, raw
from .casts import as_text, cast

_SIGNS: dict[type[exp.Expr], str] = {exp.Add: "+", exp.Sub: "-", exp.Mul: "*", exp.Div: "/", exp.Mod: "%"}
_DAYS = ("DAY", "WEEK", "MONTH", "YEAR", "QUARTER")
_UNITS = (*_DAYS, "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND")
_JAVA_ONLY = re.compile(r"\\[1-9kGhHRvVXzZ]|\(\?[=!<]|\(\?>|[*+?}]\+|\(\?[a-zA-Z]*[dux]|&&|\\p\{(?!L|N|P|S|Z|Lu|Ll)")


def binary(node: exp.Expr, left: Argument, right: Argument) -> Argument:
    """Return `left + right` and the like.

    Raises:
        Untranslatable: the engines differ for these types, or the types are not known.
    """
    sign = _SIGNS[type(node)]
    if sign in "+-" and (moved := _moved(sign, left, right)) is not None:
        return moved
    kind = arithmetic(sign, _beside(left, right, sign), _beside(right, left, sign))
    assert kind is not None  # noqa: S101 - both are numbers
    a, b = _widened(left, right, kind), _widened(right, left, kind)
    if sign in "/%":
        b = nonzero(Argument(right.node, right.type), b)
    text = f"({a} {sign} {b})"
    if kind.kind == "decimal" and sign == "/":
        text = from_double(text, kind)
    elif kind.kind == "float" or (kind.kind == "decimal" and kind.precision == MAX_PRECISION and sign == "*"):
        text = f"CAST({text} AS {duckdb_name(kind)})"
    return Argument(raw(text), kind)


def integer_division(left: Argument, right: Argument) -> Argument:
    """Return `left DIV right`: a BIGINT, cut off towards zero."""
    if left.kind("div") not in INTEGERS or right.kind("div") not in INTEGERS:
        raise Untranslatable("div of anything but integers.")
    return Argument(raw(f"(CAST({left.sql} AS BIGINT) // {nonzero(right, right.sql)})"), BIGINT)


def nonzero(argument: Argument, text: str) -> str:
    """Return a divisor that ends the statement when it is zero, as Spark does in ANSI mode."""
    node = argument.node
    if isinstance(node, exp.Literal) and not node.is_string and float(node.name) != 0:
        return text
    error = failure(
        "DIVIDE_BY_ZERO", "Division by zero. Use try_divide to tolerate divisor being 0 and return NULL instead."
    )
    return f"(CASE WHEN {argument.sql} = 0 THEN {error} ELSE {text} END)"


def comparison(node: exp.Expr, left: Argument, right: Argument) -> None:
    """Make both sides of a comparison of one type, in place, where Spark casts the string side."""
    for this, other, key in ((left, right, "this"), (right, left, "expression")):
        if this.type is None or other.type is None or this.type.kind != "string":
            continue
        if other.type.kind in (*INTEGERS, "double", "float", "decimal", "date", *TIMES, "boolean"):
            target = BIGINT if other.type.kind in INTEGERS else DOUBLE if other.type.kind in NUMBERS else other.type
            node.set(key, raw(cast(this, target)))


def concatenation(left: Argument, right: Argument) -> Argument:
    """Return `left || right`, NULL when either is."""
    if left.type is not None and right.type is not None and left.type.kind == right.type.kind == "array":
        kind = left.type if left.type.inner[0].kind != "void" else right.type
        both = f"{left.sql} IS NOT NULL AND {right.sql} IS NOT NULL"
        text = f"(CASE WHEN {both} THEN list_concat({left.sql}, {right.sql}) END)"
        return Argument(raw(text), kind)
    return concatenated([left, right])


def concatenated(arguments: Sequence[Argument]) -> Argument:
    """Return strings joined; with a literal NULL DuckDB would make an integer of it."""
    text = "(" + " || ".join(as_text(argument) for argument in arguments) + ")"
    if any(argument.type is not None and argument.type.kind == "void" for argument in arguments):
        text = f"CAST({text} AS VARCHAR)"
    return Argument(raw(text), STRING)


def pattern(node: exp.Expr, right: Argument) -> exp.Expr:
    """Return a LIKE with Spark's escape character, the backslash, where it can matter."""
    if isinstance(node.parent, exp.Escape):
        return node
    if right.literal is not None and "\\" not in right.literal:
        return node
    escape = exp.Escape(expression=exp.Literal.string("\\"))
    node.replace(escape)
    escape.set("this", node)
    return escape


def checked_regex(argument: Argument, what: str) -> str:
    """Return a regular expression that means the same to Java and to RE2.

    Raises:
        Untranslatable: it is no literal, or uses what only Java has.
    """
    if argument.literal is None:
        raise Untranslatable(f"a regular expression of {what} that is not a literal.")
    if _JAVA_ONLY.search(argument.literal):
        raise Untranslatable(f"the regular expression {argument.literal!r} is Java's own.")
    return quote_standard_string(argument.literal)


def interval_text(node: exp.Expr) -> tuple[str, bool] | None:
    """Return a literal interval as DuckDB writes it, and whether it has whole days; None for anything else."""
    if not isinstance(node, exp.Interval) or not isinstance(node.this, exp.Literal) or node.unit is None:
        return None
    unit = node.unit.name.upper().removesuffix("S")
    if unit not in _UNITS or not re.fullmatch(r"[+-]?\d+", node.this.name.strip()):
        return None
    return f"INTERVAL '{int(node.this.name)}' {unit}", unit in _DAYS


def _moved(sign: str, left: Argument, right: Argument) -> Argument | None:
    """Return a date or time plus or minus days or an interval; None when this is about numbers."""
    if isinstance(left.node, exp.Interval) and sign == "+":
        left, right = right, left
    if isinstance(right.node, exp.Interval):
        return _by_interval(sign, left, right)
    kinds = (left.type.kind if left.type else None, right.type.kind if right.type else None)
    if kinds[0] == "date" and kinds[1] in ("int", "smallint", "tinyint"):
        return Argument(raw(f"({left.sql} {sign} CAST({right.sql} AS INTEGER))"), DATE)
    if kinds[1] == "date" and kinds[0] in ("int", "smallint", "tinyint") and sign == "+":
        return Argument(raw(f"({right.sql} + CAST({left.sql} AS INTEGER))"), DATE)
    return None


def _by_interval(sign: str, moment: Argument, interval: Argument) -> Argument:
    text = interval_text(interval.node)
    kind = moment.kind("an interval")
    if text is None or kind not in ("date", *TIMES):
        raise Untranslatable("arithmetic with this interval.")
    assert moment.type is not None  # noqa: S101 - kind says so
    if kind != "date":
        return Argument(raw(f"({moment.sql} {sign} {text[0]})"), moment.type)
    if text[1]:
        return Argument(raw(f"CAST({moment.sql} {sign} {text[0]} AS DATE)"), DATE)
    return Argument(raw(f"(CAST({moment.sql} AS TIMESTAMPTZ) {sign} {text[0]})"), Type("timestamp"))


def _numeric(argument: Argument, what: str) -> Type:
    kind = argument.kind(what)
    assert argument.type is not None  # noqa: S101 - kind says so
    if kind == "void":
        return INT
    if kind not in NUMBERS:
        raise Untranslatable(f"{what} of a {kind}.")
    return argument.type


def _beside(argument: Argument, other: Argument, what: str) -> Type:
    """Return the type of an operand; an integer literal beside a decimal is as narrow as its digits (Spark's rule)."""
    kind = _numeric(argument, what)
    if argument.integer is not None and other.type is not None and other.type.kind == "decimal":
        return decimal(len(str(abs(argument.integer))), 0)
    return kind


def from_double(text: str, kind: Type) -> str:
    """Return a double as a decimal by its shortest digits, which keeps what binary fractions would add out of it."""
    return f"CAST(CAST({text} AS VARCHAR) AS {duckdb_name(kind)})"


def _widened(argument: Argument, other: Argument, kind: Type) -> str:
    """Return an operand in Spark's type: DuckDB would make `smallint + 1` a SMALLINT."""
    if argument.integer is not None and other.type is not None and other.type.kind in ("tinyint", "smallint"):
        return f"CAST({argument.sql} AS INTEGER)"
    if kind == DOUBLE and argument.type is not None and argument.type.kind in ("decimal", "float"):
        return f"CAST({argument.sql} AS DOUBLE)"
    return argument.sql
