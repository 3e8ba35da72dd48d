"""Which columns each column is made of that a statement writes.

A statement never fails because of it: what takes too long, or what is not understood, has none.
"""

from __future__ import annotations

from collections.abc import Iterator

from sqlglot import exp
from sqlglot.errors import SqlglotError

from icefield_sql.lang import planning_time
from icefield_sql.lang.names import TableName

from .column_scopes import Queries
from .column_uses import CONDITIONAL, FILTER, JOIN, ColumnLineage, SourceColumns, UnknownColumnsError, Uses, uses_of
from .model import Column
from .resolve import Resolved
from .statement import Statement

SECONDS = 0.1
"""How long it may take, besides the time for compiling."""
MAX_TEXT = 32 * 1024
"""A statement with a longer text has none."""
MAX_USES = 2000
"""A statement in which more columns are used has none."""
_QUERIES = ("INSERT", "INSERT OVERWRITE", "CREATE TABLE AS SELECT", "CREATE VIEW")


def column_lineage(resolved: Resolved) -> ColumnLineage | None:
    """Return what the columns are made of that a statement writes; None where that is not known.

    Args:
        resolved: the statement with what the catalog has; its names have been checked.
    """
    statement = resolved.statement
    if statement.tree is None or not statement.writes or not statement.found.tables:
        return None
    if len(statement.source.text) + len(statement.tail) > MAX_TEXT:
        return None
    try:
        with planning_time.limited_to(SECONDS):
            found = _of(resolved, statement, statement.tree)
    except (planning_time.OutOfTimeError, RecursionError, UnknownColumnsError):
        return None
    except (SqlglotError, LookupError, TypeError, ValueError, AttributeError):
        return None  # sqlglot's scopes stumble over some odd texts
    count = len(found.deciding) + sum(len(uses) for _, uses in found.fields)
    return found if 0 < count <= MAX_USES else None


def _of(resolved: Resolved, statement: Statement, tree: exp.Expr) -> ColumnLineage:
    queries, target = Queries(resolved), statement.writes[0]
    if statement.command in _QUERIES:
        scope = queries.enter(tree)
        columns = queries.columns(scope).columns
        names = _target_names(resolved, statement, [name for name, _ in columns])
        fields = tuple((name, uses) for name, (_, uses) in zip(names, columns, strict=True))
        return ColumnLineage(target, fields, queries.deciding(scope))
    sight = [dict(_sources(queries, tree))]
    deciding: dict[str, Uses] = {}
    if (where := tree.args.get("where")) is not None:
        deciding["where"] = uses_of(where, sight, queries.subquery, FILTER)
    if (on := tree.args.get("on")) is not None:
        deciding["on"] = uses_of(on, sight, queries.subquery, JOIN)
    for number, when in enumerate(tree.args["whens"].expressions if isinstance(tree, exp.Merge) else ()):
        if (condition := when.args.get("condition")) is not None:
            deciding[str(number)] = uses_of(condition, sight, queries.subquery, CONDITIONAL)
    assigned: dict[str, dict[str, Uses]] = {}
    for position, (name, value) in enumerate(_assignments(tree)):
        own = assigned.setdefault(name.lower(), {"name": ()})
        own[str(position)] = uses_of(value, sight, queries.subquery)
    known = {column.name.lower(): column.name for column in _columns(resolved, target)}
    fields = tuple(
        (known.get(name, name), tuple(dict.fromkeys(use for uses in parts.values() for use in uses)))
        for name, parts in assigned.items()
    )
    return ColumnLineage(target, fields, tuple(dict.fromkeys(use for uses in deciding.values() for use in uses)))


def _target_names(resolved: Resolved, statement: Statement, own: list[str]) -> list[str]:
    """Return the names that the columns of a query have in what is written: by position into a table that exists."""
    head = statement.source.text[: statement.source.tokens[statement.body].start].upper().rstrip()
    if statement.command not in ("INSERT", "INSERT OVERWRITE"):
        if statement.command == "CREATE VIEW" and "(" in head:
            raise UnknownColumnsError  # the view names its columns itself
        return own
    if statement.columns is not None:
        return list(statement.columns)
    if head.endswith("BY NAME"):
        return own
    return [column.name for column in _columns(resolved, statement.writes[0])]


def _columns(resolved: Resolved, table: TableName) -> tuple[Column, ...]:
    found = resolved.objects.get(table)
    return found.columns if found else ()


def _sources(queries: Queries, tree: exp.Expr) -> Iterator[tuple[str, SourceColumns]]:
    """Yield what an UPDATE, DELETE or MERGE reads: its target, and what it uses."""
    for node in (tree.this, tree.args.get("using")):
        if isinstance(node, exp.Table):
            yield node.alias_or_name.lower(), queries.table(node)
        elif isinstance(node, exp.Subquery):
            yield node.alias_or_name.lower(), queries.columns(queries.enter(node.this))


def _assignments(tree: exp.Expr) -> Iterator[tuple[str, exp.Expr]]:
    """Yield the name of each column that an UPDATE or MERGE sets, with its value."""
    if isinstance(tree, exp.Update):
        yield from ((each.this.name, each.expression) for each in tree.expressions)
    for when in tree.args["whens"].expressions if isinstance(tree, exp.Merge) else ():
        then = when.args.get("then")
        if isinstance(then, exp.Update):
            yield from ((each.this.name, each.expression) for each in then.expressions)
        elif isinstance(then, exp.Insert) and isinstance(then.this, exp.Tuple):
            pairs = zip(then.this.expressions, then.expression.expressions, strict=True)
            yield from ((column.name, value) for column, value in pairs)
        elif isinstance(then, exp.Insert) or (then is not None and "*" in str(then.this)):
            raise UnknownColumnsError
