"""A statement as Spark is given it: its own tokens, with names in their full form and projections named."""

from __future__ import annotations

from sqlglot import exp

from .dialect import TAIL
from .lexing import Edits, quote, quoted, write
from .names import TableName
from .projections import implicit_name, unnamed
from .resolve import Resolved
from .scoping import TableRef
from .statement import Statement


def to_spark(resolved: Resolved, statement: Statement, row_limit: int | None = None) -> str:
    """Return the statement in Spark SQL.

    Args:
        resolved: what the catalog has.
        statement: the statement, or the one inside an EXPLAIN.
        row_limit: how many rows are wanted at most, for a query.
    """
    edits = Edits(dict(statement.edits.replaced), dict(statement.edits.inserted))
    for ref in statement.found.tables:
        start, end = ref.span
        edits.replace(start, end, quoted((statement.names.catalog, *_parts(ref, resolved))))
        if ref.label and "." in ref.label and not ref.node.args.get("version"):
            edits.insert_after(end, f" AS {quote(ref.label)}")
    for column in statement.found.columns:
        start, end = column.span
        edits.replace(start, end, quote(column.ref.label or column.ref.name.name))
    if statement.tree is not None:
        for _, node in unnamed(statement.tree):
            if TAIL in node.meta:
                edits.insert_after(node.meta[TAIL], f" AS {quote(implicit_name(node))}")
    text = write(statement.source, edits) + statement.tail
    if row_limit is not None and can_limit(statement.tree):
        text += f"\nLIMIT {row_limit}"
    return text


def can_limit(tree: exp.Expr | None) -> bool:
    """Say whether a LIMIT can be added at the end of a query without changing which rows come first."""
    if not isinstance(tree, exp.Select | exp.SetOperation | exp.Subquery):
        return False
    return not any(tree.args.get(key) for key in ("limit", "offset", "fetch"))


def _parts(ref: TableRef, resolved: Resolved) -> tuple[str, ...]:
    """Return the full name below the catalog; a metadata table's when the table itself does not exist."""
    if is_metadata(ref, resolved):
        base = ref.base
        assert base is not None  # noqa: S101 - what is_metadata says
        return (*base.namespace, base.name, ref.name.name.lower())
    return (*ref.name.namespace, ref.name.name)


def is_metadata(ref: TableRef, resolved: Resolved) -> bool:
    """Say whether a name means what Iceberg knows of a table, such as `demo.orders.snapshots`."""
    return ref.base is not None and ref.name not in resolved.objects and ref.base in resolved.objects


def meant(ref: TableRef, resolved: Resolved) -> TableName:
    """Return the table of the catalog that a name means, for lineage."""
    return ref.base if ref.base is not None and is_metadata(ref, resolved) else ref.name
