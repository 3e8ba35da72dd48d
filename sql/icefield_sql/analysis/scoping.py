"""Which names in a parsed statement are tables of the catalog, and which are only names inside the statement.

A name without a database is a common table expression where one of that name is in sight (Spark's rule: compared
without case, visible after its own definition, inner ones before outer ones). Everything else is a table of the
catalog.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

from sqlglot import exp

from icefield_sql.lang import planning_time
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.names import METADATA_TABLES, Names, TableName, reference_in

from .files.calls import FileRef, file_ref, is_file_call

T = TypeVar("T")

_SCOPES = (exp.Select, exp.Update, exp.Delete, exp.Merge)


@dataclass(frozen=True)
class TableRef:
    """A place where a statement names a table.

    `base` is the table whose metadata table, branch or tag is meant when `name` itself does not exist
    (`demo.orders.snapshots`, `demo.orders.branch_audit`).
    `label` is what columns of it are qualified with; None where the statement gives an alias.
    """

    node: exp.Table
    name: TableName
    base: TableName | None
    label: str | None
    written: bool = False

    @property
    def span(self) -> tuple[int, int]:
        """Where the name is in the statement's text."""
        return _span(list(self.node.parts))


@dataclass(frozen=True)
class ColumnRef:
    """A column qualified with its table's database; `length` parts of it name the table `ref`."""

    node: exp.Expr
    parts: tuple[exp.Identifier, ...]
    length: int
    ref: TableRef

    @property
    def span(self) -> tuple[int, int]:
        """Where the part that names the table is in the statement's text."""
        return _span(list(self.parts[: self.length]))


@dataclass
class Found:
    """The tables of the catalog that a statement names, the columns that repeat their names, and the files it reads."""

    tables: list[TableRef] = field(default_factory=list)
    columns: list[ColumnRef] = field(default_factory=list)
    files: list[FileRef] = field(default_factory=list)


@dataclass
class _Scope:
    parent: _Scope | None
    refs: list[TableRef] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)


class _Visit(NamedTuple):
    """A node to be visited, with the common table expressions in sight and the SELECT around it."""

    node: exp.Expr
    ctes: frozenset[str]
    scope: _Scope | None
    is_with_done: bool = False


def find(tree: exp.Expr, names: Names) -> Found:
    """Return the tables of the catalog that a statement names.

    Raises:
        SqlError: a name can mean no table of this workspace.
    """
    walker = _Walker(names)
    walker.visit(tree)
    return walker.found


def metadata_base(parts: list[str], names: Names) -> TableName | None:
    """Return the table whose metadata table, branch or tag dotted parts may mean."""
    if len(parts) < 2 or (parts[-1].lower() not in METADATA_TABLES and reference_in(parts[-1]) is None):
        return None
    if len(parts) == 2 and (names.schema is None or names.is_catalog(parts[0])):
        return None
    return names.table(parts[:-1])


def meanings(parts: list[str], names: Names) -> tuple[TableName, TableName | None]:
    """Return the table that dotted parts mean, and that whose metadata table, branch or tag they mean without it.

    Raises:
        SqlError: they can mean no table of this workspace.
    """
    base = metadata_base(parts, names)
    if base is not None and len(parts) > 3 and not _fits(parts, names):
        last = parts[-1] if reference_in(parts[-1]) else parts[-1].lower()
        return TableName((*base.namespace, base.name), last), base
    return names.table(parts), base


class _Walker:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.found = Found()

    def visit(self, tree: exp.Expr) -> None:
        """Visit a whole tree without recursion: a chain of thousands of operators is as deep as it is long."""
        pending = [_Visit(tree, frozenset(), None)]
        for visit in planning_time.checked(_popped(pending)):
            with_ = visit.node.args.get("with_")
            if with_ and not visit.is_with_done:
                ctes, bodies = _with_visits(with_, visit)
                pending += [_Visit(visit.node, ctes, visit.scope, is_with_done=True), *reversed(bodies)]
                continue
            pending += reversed(self._visit(visit, with_))

    def _visit(self, visit: _Visit, with_: exp.Expr | None) -> list[_Visit]:
        """Note what one node names, and return the visits of what is in it."""
        node, ctes, scope = visit.node, visit.ctes, visit.scope
        if is_file_call(node):
            assert isinstance(node, exp.Table)  # noqa: S101 - what is_file_call says
            self.found.files.append(file_ref(node))
            return [_Visit(join, ctes, scope) for join in node.args.get("joins") or ()]
        if isinstance(node, _SCOPES):
            scope = self._scope_of(node, ctes, scope)
        if isinstance(node, exp.Column | exp.Dot) and scope is not None:
            self._column(node, scope)
            if isinstance(node, exp.Dot) and _identifiers(node):
                return []
        return [_Visit(child, ctes, scope) for child in _children(node) if child is not with_]

    def _scope_of(self, node: exp.Expr, ctes: frozenset[str], parent: _Scope | None) -> _Scope:
        scope = _Scope(parent)
        target = node.this if isinstance(node, exp.Update | exp.Delete | exp.Merge) else None
        named = [table for table in _sources(node) if isinstance(table, exp.Table) and _is_name(table)]
        tables = [table for table in named if not _is_cte(table, ctes)]
        scope.labels = {(table.alias or table.name).lower() for table in named}
        bare = Counter(table.parts[-1].name.lower() for table in tables if not table.alias)
        for table in planning_time.checked(tables):
            parts = [part.name for part in table.parts]
            label = None
            if not table.alias:
                label = parts[-1] if bare[parts[-1].lower()] < 2 else ".".join(parts)
            try:
                ref = self._ref(table, parts, label, table is target)
            except SqlError as error:
                raise SqlError(error.sentence, _span(list(table.parts))[0]) from None
            scope.refs.append(ref)
            self.found.tables.append(ref)
        return scope

    def _ref(self, table: exp.Table, parts: list[str], label: str | None, written: bool) -> TableRef:
        name, base = meanings(parts, self.names)
        return TableRef(table, name, base, label, written)

    def _column(self, node: exp.Expr, scope: _Scope) -> None:
        parts = _identifiers(node)
        star = isinstance(node, exp.Column) and isinstance(node.this, exp.Star)
        if len(parts) < (2 if star else 3):
            return
        at: _Scope | None = scope
        while at is not None:
            if parts[0].name.lower() in at.labels:
                return  # the alias of a table, then a column of it, then fields of that
            for ref in planning_time.checked(at.refs):
                if ref.label and (length := self._prefix(parts, ref, len(parts) + star)):
                    self.found.columns.append(ColumnRef(node, tuple(parts), length, ref))
                    return
            at = at.parent

    def _prefix(self, parts: list[exp.Identifier], ref: TableRef, end: int) -> int:
        written = [part.name.lower() for part in ref.node.parts]
        for length in range(2, end):
            prefix = [part.name for part in parts[:length]]
            lowered = [part.lower() for part in prefix]
            if lowered == written[-length:]:
                return length
            if prefix[-1].lower() == ref.name.name.lower() and _fits(prefix, self.names):
                meant = self.names.table(prefix)
                if str(meant).lower() == str(ref.name).lower():
                    return length
        return 0


def _popped(pending: list[T]) -> Iterator[T]:
    """Yield the last of a list until it is empty; more may be put into it meanwhile."""
    while pending:
        yield pending.pop()


def _with_visits(with_: exp.With, visit: _Visit) -> tuple[frozenset[str], list[_Visit]]:
    """Return the common table expressions in sight after a WITH, and the visits of their queries."""
    ctes, bodies = visit.ctes, []
    for cte in with_.expressions:
        name = cte.alias.lower()
        bodies.append(_Visit(cte.this, ctes | {name} if with_.args.get("recursive") else ctes, visit.scope))
        ctes = ctes | {name}
    return ctes, bodies


def _fits(parts: list[str], names: Names) -> bool:
    rest = parts[1:] if names.is_catalog(parts[0]) else parts
    return 2 <= len(rest) <= 3


def _children(node: exp.Expr) -> Iterator[exp.Expr]:
    for value in node.args.values():
        for item in value if isinstance(value, list) else (value,):
            if isinstance(item, exp.Expr):
                yield item


def _sources(node: exp.Expr) -> Iterator[exp.Expr]:
    """Yield what is directly in FROM, JOIN, USING or as the target of a statement, through parentheses."""
    first = [node.args.get("from_"), *(node.args.get("joins") or [])]
    pending = deque(item.this for item in first if item is not None)
    if not isinstance(node, exp.Select):
        pending.appendleft(node.this)
        pending += [item for item in [node.args.get("using")] if isinstance(item, exp.Expr)]
    while pending:
        source = pending.popleft()
        yield source
        if isinstance(source, exp.Subquery | exp.Paren) and isinstance(source.this, exp.Table | exp.Subquery):
            pending.append(source.this)
        if isinstance(source, exp.Table | exp.Subquery):
            pending += [join.this for join in source.args.get("joins") or []]


def _is_name(table: exp.Table) -> bool:
    return isinstance(table.this, exp.Identifier | exp.Dot)


def _is_cte(table: exp.Table, ctes: frozenset[str]) -> bool:
    return len(table.parts) == 1 and table.name.lower() in ctes


def _identifiers(node: exp.Expr) -> list[exp.Identifier]:
    """Return the identifiers of a dotted name, or nothing when the node is something else."""
    if isinstance(node, exp.Column):
        keys = ("catalog", "db", "table") if isinstance(node.this, exp.Star) else ("catalog", "db", "table", "this")
        parts = [node.args.get(key) for key in keys]
        found = [part for part in parts if part is not None]
        return found if all(isinstance(part, exp.Identifier) for part in found) else []
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        head = _identifiers(node.this)
        return [*head, node.expression] if head else []
    return []


def _span(parts: list[exp.Expr]) -> tuple[int, int]:
    return parts[0].meta["start"], parts[-1].meta["end"]
