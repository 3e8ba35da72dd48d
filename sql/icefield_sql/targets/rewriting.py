"""Rewrites that several engines need."""

from __future__ import annotations

from sqlglot import exp

from icefield_sql.analysis.projections import Hidden, implicit_name, is_generator, only_source, unnamed
from icefield_sql.lang.dialects import TAIL
from icefield_sql.lang.lexing import Edits
from icefield_sql.lang.quoting import quote, quote_all


def name_projections(tree: exp.Expr, edits: Edits) -> None:
    """Name the projections of a statement that have no name of their own, the same on every engine."""
    hidden = Hidden()
    for select, node in unnamed(tree):
        name, label = implicit_name(node), only_source(select)
        columns = hidden.by(select, node, name)
        if TAIL not in node.meta or is_generator(node) or (columns and label is None):
            continue
        edits.insert_after(node.meta[TAIL], f" AS {quote(name)}")
        for column in columns:
            identifier = column.this
            edits.replace(identifier.meta["start"], identifier.meta["end"], quote_all((label or "", column.name)))


def put(node: exp.Expr, new: exp.Expr) -> None:
    """Replace a node of a tree in constant time: sqlglot's own replace iterates over the whole list of its siblings."""
    parent, key, index = node.parent, node.arg_key, node.index
    if parent is None or parent is new or key is None or index is None:
        node.replace(new)
        return
    parent.args[key][index] = new
    new.parent, new.arg_key, new.index = parent, key, index
    node.parent = node.arg_key = node.index = None


def can_limit(tree: exp.Expr | None) -> bool:
    """Return whether a LIMIT can be added at the end of a query without changing which rows come first."""
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        return False
    return not any(tree.args.get(key) for key in ("limit", "offset", "fetch"))
