"""What the columns in a query are: their types, followed from tables through subqueries to where they are used."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlglot import exp

from icefield_sql.lang.types import Type

Columns = tuple[tuple[str, Type | None], ...]
"""Names and types in order; None in place of it when they are not known."""


@dataclass
class FromItem:
    """Something in FROM, with what its columns are qualified with."""

    label: str
    columns: Columns | None


@dataclass
class Scope:
    """What the names in one SELECT can mean.

    Args:
        parent: the query around it, which a correlated one may name columns of.
        ctes: the common table expressions in sight, by lower-case name.
        sources: the items of FROM.
        variables: the parameters of lambdas in sight.
        aliases: what the projections are called; ORDER BY, GROUP BY and HAVING may use it.
    """

    parent: Scope | None = None
    ctes: dict[str, Columns | None] = field(default_factory=dict)
    sources: list[FromItem] = field(default_factory=list)
    variables: dict[str, Type | None] = field(default_factory=dict)
    aliases: dict[str, Type | None] = field(default_factory=dict)

    def column(self, name: str, label: str | None) -> tuple[str, Type | None] | None:
        """Return the name as it is declared and the type of a column; None when it is not known."""
        scope: Scope | None = self
        while scope is not None:
            if label is None and name.lower() in scope.variables:
                return name, scope.variables[name.lower()]
            found = [
                column
                for source in scope.sources
                if label is None or source.label.lower() == label.lower()
                for column in source.columns or ()
                if column[0].lower() == name.lower()
            ]
            if found:
                return found[0]
            if label is None and name.lower() in scope.aliases:
                return name, scope.aliases[name.lower()]
            if any(source.columns is None for source in scope.sources):
                return None
            scope = scope.parent
        return None

    def has_label(self, label: str) -> bool:
        """Return whether something in FROM, here or around, has this label."""
        scope: Scope | None = self
        while scope is not None:
            if any(source.label.lower() == label.lower() for source in scope.sources):
                return True
            scope = scope.parent
        return False


def renamed(columns: Columns | None, names: Iterable[str]) -> Columns | None:
    """Return columns under other names, as `AS t(a, b)` gives them."""
    given = list(names)
    if not given:
        return columns
    if columns is None or len(columns) != len(given):
        return tuple((name, None) for name in given)
    return tuple((name, kind) for name, (_, kind) in zip(given, columns, strict=True))


def alias_columns(node: exp.Expr) -> list[str]:
    """Return the names of columns that a table's alias gives."""
    alias = node.args.get("alias")
    return [column.name for column in alias.args.get("columns") or ()] if isinstance(alias, exp.TableAlias) else []
