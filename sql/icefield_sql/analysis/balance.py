"""Long chains of AND or OR as trees of little depth: clients write one comparison for each of thousands of keys."""

from __future__ import annotations

from sqlglot import exp

from icefield_sql.lang import planning_time

_LONG = 16
"""Chains of fewer operands stay as they are parsed."""


def balance(tree: exp.Expr) -> None:
    """Make chains of AND and of OR trees of little depth, in place; both are associative, with NULL as well."""
    roots = [
        node for node in planning_time.checked(tree.find_all(exp.And, exp.Or)) if type(node.parent) is not type(node)
    ]
    for root in roots:
        operands = _operands(root)
        if len(operands) > _LONG:
            _rebuild(root, operands)


def _operands(root: exp.Expr) -> list[exp.Expr]:
    """Return what a chain connects, from left to right."""
    operands, pending = [], [root]
    while pending:
        node = pending.pop()
        if type(node) is type(root):
            pending += [node.expression, node.this]
        else:
            operands.append(node)
    return operands


def _rebuild(root: exp.Expr, operands: list[exp.Expr]) -> None:
    connector = type(root)
    while len(operands) > 2:
        pairs = zip(operands[::2], operands[1::2], strict=False)
        last = operands[-1:] if len(operands) % 2 else []
        operands = [*(connector(this=left, expression=right) for left, right in pairs), *last]
    root.set("this", operands[0])
    root.set("expression", operands[1])
