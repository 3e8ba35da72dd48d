"""A translated expression: its DuckDB text and its Spark type."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot import exp

from icefield_apiserver.sql.types import Type

_ATOMS = (exp.Column, exp.Literal, exp.Var, exp.Boolean, exp.Null, exp.Paren, exp.Subquery, exp.Identifier, exp.Tuple)


class Untranslatable(Exception):  # noqa: N818
    """DuckDB would not answer as Spark does; the text says what of the statement is the reason."""


@dataclass(frozen=True)
class Argument:
    """An expression after translation.

    Args:
        node: it, as DuckDB writes it.
        type: what Spark says it is; None when that is not known.
        wrap: what an aggregate has to be wrapped into once its FILTER and OVER are written, with `{}` for it.
        original: it, as it was written; for literals.
    """

    node: exp.Expr
    type: Type | None = None
    wrap: str | None = None

    @property
    def sql(self) -> str:
        """Its text, safe to stand as an operand."""
        text = self.node.sql(dialect="duckdb", normalize_functions=False, comments=False)
        return text if isinstance(self.node, _ATOMS) else f"({text})"

    @property
    def literal(self) -> str | None:
        """The value of a string literal; None for anything else."""
        return self.node.name if isinstance(self.node, exp.Literal) and self.node.is_string else None

    @property
    def integer(self) -> int | None:
        """The value of an integer literal, with its sign; None for anything else."""
        node, sign = self.node, 1
        if isinstance(node, exp.Neg):
            node, sign = node.this, -1
        if isinstance(node, exp.Literal) and not node.is_string and node.name.isdigit():
            return sign * int(node.name)
        return None

    def kind(self, what: str) -> str:
        """Return the kind of its type.

        Raises:
            Untranslatable: it is not known; `what` needs it.
        """
        if self.type is None:
            raise Untranslatable(f"the type of an argument of {what} is not known.")
        return self.type.kind


def raw(sql: str) -> exp.Var:
    """Return text that is already DuckDB's as a node."""
    return exp.Var(this=sql)


def text_literal(value: str) -> str:
    """Return a string literal of DuckDB."""
    return "'" + value.replace("'", "''") + "'"


def failure(code: str, sentence: str) -> str:
    """Return DuckDB's expression that ends a statement with an error, worded as Spark words it."""
    return f"error({text_literal(f'[{code}] {sentence}')})"
