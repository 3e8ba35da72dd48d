"""Calls of functions: which kind of function it is, and who translates it."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from icefield_sql.lang import functions
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.quoting import quote_standard
from icefield_sql.lang.types import BOOLEAN, INT, STRING, Type, array
from icefield_sql.targets.duckdb.errors import Untranslatable

from . import builders, nested, times
from .aggregates import AGGREGATES, aggregate
from .argument import Argument, raw
from .casts import as_text
from .expressions import Expressions
from .rules import build
from .scalars import FORMS
from .scopes import Scope

_WITH_UNIT = ("datediff", "date_diff", "dateadd", "date_add", "timestampadd", "timestampdiff")
_BUILDERS = {**builders.BUILDERS, **times.BUILDERS, **nested.BUILDERS}
_LAMBDAS = ("transform", "filter", "exists", "forall")


ON_DUCKDB = frozenset({*_LAMBDAS, *_WITH_UNIT, *_BUILDERS, *FORMS, *AGGREGATES, "struct", "explode", "range"})
"""The functions that DuckDB answers as Spark does, at least for some arguments."""


def call(values: Expressions, node: exp.Expr, scope: Scope) -> Argument:
    """Translate a call by the function's name.

    Raises:
        Untranslatable: it is not known to be the same on DuckDB, or has another number of arguments than it takes.
    """
    try:
        return _call(values, node.name.lower(), node, scope)
    except SqlError:
        raise
    except (IndexError, ValueError, TypeError):
        raise Untranslatable(f"this form of {node.name}.") from None


def _call(values: Expressions, name: str, node: exp.Expr, scope: Scope) -> Argument:
    if name in _LAMBDAS:
        return _higher_order(values, name, node, scope)
    if name in ("explode", "inline", "stack"):
        return _generator(values, name, node, scope)
    if name in _WITH_UNIT and len(node.expressions) == 3:
        return times.with_unit(name, node.expressions[0], values.children(node.expressions[1:], scope))
    if name in ("date_part", "datepart") and len(node.expressions) == 2 and node.expressions[0].is_string:
        return times.date_part(node.expressions[0].name, values.value(node.expressions[1], scope))
    if name == "struct":
        return nested.struct(node.expressions, values.children(node.expressions, scope))
    if name in functions.AGGREGATES | functions.WINDOWS:
        return _aggregate(values, name, node, scope)
    arguments = values.children(node.expressions, scope)
    if builder := _BUILDERS.get(name):
        return builder(arguments)
    if forms := FORMS.get(name):
        return build(name, forms, arguments)
    raise Untranslatable(f"the function {name} is not known to be the same on DuckDB.")


def _aggregate(values: Expressions, name: str, node: exp.Expr, scope: Scope) -> Argument:
    listed = node.expressions
    distinct = len(listed) == 1 and isinstance(listed[0], exp.Distinct)
    if distinct:
        listed = listed[0].expressions
    if len(listed) == 1 and isinstance(listed[0], exp.Star) and name == "count":
        return Argument(raw("count(*)"), Type("bigint"))
    if name in ("first_value", "last_value") and not isinstance(node.parent, exp.Window):
        name = name.removesuffix("_value")
    return aggregate(name, values.children(listed, scope), distinct)


def _higher_order(values: Expressions, name: str, node: exp.Expr, scope: Scope) -> Argument:
    subject = values.value(node.expressions[0], scope)
    function = node.expressions[1]
    if subject.kind(name) != "array" or not isinstance(function, exp.Lambda) or len(function.expressions) != 1:
        raise Untranslatable(f"this form of {name}.")
    assert subject.type is not None  # noqa: S101 - kind says so
    variable = function.expressions[0].name
    inner = Scope(scope, dict(scope.ctes), variables={variable.lower(): subject.type.inner[0]})
    body = values.child(function, "this", inner)
    quoted = quote_standard(variable)
    text = f"lambda {quoted}: {body.sql}"
    if name == "transform":
        return Argument(raw(f"list_transform({subject.sql}, {text})"), array(body.type) if body.type else None)
    if name == "filter":
        return Argument(raw(f"list_filter({subject.sql}, {text})"), subject.type)
    return _quantified(name, subject, text)


def _quantified(name: str, subject: Argument, text: str) -> Argument:
    tested = f"list_transform({subject.sql}, {text})"
    found, otherwise = ("TRUE", "FALSE") if name == "exists" else ("FALSE", "TRUE")
    missing = f"len(list_filter({tested}, lambda _v: _v IS NULL)) > 0"
    return Argument(
        raw(
            f"(CASE WHEN {subject.sql} IS NULL THEN NULL WHEN list_contains({tested}, {found}) THEN {found} "
            f"WHEN {missing} THEN NULL ELSE {otherwise} END)"
        ),
        BOOLEAN,
    )


def _generator(values: Expressions, name: str, node: exp.Expr, scope: Scope) -> Argument:
    """Translate explode of an array as a projection; other generators make several columns."""
    place = node.parent.parent if isinstance(node.parent, exp.Alias) else node.parent
    if name != "explode" or not isinstance(place, exp.Select):
        raise Untranslatable(f"{name} as a projection.")
    subject = values.value(node.expressions[0], scope)
    if subject.kind(name) != "array":
        raise Untranslatable("explode of a map as a projection.")
    assert subject.type is not None  # noqa: S101 - kind says so
    return Argument(raw(f"unnest({subject.sql})"), subject.type.inner[0])


def special(values: Expressions, node: exp.Expr, scope: Scope) -> Argument:
    """Translate the calls that have a grammar of their own."""
    return _SPECIAL[type(node)](values, node, scope)


def _extract(values: Expressions, node: exp.Expr, scope: Scope) -> Argument:
    return times.date_part(node.this.name, values.child(node, "expression", scope))


def _trim(values: Expressions, node: exp.Expr, scope: Scope) -> Argument:
    text = as_text(values.child(node, "this", scope))
    characters = as_text(values.child(node, "expression", scope)) if node.args.get("expression") else "' '"
    function = {"LEADING": "ltrim", "TRAILING": "rtrim"}.get(str(node.args.get("position") or "").upper(), "trim")
    return Argument(raw(f"{function}({text}, {characters})"), STRING)


def _substring(values: Expressions, node: exp.Expr, scope: Scope) -> Argument:
    parts = [values.child(node, key, scope) for key in ("this", "start", "length") if node.args.get(key) is not None]
    return builders.substring(parts)


def _position(values: Expressions, node: exp.Expr, scope: Scope) -> Argument:
    if node.args.get("position") or node.args.get("occurrence"):
        raise Untranslatable("position from a start.")
    text, part = as_text(values.child(node, "this", scope)), as_text(values.child(node, "substr", scope))
    return Argument(raw(f"CAST(instr({text}, {part}) AS INTEGER)"), INT)


def _overlay(values: Expressions, node: exp.Expr, scope: Scope) -> Argument:
    raise Untranslatable("overlay.")


def _bracket(values: Expressions, node: exp.Expr, scope: Scope) -> Argument:
    subject = values.child(node, "this", scope)
    if len(node.expressions) != 1:
        raise Untranslatable("this index.")
    index = values.value(node.expressions[0], scope)
    kind = subject.kind("an index")
    if kind == "map":
        return nested.map_value(subject, index)
    if kind == "array":
        return nested.array_value(subject, index)
    raise Untranslatable(f"an index of a {kind}.")


_SPECIAL: dict[type[exp.Expr], Callable[[Expressions, exp.Expr, Scope], Argument]] = {
    exp.Extract: _extract,
    exp.Trim: _trim,
    exp.Substring: _substring,
    exp.StrPosition: _position,
    exp.Overlay: _overlay,
    exp.Bracket: _bracket,
}
