"""A translated expression: its DuckDB text and its Spark type."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlglot import exp

from icefield_sql.lang.quoting import quote_standard_string
from icefield_sql.lang.timed import written
from icefield_sql.lang.types import MAX_PRECISION, Type
from icefield_sql.targets.duckdb.errors import Untranslatable

_ATOMS = (exp.Column, exp.Literal, exp.Var, exp.Boolean, exp.Null, exp.Paren, exp.Subquery, exp.Identifier, exp.Tuple)

MAX_OPERAND = 64 * 1024
"""Longest text of an operand, in characters."""
_INTEGER = re.compile(rf"[0-9]{{1,{MAX_PRECISION}}}")


@dataclass(frozen=True)
class Argument:
    """An expression after translation.

    Args:
        node: the tree of DuckDB's expression.
        type: its type in Spark; None when that is not known.
        wrap: text that an aggregate is put into after FILTER and OVER were appended, with `{}` for the aggregate.
    """

    node: exp.Expr
    type: Type | None = None
    wrap: str | None = None

    @property
    def sql(self) -> str:
        """Its text, safe to stand as an operand.

        Raises:
            Untranslatable: it is too long: what takes an operand may write it several times, at each level.
        """
        text = written(self.node, "duckdb", normalize_functions=False, comments=False)
        if len(text) > MAX_OPERAND:
            raise Untranslatable("an expression in it is too long in DuckDB's SQL.")
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
        if isinstance(node, exp.Literal) and not node.is_string and _INTEGER.fullmatch(node.name):
            return sign * int(node.name)
        return None

    def kind(self, function: str) -> str:
        """Return the kind of its type, which a function of SQL depends on.

        Raises:
            Untranslatable: it is not known.
        """
        if self.type is None:
            raise Untranslatable(f"the type of an argument of {function} is not known.")
        return self.type.kind


def raw(sql: str) -> exp.Var:
    """Return text that is already DuckDB's as a node."""
    return exp.Var(this=sql)


def left_to_spark(what: str) -> str:
    """Return a call of DuckDB's function error() by which a read moves to Spark while it runs.

    Args:
        what: what DuckDB would do otherwise, such as `upper of ß`.
    """
    return failure("NOT_IMPLEMENTED_ERROR", f"DuckDB cannot answer this as Spark would: {what}.")


def failure(code: str, sentence: str) -> str:
    """Return a call of DuckDB's function error(), with an error class and message as Spark has them."""
    return f"error({quote_standard_string(f'[{code}] {sentence}')})"
