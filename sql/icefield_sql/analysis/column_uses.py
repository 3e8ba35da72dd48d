"""Which columns of tables an expression is made of, and how (OpenLineage, facet columnLineage 1-2-0)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from sqlglot import exp

from icefield_sql.lang import planning_time
from icefield_sql.lang.functions import AGGREGATES
from icefield_sql.lang.names import TableName

IDENTITY, TRANSFORMATION, AGGREGATION = "IDENTITY", "TRANSFORMATION", "AGGREGATION"
FILTER, JOIN, GROUP_BY, SORT, WINDOW, CONDITIONAL = "FILTER", "JOIN", "GROUP_BY", "SORT", "WINDOW", "CONDITIONAL"
_DIRECT = (IDENTITY, TRANSFORMATION, AGGREGATION)


class ColumnUse(NamedTuple):
    """A column that something is made of.

    Attributes:
        table: its table or view.
        column: its name.
        subtype: IDENTITY, TRANSFORMATION or AGGREGATION of what flows; FILTER, JOIN, GROUP_BY, SORT, WINDOW or
            CONDITIONAL of what decides.
    """

    table: TableName
    column: str
    subtype: str

    @property
    def is_direct(self) -> bool:
        """Whether the column's values flow."""
        return self.subtype in _DIRECT


Uses = tuple[ColumnUse, ...]


@dataclass(frozen=True)
class ColumnLineage:
    """What the columns are made of that a statement writes.

    Attributes:
        target: the table or view that it writes.
        fields: the columns with what each is made of, in order.
        deciding: what decides which rows there are, and in which order.
    """

    target: TableName
    fields: tuple[tuple[str, Uses], ...]
    deciding: Uses


class UnknownColumnsError(Exception):
    """What a query's columns are is not known here."""


@dataclass(frozen=True)
class SourceColumns:
    """The columns that something in FROM has, in order, with what each is made of.

    Attributes:
        columns: names and uses.
        is_known: whether these are all.
    """

    columns: tuple[tuple[str, Uses], ...]
    is_known: bool = True

    def find(self, name: str) -> Uses | None:
        """Return what a column is made of, compared without case; None where there is none."""
        return next((uses for column, uses in self.columns if column.lower() == name.lower()), None)


Sight = Sequence[Mapping[str, SourceColumns]]
"""What columns may be of, by names in lower case: that of a query itself, then of those around it."""


def through(uses: Iterable[ColumnUse], subtype: str) -> Iterator[ColumnUse]:
    """Yield uses as they are once what they make is used itself."""
    for use in uses:
        if subtype not in _DIRECT:
            yield use._replace(subtype=subtype)
        elif use.is_direct:
            yield use._replace(subtype=max(use.subtype, subtype, key=_DIRECT.index))
        else:
            yield use


def uses_of(
    node: exp.Expr, sight: Sight, subquery: Callable[[exp.Expr, Sight], Iterable[ColumnUse]], subtype: str = IDENTITY
) -> Uses:
    """Return what an expression is made of, each use once.

    Args:
        node: the expression.
        sight: what its columns may be of.
        subquery: returns what a query in it is made of.
        subtype: how the expression itself is used.
    """
    found: dict[ColumnUse, None] = {}
    pending = [(node, subtype)]
    while pending:
        planning_time.check()
        each, used = pending.pop()
        if isinstance(each, exp.Column):
            found.update(dict.fromkeys(through(_column(each, sight), used)))
        elif isinstance(each, exp.Query) and not isinstance(each, exp.Subquery):
            found.update(dict.fromkeys(through(subquery(each, sight), _at_least(used, TRANSFORMATION))))
        else:
            pending += [(child, _in(each, key, used)) for key, child in _children(each)]
    return tuple(found)


def _children(node: exp.Expr) -> list[tuple[str, exp.Expr]]:
    children: list[tuple[str, exp.Expr]] = []
    for key, value in node.args.items():
        values = value if isinstance(value, list) else [value]
        children += [(key, each) for each in values if isinstance(each, exp.Expr)]
    return children


def _in(node: exp.Expr, key: str, used: str) -> str:
    """Return how a part of an expression is used, given how the expression is."""
    if used not in _DIRECT or isinstance(node, exp.Alias | exp.Paren | exp.Subquery):
        return used
    if isinstance(node, exp.If | exp.Case):
        return CONDITIONAL if key == "this" else used
    if isinstance(node, exp.Window):
        return _at_least(used, TRANSFORMATION) if key == "this" else WINDOW
    if isinstance(node, exp.Filter):
        return CONDITIONAL if key == "expression" else used
    if isinstance(node, exp.Anonymous) and node.name.lower() in AGGREGATES:
        return AGGREGATION
    return _at_least(used, TRANSFORMATION)


def _at_least(used: str, subtype: str) -> str:
    return max(used, subtype, key=_DIRECT.index) if used in _DIRECT else used


def _column(node: exp.Column, sight: Sight) -> Uses:
    """Return what a column is made of: after its table's name, or without one, and maybe with fields after it."""
    parts = [part.name for part in node.parts]
    for sources in sight:
        for position, part in enumerate(parts[:-1]):
            source = sources.get(part.lower())
            if source is not None and (uses := source.find(parts[position + 1])) is not None:
                return uses if position + 2 == len(parts) else tuple(through(uses, TRANSFORMATION))
        for source in sources.values():
            if (uses := source.find(parts[0])) is not None:
                return uses if len(parts) == 1 else tuple(through(uses, TRANSFORMATION))
    return ()
