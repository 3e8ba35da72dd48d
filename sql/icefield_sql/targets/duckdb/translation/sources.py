"""What makes rows in FROM besides tables: LATERAL VIEW and table functions."""

from __future__ import annotations

from sqlglot import exp

from icefield_sql.lang.quoting import quote_standard
from icefield_sql.lang.types import BIGINT, INT, INTEGERS, Type
from icefield_sql.targets.duckdb.errors import Untranslatable

from .argument import Argument, raw
from .expressions import Expressions
from .scopes import Columns, FromItem, Scope, alias_columns


def lateral_view(values: Expressions, lateral: exp.Expr, scope: Scope) -> exp.Join:
    """Translate `LATERAL VIEW [OUTER] explode(…) t AS a, b` into a join, and make its columns known.

    Raises:
        Untranslatable: it is another generator than explode and posexplode.
    """
    call = lateral.this
    name = call.name.lower() if isinstance(call, exp.Anonymous) else ""
    outer = bool(lateral.args.get("outer")) or name.endswith("_outer")
    name = name.removesuffix("_outer")
    if name not in ("explode", "posexplode") or len(call.expressions) != 1:
        raise Untranslatable(f"LATERAL VIEW {name}.")
    subject = values.value(call.expressions[0], scope)
    produced = _produced(name, subject)
    names = alias_columns(lateral) or [column for column, _, _ in produced]
    if len(names) != len(produced):
        raise Untranslatable("LATERAL VIEW with another number of columns.")
    label = lateral.alias or "lateral"
    listed = ", ".join(
        f"{text} AS {quote_standard(column)}" for column, (_, text, _) in zip(names, produced, strict=True)
    )
    inner = f"SELECT {listed}"
    if subject.type is not None and subject.type.kind == "map":
        inner = f"SELECT {listed} FROM (SELECT unnest(map_entries({subject.sql})) AS _e) AS _m"  # noqa: S608 - text of ours
    columns: Columns = tuple((column, kind) for column, (_, _, kind) in zip(names, produced, strict=True))
    scope.sources.append(FromItem(label, columns))
    this = raw(f"LATERAL ({inner}) AS {quote_standard(label)}")
    if outer:
        return exp.Join(this=this, side="LEFT", on=exp.true())
    return exp.Join(this=this, kind="CROSS")


def _produced(name: str, subject: Argument) -> list[tuple[str, str, Type]]:
    """Return (Spark's name, DuckDB's text, type) of each column that a generator makes."""
    kind = subject.kind(name)
    assert subject.type is not None  # noqa: S101 - kind says so
    if kind == "map" and name == "explode":
        return [("key", "_e.key", subject.type.inner[0]), ("value", "_e.value", subject.type.inner[1])]
    if kind != "array":
        raise Untranslatable(f"{name} of a {kind}.")
    column = ("col", f"unnest({subject.sql})", subject.type.inner[0])
    if name == "explode":
        return [column]
    return [("pos", f"CAST(unnest(range(len({subject.sql}))) AS INTEGER)", INT), column]


def table_function(values: Expressions, node: exp.Table, scope: Scope) -> Columns:
    """Translate `range(…)` in FROM in place, and return its columns.

    Raises:
        Untranslatable: it is another table function.
    """
    call = node.this
    if call.name.lower() != "range" or not 1 <= len(call.expressions) <= 3:
        raise Untranslatable(f"the table function {call.name}.")
    arguments = values.children(call.expressions, scope)
    if any(argument.kind("range") not in INTEGERS for argument in arguments):
        raise Untranslatable("range of anything but integers.")
    listed = ", ".join(f"CAST({argument.sql} AS BIGINT)" for argument in arguments)
    call.replace(exp.Anonymous(this="range", expressions=[raw(part) for part in [listed]]))
    if not alias_columns(node):
        label = exp.to_identifier(node.alias or "range", quoted=True)
        node.set("alias", exp.TableAlias(this=label, columns=[exp.to_identifier("id", quoted=True)]))
    return ((alias_columns(node)[0], BIGINT),)
