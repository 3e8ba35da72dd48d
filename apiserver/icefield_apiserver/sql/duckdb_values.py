"""Expressions of Spark SQL as DuckDB writes them, where both are known to mean the same."""

from __future__ import annotations

from collections.abc import Mapping

from sqlglot import exp

from .model import Column

_SAME = frozenset(
    [
        "abs",
        "avg",
        "coalesce",
        "count",
        "max",
        "min",
        "sum",
        "lower",
        "upper",
        "length",
        "row_number",
        "rank",
        "dense_rank",
    ]
)


class Untranslatable(Exception):  # noqa: N818
    """DuckDB would not answer as Spark does; the text says what of the statement is the reason."""


def translate(tree: exp.Expr, tables: Mapping[int, tuple[Column, ...] | None]) -> exp.Expr:
    """Return a tree with its expressions rewritten; `tables` has the columns of its tables by the id of their node.

    Raises:
        Untranslatable: it has something that is not known to mean the same on DuckDB.
    """
    for node in tree.find_all(exp.Anonymous):
        if node.name.lower() not in _SAME:
            raise Untranslatable(f"the function {node.name} is not known to be the same on DuckDB.")
    return tree
