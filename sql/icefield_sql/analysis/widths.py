"""How many columns the queries in a statement have, counted before any engine, or we, write them out.

Stars of stars multiply: `SELECT *, * FROM (SELECT *, * FROM …)` has twice as many columns at each level.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import NamedTuple

from sqlglot import exp

from icefield_sql.lang import planning_time
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.names import TableName
from icefield_sql.lang.timed import MAX_COLUMNS, TOO_WIDE

from .model import Table
from .resolve import Resolved, is_metadata, meant
from .scoping import TableRef
from .statement import Statement

MAX_COLUMNS_TOGETHER = 100_000
"""Of all queries in a statement, those inside the views that it reads included."""
_METADATA_COLUMNS = 32
_GENERATED_COLUMNS = 2
_SOURCES_LEFT_OUT = ("SEMI", "ANTI")


def check_widths(statement: Statement, resolved: Resolved) -> None:
    """Refuse a statement with a query of too many columns.

    Args:
        statement: the statement.
        resolved: what the catalog has; its views have been checked (expansion.py).

    Raises:
        SqlError: a query has too many columns, or all of them together have.
    """
    if _Widths(resolved).of(statement).together > MAX_COLUMNS_TOGETHER:
        raise SqlError(
            f"The queries in it have more than {MAX_COLUMNS_TOGETHER} columns together; "
            "name the columns that are needed instead of *."
        )


class _Width(NamedTuple):
    """The columns of a statement's query, and those of all queries in it."""

    own: int
    together: int


class _Widths:
    """The widths of statements, each view's counted once however often it is read."""

    def __init__(self, resolved: Resolved) -> None:
        self.resolved = resolved
        self.views: dict[TableName, _Width] = {}

    def of(self, statement: Statement) -> _Width:
        if statement.tree is None:
            return _Width(0, 0)
        together = 0
        catalog: dict[int, int] = {}
        for ref in statement.found.tables:
            width = self._of_table(ref)
            catalog[id(ref.node)] = width.own
            together += width.together
        for file in statement.found.files:
            catalog[id(file.node)] = len(self.resolved.files[file.read].columns)
        return _Queries(catalog).of(statement.tree, together)

    def _of_table(self, ref: TableRef) -> _Width:
        if is_metadata(ref, self.resolved):
            return _Width(_METADATA_COLUMNS, 0)
        found = self.resolved.objects.get(meant(ref, self.resolved))
        if found is None or isinstance(found, Table):
            return _Width(len(found.columns) if found else 0, 0)
        if ref.name not in self.views and ref.name in self.resolved.views:
            self.views[ref.name] = self.of(self.resolved.views[ref.name])
        inner = self.views.get(ref.name, _Width(0, 0))
        return _Width(len(found.columns) or inner.own, inner.together)


class _Visit(NamedTuple):
    node: exp.Expr
    ctes: Mapping[str, exp.Expr]


class _Queries:
    """The queries in one tree; `catalog` has the widths of the tables in FROM by the ids of their nodes."""

    def __init__(self, catalog: Mapping[int, int]) -> None:
        self.widths = dict(catalog)
        self.ctes: dict[int, exp.Expr] = {}

    def of(self, tree: exp.Expr, together: int) -> _Width:
        """Count what is inside before what is around it, and common table expressions in their order."""
        for node in planning_time.checked(list(self._ordered(tree))[::-1]):
            width = self._select(node) if isinstance(node, exp.Select) else self._query(node)
            if width > MAX_COLUMNS:
                raise SqlError(TOO_WIDE)
            self.widths[id(node)] = width
            together += width if isinstance(node, exp.Select) else 0
        return _Width(self._query(tree), together)

    def _ordered(self, tree: exp.Expr) -> Iterator[exp.Expr]:
        """Yield each query before those that it reads."""
        pending = [_Visit(tree, {})]
        while pending:
            node, ctes = pending.pop()
            if with_ := node.args.get("with_"):
                ctes = dict(ctes)
                for cte in with_.expressions:
                    before = dict(ctes)
                    ctes[cte.alias.lower()] = cte.this
                    pending.append(_Visit(cte.this, ctes.copy() if with_.args.get("recursive") else before))
            is_bare = isinstance(node, exp.Table) and not node.db and id(node) not in self.widths
            if is_bare and (cte := ctes.get(node.name.lower())) is not None:
                self.ctes[id(node)] = cte
            if isinstance(node, exp.Select | exp.SetOperation):
                yield node
            pending += [_Visit(child, ctes) for child in node.iter_expressions() if child is not with_]

    def _select(self, select: exp.Select) -> int:
        sources = _sources(select)
        widths = [(source.alias_or_name.lower(), self._source(source)) for source in sources]
        everything = sum(width for _, width in widths)
        width = 0
        for item in select.expressions:
            if isinstance(item, exp.Column) and isinstance(item.this, exp.Star):
                width += sum(columns for label, columns in widths if label == item.table.lower())
            elif isinstance(item, exp.Star):
                width += everything
            else:
                width += len(item.expressions) if isinstance(item, exp.Aliases) else 1
        return width

    def _source(self, source: exp.Expr) -> int:
        """Return the width of something in FROM, with what is joined to it in its parentheses."""
        width = self._query(source)
        for pivot in source.args.get("pivots") or ():
            values = prod(len(field.expressions) or 1 for field in pivot.args.get("fields") or ())
            width += (len(pivot.expressions) or 1) * values
        return width + sum(self._source(join.this) for join in source.args.get("joins") or ())

    def _query(self, node: exp.Expr) -> int:
        """Return the width of a query, or of a table in FROM; 0 for a query that reads itself."""
        seen: set[int] = set()
        while id(node) not in self.widths and id(node) not in seen:
            seen.add(id(node))
            if isinstance(node, exp.Subquery | exp.Paren) and isinstance(node.this, exp.Table | exp.Subquery):
                return self._source(node.this)
            is_around = isinstance(node, exp.SetOperation | exp.Subquery | exp.Paren | exp.Lateral)
            node = node.this if is_around or isinstance(node.this, exp.Values) else self.ctes.get(id(node), node)
        if isinstance(node, exp.Values) and node.expressions:
            return len(node.expressions[0].expressions) or 1
        return self.widths.get(id(node), 0 if isinstance(node, exp.Query) else _GENERATED_COLUMNS)


def _sources(select: exp.Select) -> list[exp.Expr]:
    """Return what the stars of a query mean columns of."""
    from_ = select.args.get("from_")
    joins = [join for join in select.args.get("joins") or () if join.kind not in _SOURCES_LEFT_OUT]
    return [
        *([from_.this] if from_ is not None else ()),
        *(join.this for join in joins),
        *(select.args.get("laterals") or ()),
    ]
