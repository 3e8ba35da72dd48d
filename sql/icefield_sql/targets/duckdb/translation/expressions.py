"""What the parts of the translation ask of each other: expressions, translated where they are in the tree."""

from __future__ import annotations

from typing import Protocol

from sqlglot import exp

from .argument import Argument
from .scopes import Scope


class Expressions(Protocol):
    """Translates expressions (values.Values)."""

    def value(self, node: exp.Expr, scope: Scope) -> Argument:
        """Return an expression, translated."""
        ...

    def child(self, node: exp.Expr, key: str, scope: Scope) -> Argument:
        """Return a part of an expression, translated in place."""
        ...

    def children(self, nodes: list[exp.Expr], scope: Scope) -> list[Argument]:
        """Return expressions, translated in place."""
        ...
