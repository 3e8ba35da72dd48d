"""What the columns of queries are made of, by the scopes that sqlglot finds in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sqlglot import exp
from sqlglot.optimizer.scope import Scope, build_scope

from icefield_sql.lang import planning_time
from icefield_sql.lang.names import TableName

from .column_uses import (
    FILTER,
    GROUP_BY,
    IDENTITY,
    JOIN,
    SORT,
    TRANSFORMATION,
    ColumnUse,
    Sight,
    SourceColumns,
    UnknownColumnsError,
    Uses,
    through,
    uses_of,
)
from .projections import implicit_name, is_generator
from .resolve import Resolved, is_metadata
from .scoping import TableRef

_INDIRECT = {"where": FILTER, "having": FILTER, "qualify": FILTER, "group": GROUP_BY, "order": SORT, "sort": SORT}
_LEFT_OUT = ("SEMI", "ANTI")


class Queries:
    """The queries of one statement.

    Args:
        resolved: the statement with what the catalog has.
    """

    def __init__(self, resolved: Resolved) -> None:
        self._resolved = resolved
        self._refs = {id(ref.node): ref for ref in resolved.statement.found.tables}
        self._scopes: dict[int, Scope] = {}
        self._columns: dict[int, SourceColumns] = {}
        self._deciding: dict[int, Uses] = {}

    def enter(self, query: exp.Expr) -> Scope:
        """Return the scope of a query that is in no other.

        Raises:
            UnknownColumnsError: it has none.
        """
        while isinstance(query, exp.Subquery | exp.Paren) and isinstance(query.this, exp.Expr):
            query = query.this
        if id(query) not in self._scopes:
            root = build_scope(query)
            if root is None:
                raise UnknownColumnsError
            for scope in planning_time.checked(root.traverse()):
                self._scopes[id(scope.expression)] = scope
        return self._scopes[id(query)]

    def columns(self, scope: Scope) -> SourceColumns:
        """Return the columns of a query with what each is made of.

        Raises:
            UnknownColumnsError: they are not known.
        """
        key = id(scope)
        if key not in self._columns:
            self._columns[key] = SourceColumns((), is_known=False)  # a query that reads itself
            self._columns[key] = SourceColumns(tuple(self._of(scope)))
        return self._columns[key]

    def deciding(self, scope: Scope) -> Uses:
        """Return what decides which rows a query has, and in which order, those inside it included."""
        key = id(scope)
        if key not in self._deciding:
            self._deciding[key] = ()
            self._deciding[key] = tuple(dict.fromkeys(self._decide(scope)))
        return self._deciding[key]

    def table(self, node: exp.Table) -> SourceColumns:
        """Return the columns of a table of the catalog; of what is none, that they are not known."""
        ref: TableRef | None = self._refs.get(id(node))
        if ref is None or is_metadata(ref, self._resolved) or ref.name not in self._resolved.objects:
            return SourceColumns((), is_known=False)
        columns = self._resolved.objects[ref.name].columns
        return SourceColumns(tuple((each.name, _own(ref.name, each.name)) for each in columns))

    def subquery(self, query: exp.Expr, sight: Sight) -> Iterator[ColumnUse]:
        """Yield what a query inside an expression is made of."""
        scope = self._scopes.get(id(query))
        if scope is None:
            scope = self.enter(query)
        for _, uses in self.columns(scope).columns:
            yield from uses
        yield from self.deciding(scope)

    def _of(self, scope: Scope) -> Iterator[tuple[str, Uses]]:
        node = scope.expression
        if isinstance(node, exp.SetOperation):
            yield from self._union(scope)
        elif isinstance(node, exp.Select):
            sight = self.sight(scope)
            for item in planning_time.checked(node.expressions):
                yield from self._item(node, item, sight)
        elif isinstance(node, exp.Lateral):
            names = node.args["alias"].columns if node.args.get("alias") else []
            if not names:
                raise UnknownColumnsError
            around = [self._siblings(scope, node)]
            uses = uses_of(node.this, around, self.subquery, TRANSFORMATION)
            yield from ((name.name, uses) for name in names)
        elif not isinstance(node, exp.Values | exp.Table):
            raise UnknownColumnsError

    def _union(self, scope: Scope) -> Iterator[tuple[str, Uses]]:
        left, right = (self.columns(each).columns for each in scope.set_operation_scopes)
        if len(left) != len(right):
            raise UnknownColumnsError
        for (name, uses), (_, more) in zip(left, right, strict=True):
            yield name, tuple(dict.fromkeys((*uses, *more)))

    def _item(self, select: exp.Select, item: exp.Expr, sight: Sight) -> Iterator[tuple[str, Uses]]:
        if isinstance(item, exp.Star) or (isinstance(item, exp.Column) and isinstance(item.this, exp.Star)):
            yield from _starred(select, item, sight[0])
            return
        uses = uses_of(item, sight, self.subquery)
        if isinstance(item, exp.Aliases):
            yield from ((alias.name, uses) for alias in item.expressions)
        elif is_generator(item) or isinstance(item, exp.PropertyEQ) or item.is_star:
            raise UnknownColumnsError
        else:
            yield item.alias if isinstance(item, exp.Alias) else implicit_name(item), uses

    def sight(self, scope: Scope) -> list[Mapping[str, SourceColumns]]:
        """Return what the columns of a query may be of."""
        seen: list[Mapping[str, SourceColumns]] = []
        at: Scope | None = scope
        while at is not None:
            if isinstance(at.expression, exp.Select):
                seen.append(self._sources(at))
            at = at.parent if at.is_subquery or at.is_udtf or at.is_set_operation else None
        return seen

    def _sources(self, scope: Scope) -> dict[str, SourceColumns]:
        found: dict[str, SourceColumns] = {}
        for name, (node, source) in scope.selected_sources.items():
            found[name.lower()] = self._source(node, source)
        return found

    def _siblings(self, scope: Scope, lateral: exp.Lateral) -> dict[str, SourceColumns]:
        """Return what is in FROM beside a LATERAL VIEW, those after it left out."""
        parent = scope.parent
        if parent is None:
            return {}
        return {
            name.lower(): self._source(node, source)
            for name, (node, source) in parent.selected_sources.items()
            if not (isinstance(source, Scope) and isinstance(source.expression, exp.Lateral))
        }

    def _source(self, node: exp.Expr, source: exp.Table | Scope) -> SourceColumns:
        found = self.table(source) if isinstance(source, exp.Table) else self.columns(source)
        cte = source.expression.parent if isinstance(source, Scope) and source.is_cte else None
        for renaming in (cte, node):
            names = renaming.alias_column_names if isinstance(renaming, exp.CTE | exp.Subquery | exp.Table) else []
            if names and len(names) == len(found.columns):
                found = SourceColumns(tuple((name, uses) for name, (_, uses) in zip(names, found.columns, strict=True)))
        return found

    def _decide(self, scope: Scope) -> Iterator[ColumnUse]:
        node = scope.expression
        if isinstance(node, exp.SetOperation):
            for each in scope.set_operation_scopes:
                yield from self.deciding(each)
            return
        for _, source in scope.selected_sources.values():
            if isinstance(source, Scope):
                yield from self.deciding(source)
        if not isinstance(node, exp.Select):
            return
        sight = self.sight(scope)
        for key, subtype in _INDIRECT.items():
            if (part := node.args.get(key)) is not None:
                yield from uses_of(part, sight, self.subquery, subtype)
        for join in node.args.get("joins") or ():
            yield from self._joined(join, sight)

    def _joined(self, join: exp.Join, sight: Sight) -> Iterator[ColumnUse]:
        if (on := join.args.get("on")) is not None:
            yield from uses_of(on, sight, self.subquery, JOIN)
        for name in join.args.get("using") or ():
            for source in sight[0].values():
                yield from through(source.find(name.name) or (), JOIN)


def _starred(select: exp.Select, item: exp.Expr, sources: Mapping[str, SourceColumns]) -> Iterator[tuple[str, Uses]]:
    """Yield the columns that a star stands for; those of USING come first, and once."""
    star = item.this if isinstance(item, exp.Column) else item
    if star.args.get("except_") or star.args.get("replace") or star.args.get("rename"):
        raise UnknownColumnsError
    wanted = item.table.lower() if isinstance(item, exp.Column) else None
    joins = select.args.get("joins") or []
    left_out = {join.alias_or_name.lower() for join in joins if join.kind in _LEFT_OUT or join.side in _LEFT_OUT}
    shown = [source for name, source in sources.items() if wanted in (None, name) and name not in left_out]
    if not shown or not all(source.is_known for source in shown):
        raise UnknownColumnsError
    shared = list(dict.fromkeys(name.name.lower() for join in joins for name in join.args.get("using") or ()))
    if wanted is None:
        for name in shared:
            uses: Iterable[ColumnUse] = (use for source in shown for use in source.find(name) or ())
            yield name, tuple(dict.fromkeys(uses))
    for source in shown:
        yield from (each for each in source.columns if wanted is not None or each[0].lower() not in shared)


def _own(table: TableName, column: str) -> Uses:
    return (ColumnUse(table, column, IDENTITY),)
