"""Expressions of Spark SQL as DuckDB writes them, where both are known to mean the same; everything else is refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Protocol

from sqlglot import exp

from icefield_sql.lang import planning_time
from icefield_sql.lang.timed import written
from icefield_sql.lang.types import (
    BINARY,
    BOOLEAN,
    DATE,
    DOUBLE,
    INT,
    MAX_PRECISION,
    STRING,
    TIMESTAMP,
    VOID,
    Type,
    common,
    decimal,
    type_of,
)
from icefield_sql.targets.duckdb.errors import Untranslatable
from icefield_sql.targets.rewriting import put

from . import operators
from .argument import Argument, raw
from .calls import call, special
from .casts import cast
from .scopes import Columns, Scope

_INT_MAX, _BIGINT_MAX = 2**31, 2**63


class Queries(Protocol):
    """What translates the queries inside expressions."""

    def query(self, node: exp.Expr, scope: Scope | None) -> Columns | None:
        """Translate a query in place, and return its columns."""
        ...


class Values:
    """Translates expressions in place, children first."""

    def __init__(self, queries: Queries) -> None:
        self.queries = queries

    def value(self, node: exp.Expr, scope: Scope) -> Argument:
        """Translate one expression and return it; where it changes, it is replaced in its tree.

        Raises:
            Untranslatable: DuckDB is not known to mean the same by it.
        """
        planning_time.check()
        handler = _HANDLERS.get(type(node))
        if handler is None:
            raise Untranslatable(f"{type(node).__name__} is not known to be the same on DuckDB.")
        result = handler(self, node, scope)
        if result.node is not node and node.parent is not result.node:
            put(node, result.node)
        return result

    def child(self, node: exp.Expr, key: str, scope: Scope) -> Argument:
        """Translate one part of a node."""
        part = node.args.get(key)
        if not isinstance(part, exp.Expr):
            raise Untranslatable(f"{type(node).__name__} without its {key}.")
        return self.value(part, scope)

    def children(self, nodes: list[exp.Expr], scope: Scope) -> list[Argument]:
        """Translate several expressions."""
        return [self.value(node, scope) for node in list(nodes)]


def _column(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    assert isinstance(node, exp.Column)  # noqa: S101
    if isinstance(node.this, exp.Star):
        return Argument(node, None)
    parts = [part.name for part in node.parts]
    if len(parts) == 1:
        found = scope.column(parts[0], None)
        return Argument(node, found[1] if found else None)
    if scope.has_label(parts[0]):
        found = scope.column(parts[1], parts[0])
        return Argument(node, _field(found[1] if found else None, parts[2:]))
    found = scope.column(parts[0], None)
    return Argument(node, _field(found[1] if found else None, parts[1:]))


def _field(kind: Type | None, names: list[str]) -> Type | None:
    for name in names:
        if kind is None:
            return None
        if kind.kind == "array":
            raise Untranslatable("a field of an array of structs.")
        if kind.kind == "map":
            raise Untranslatable("a key of a map after a dot.")
        lowered = [known.lower() for known in kind.names]
        kind = kind.inner[lowered.index(name.lower())] if name.lower() in lowered else None
    return kind


def _identifier(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    found = scope.column(node.name, None)
    return Argument(node, found[1] if found else None)


def _dot(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    inner = values.child(node, "this", scope)
    return Argument(node, _field(inner.type, [node.expression.name]))


def _literal(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    assert isinstance(node, exp.Literal)  # noqa: S101
    if node.is_string:
        return Argument(node, STRING)
    text = node.name
    if not re.fullmatch(r"(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", text):
        raise Untranslatable(f"the number {text}.")
    if "e" in text.lower():
        return Argument(raw(f"CAST({text} AS DOUBLE)"), DOUBLE)
    if text.isdigit():
        if len(text) > MAX_PRECISION:
            raise Untranslatable(f"an integer of more than {MAX_PRECISION} digits.")
        value = int(text)
        if value < _BIGINT_MAX:
            return Argument(node, INT if value < _INT_MAX else Type("bigint"))
        return Argument(raw(f"CAST('{text}' AS DECIMAL({len(text)}, 0))"), decimal(len(text), 0))
    whole, _, fraction = text.partition(".")
    digits = len(whole.lstrip("0")) + len(fraction)
    kind = decimal(max(digits, len(fraction), 1), len(fraction))
    return Argument(raw(f"CAST('{text}' AS DECIMAL({kind.precision}, {kind.scale}))"), kind)


def _typed(kind: Type) -> Callable[[Values, exp.Expr, Scope], Argument]:
    return lambda values, node, scope: Argument(node, kind)


def _hex(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    text = node.name if len(node.name) % 2 == 0 else "0" + node.name
    if not re.fullmatch("[0-9a-fA-F]*", text):
        raise Untranslatable("this binary literal.")
    return Argument(raw(f"from_hex('{text}')"), BINARY)


def _raw_string(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    return Argument(exp.Literal.string(node.name), STRING)


def _adjacent(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    parts = values.children(node.expressions, scope)
    if any(part.literal is None for part in parts):
        raise Untranslatable("this concatenation.")
    return Argument(exp.Literal.string("".join(part.literal or "" for part in parts)), STRING)


def _paren(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    inner = values.child(node, "this", scope)
    return Argument(node, inner.type)


def _neg(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    inner = values.child(node, "this", scope)
    if inner.type is not None and inner.type.kind in ("string", "interval"):
        raise Untranslatable(f"minus of a {inner.type.kind}.")
    if isinstance(node.this, exp.Neg):
        return Argument(node.this.this, inner.type)
    return Argument(node, inner.type)


def _arithmetic(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    return operators.binary(node, values.child(node, "this", scope), values.child(node, "expression", scope))


def _int_div(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    return operators.integer_division(values.child(node, "this", scope), values.child(node, "expression", scope))


def _bits(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    kinds = [values.child(node, key, scope) for key in ("this", "expression") if node.args.get(key) is not None]
    if any(kind.kind("bits") not in ("tinyint", "smallint", "int", "bigint") for kind in kinds):
        raise Untranslatable("bits of anything but integers.")
    return Argument(node, common([kind.type for kind in kinds]))


def _compare(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    left, right = values.child(node, "this", scope), values.child(node, "expression", scope)
    operators.comparison(node, left, right)
    return Argument(node, BOOLEAN)


def _boolean(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    """Translate AND, OR, NOT, IS and BETWEEN."""
    for key in ("this", "expression", "low", "high"):
        if isinstance(node.args.get(key), exp.Expr):
            inner = values.child(node, key, scope)
            if isinstance(node, exp.And | exp.Or | exp.Not) and inner.type not in (None, BOOLEAN, VOID):
                raise Untranslatable(f"a {inner.type} as a condition.")
    if node.args.get("symmetric"):
        raise Untranslatable("BETWEEN SYMMETRIC.")
    return Argument(node, BOOLEAN)


def _in(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    values.child(node, "this", scope)
    values.children(node.expressions, scope)
    if isinstance(query := node.args.get("query"), exp.Expr):
        values.queries.query(query, scope)
    return Argument(node, BOOLEAN)


def _exists(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    values.queries.query(node.this, scope)
    return Argument(node, BOOLEAN)


def _subquery(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    columns = values.queries.query(node, scope)
    return Argument(node, columns[0][1] if columns else None)


def _like(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    left, right = values.child(node, "this", scope), values.child(node, "expression", scope)
    for side in (left, right):
        if side.type is not None and side.type.kind not in ("string", "void"):
            raise Untranslatable(f"LIKE of a {side.type.kind}.")
    return Argument(operators.pattern(node, right), BOOLEAN)


def _escape(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    values.child(node, "this", scope)
    return Argument(node, BOOLEAN)


def _rlike(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    left, right = values.child(node, "this", scope), values.child(node, "expression", scope)
    if left.kind("RLIKE") not in ("string", "void"):
        raise Untranslatable("RLIKE of anything but strings.")
    return Argument(raw(f"regexp_matches({left.sql}, {operators.checked_regex(right, 'RLIKE')})"), BOOLEAN)


def _dpipe(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    return operators.concatenation(values.child(node, "this", scope), values.child(node, "expression", scope))


def _case(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    if isinstance(node.args.get("this"), exp.Expr):
        values.child(node, "this", scope)
    results: list[Type | None] = []
    for branch in node.args["ifs"]:
        values.child(branch, "this", scope)
        results.append(values.child(branch, "true", scope).type)
    if isinstance(node.args.get("default"), exp.Expr):
        results.append(values.child(node, "default", scope).type)
    return Argument(node, common(results))


def _cast(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    assert isinstance(node, exp.Cast)  # noqa: S101
    if node.args.get("format") or node.args.get("action"):
        raise Untranslatable("this cast.")
    target = type_of(node.to)
    inner = values.child(node, "this", scope)
    return Argument(raw(cast(inner, target, safe=isinstance(node, exp.TryCast))), target)


def _interval(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    if not isinstance(node.parent, exp.Add | exp.Sub):
        raise Untranslatable("an interval as a value.")
    return Argument(node, Type("interval"))


def _tuple(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    values.children(node.expressions, scope)
    return Argument(node, None)


def _alias(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    inner = values.child(node, "this", scope)
    return Argument(node, inner.type)


def _call(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    result = call(values, node, scope)
    wrapped = isinstance(node.parent, exp.Window | exp.Filter | exp.WithinGroup | exp.IgnoreNulls)
    if result.wrap and not wrapped:
        return Argument(raw(result.wrap.replace("{}", _sql(result.node))), result.type)
    return result


def _sql(node: exp.Expr) -> str:
    return written(node, "duckdb", normalize_functions=False, comments=False)


def _filter(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    inner = values.child(node, "this", scope)
    values.child(node.expression, "this", scope)
    return _wrapped(node, inner)


def _window(values: Values, node: exp.Expr, scope: Scope) -> Argument:
    inner = values.child(node, "this", scope)
    window_parts(values, node, scope)
    return _wrapped(node, inner)


def window_parts(values: Values, node: exp.Expr, scope: Scope) -> None:
    """Translate the contents of OVER (…), or in a window that WINDOW names."""
    values.children(node.args.get("partition_by") or [], scope)
    if order := node.args.get("order"):
        for ordered in order.expressions:
            values.child(ordered, "this", scope)
    spec = node.args.get("spec")
    for key in ("start", "end"):
        bound = spec.args.get(key) if spec is not None else None
        if isinstance(bound, exp.Expr) and not isinstance(bound, exp.Literal | exp.Var | exp.Neg):
            raise Untranslatable("a frame whose bounds are not integer literals.")


def _wrapped(node: exp.Expr, inner: Argument) -> Argument:
    if inner.wrap is None or isinstance(node.parent, exp.Window | exp.Filter):
        return Argument(node, inner.type, inner.wrap)
    return Argument(raw(inner.wrap.replace("{}", _sql(node))), inner.type)


_HANDLERS: dict[type[exp.Expr], Callable[[Values, exp.Expr, Scope], Argument]] = {
    exp.Column: _column,
    exp.Identifier: _identifier,
    exp.Dot: _dot,
    exp.Literal: _literal,
    exp.Boolean: _typed(BOOLEAN),
    exp.Null: _typed(VOID),
    exp.HexString: _hex,
    exp.RawString: _raw_string,
    exp.Concat: _adjacent,
    exp.CurrentDate: lambda values, node, scope: Argument(raw("today()"), DATE),
    exp.CurrentTimestamp: lambda values, node, scope: Argument(raw("now()"), TIMESTAMP),
    exp.Paren: _paren,
    exp.Neg: _neg,
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.Div, exp.Mod), _arithmetic),
    exp.IntDiv: _int_div,
    **dict.fromkeys((exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.BitwiseNot), _bits),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ, exp.NullSafeNEQ), _compare),
    **dict.fromkeys((exp.And, exp.Or, exp.Not, exp.Is, exp.Between), _boolean),
    exp.In: _in,
    exp.Exists: _exists,
    exp.Subquery: _subquery,
    exp.Like: _like,
    exp.ILike: _like,
    exp.Escape: _escape,
    exp.RegexpLike: _rlike,
    exp.DPipe: _dpipe,
    exp.Case: _case,
    exp.Cast: _cast,
    exp.TryCast: _cast,
    exp.Interval: _interval,
    exp.Tuple: _tuple,
    exp.Alias: _alias,
    exp.Anonymous: _call,
    exp.Filter: _filter,
    exp.Window: _window,
    **dict.fromkeys((exp.Extract, exp.Trim, exp.Substring, exp.StrPosition, exp.Overlay, exp.Bracket), special),
}
