"""A statement for Spark: its own tokens, with names in their full form and projections named."""

from __future__ import annotations

from icefield_sql.analysis.model import Column, Table, View
from icefield_sql.analysis.resolve import Resolved, table_meant
from icefield_sql.analysis.statement import Statement
from icefield_sql.lang.lexing import Edits, write
from icefield_sql.lang.quoting import quote, quote_all
from icefield_sql.targets.rewriting import can_limit, name_projections

from .assignment import cast_assignments, selected, spark_type
from .names import write_names


def to_spark(resolved: Resolved, statement: Statement, row_limit: int | None = None) -> str:
    """Return the statement in Spark SQL.

    Args:
        resolved: what the catalog has.
        statement: the statement, or the one inside an EXPLAIN.
        row_limit: how many rows are wanted at most, for a query.
    """
    edits = Edits(dict(statement.edits.replaced), dict(statement.edits.inserted))
    write_names(resolved, statement, edits)
    if statement.tree is not None:
        name_projections(statement.tree, edits)
    if statement.writes:
        _name_branch(resolved, statement, edits)
    target = resolved.objects.get(table_meant(statement.writes[0], resolved)) if statement.writes else None
    if statement.kind_word and isinstance(target, View):
        edits.replace(*statement.kind_word, "VIEW")
    if isinstance(target, Table):
        cast_assignments(statement.tree, target, statement.source, edits)
        missing, chosen = _missing_columns(target, statement), selected(statement, target)
        if missing or chosen:
            return _completed(statement, edits, missing, chosen)
    text = write(statement.source, edits) + statement.tail
    if row_limit is not None and can_limit(statement.tree):
        text += f"\nLIMIT {row_limit}"
    return text


def _name_branch(resolved: Resolved, statement: Statement, edits: Edits) -> None:
    """Write the target of an INSERT as the branch of a table, where it is one."""
    name, catalog = statement.writes[0], statement.names.catalog
    base = table_meant(name, resolved)
    if base == name:
        return
    as_table = quote_all((catalog, *name.namespace, name.name))
    as_branch = quote_all((catalog, *base.namespace, base.name, name.name))
    for start, (end, text) in list(edits.replaced.items()):
        if text == as_table:
            edits.replace(start, end, as_branch)


def _missing_columns(target: Table, statement: Statement) -> list[Column]:
    """Return the columns that an INSERT leaves out; Spark has no data for those of an Iceberg table by itself."""
    if statement.columns is None:
        return []
    given = {name.lower() for name in statement.columns}
    known = {column.name.lower() for column in target.columns}
    missing = [column for column in target.columns if column.name.lower() not in given]
    return missing if given <= known and all(column.nullable and spark_type(column) for column in missing) else []


def _completed(statement: Statement, edits: Edits, missing: list[Column], chosen: list[str] | None) -> str:
    """Return an INSERT with what is chosen of its rows, and NULL for the columns that it leaves out."""
    if missing:
        edits.insert_after(statement.columns_end, "".join(f", {quote(column.name)}" for column in missing))
    nulls = "".join(f", CAST(NULL AS {spark_type(column)})" for column in missing)
    head = write(statement.source, edits, 0, statement.body)
    body = write(statement.source, edits, statement.body)
    return f"{head} SELECT {', '.join(chosen or ['*'])}{nulls} FROM ({body}{statement.tail})"  # noqa: S608 - written by us
