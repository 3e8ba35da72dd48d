"""Names in a statement for Spark: tables in their full form, and in place of a view its query, in our words.

Spark would read a view's text as the catalog has it, which any client of the catalog may have written.
"""

from __future__ import annotations

from bisect import bisect_left

from sqlglot.tokenizer_core import TokenType

from icefield_sql.analysis.model import View
from icefield_sql.analysis.resolve import Resolved, is_metadata, reference_of
from icefield_sql.analysis.scoping import TableRef
from icefield_sql.analysis.statement import Statement
from icefield_sql.analysis.views import columns_of
from icefield_sql.lang import planning_time
from icefield_sql.lang.lexing import Edits, write
from icefield_sql.lang.names import TableName
from icefield_sql.lang.quoting import quote, quote_all
from icefield_sql.targets.rewriting import name_projections


def write_names(resolved: Resolved, statement: Statement, edits: Edits) -> None:
    """Write the names in a statement for Spark. A new view keeps the names of the views in it, which may change.

    Args:
        resolved: what the catalog has; its views have been checked (analysis/expansion.py).
        statement: the statement, or the query of a view.
        edits: what is different in its text for Spark.
    """
    for ref in planning_time.checked(statement.found.tables):
        is_view = isinstance(resolved.objects.get(ref.name), View) and not is_metadata(ref, resolved)
        if is_view and not ref.written and statement.command != "CREATE VIEW":
            _write_view(resolved, statement, ref, edits)
        else:
            _write_table(resolved, statement, ref, edits)
    for column in statement.found.columns:
        start, end = column.span
        edits.replace(start, end, quote(column.ref.label or column.ref.name.name))


def _write_table(resolved: Resolved, statement: Statement, ref: TableRef, edits: Edits) -> None:
    start, end = ref.span
    edits.replace(start, end, quote_all((statement.names.catalog, *_parts(ref, resolved))))
    is_relabelled = ref.label is not None and ref.label.lower() != ref.name.name.lower()
    if ref.label and is_relabelled and not ref.node.args.get("version"):
        edits.insert_after(end, f" AS {quote(ref.label)}")


def _write_view(resolved: Resolved, statement: Statement, ref: TableRef, edits: Edits) -> None:
    start, end = ref.span
    text = f"({_query(resolved, ref.name)})"
    if ref.label:
        text = f"{text} AS {quote(ref.label)}"
        if ref.node.args.get("sample"):
            text = f"({text})"  # TABLESAMPLE stands before an alias, but after a relation in parentheses
    edits.replace(start, end, text)
    tokens = statement.source.tokens
    index = bisect_left(tokens, start, key=lambda token: token.start)
    if index and tokens[index - 1].token_type == TokenType.TABLE:
        before = tokens[index - 1]
        edits.replace(before.start, before.end, "SELECT * FROM")


def _query(resolved: Resolved, name: TableName) -> str:
    """Return the query of a view, with the columns that the view yields."""
    view, inner = resolved.objects[name], resolved.views[name]
    assert isinstance(view, View)  # noqa: S101 - what has a query
    edits = Edits()
    write_names(resolved, inner, edits)
    if inner.tree is not None:
        name_projections(inner.tree, edits)
    text = write(inner.source, edits)
    yielded = columns_of(view, inner)
    if yielded is None:
        return text
    if yielded.sources is None:
        return f"SELECT * FROM ({text}) AS _v({', '.join(map(quote, yielded.names))})"  # noqa: S608 - text of ours
    pairs = zip(yielded.sources, yielded.names, strict=True)
    chosen = ", ".join(f"{quote(source)} AS {quote(name)}" for source, name in pairs)
    return f"SELECT {chosen} FROM ({text}) AS _v"  # noqa: S608 - text of ours


def _parts(ref: TableRef, resolved: Resolved) -> tuple[str, ...]:
    """Return the full name below the catalog; a metadata table's or branch's when the table itself does not exist."""
    if is_metadata(ref, resolved):
        base = ref.base
        assert base is not None  # noqa: S101 - what is_metadata says
        return (*base.namespace, base.name, ref.name.name.lower())
    if reference_of(ref, resolved) is not None and ref.base is not None:
        return (*ref.base.namespace, ref.base.name, ref.name.name)
    return (*ref.name.namespace, ref.name.name)
