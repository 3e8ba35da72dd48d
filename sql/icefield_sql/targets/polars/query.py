"""A query for Polars: an alias for each table, and the text with these aliases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from icefield_sql.analysis.model import View
from icefield_sql.analysis.resolve import Resolved, is_metadata, reference_of
from icefield_sql.analysis.scoping import TableRef
from icefield_sql.analysis.statement import Statement
from icefield_sql.lang.lexing import Edits, replace_spans, write
from icefield_sql.lang.names import TableName
from icefield_sql.lang.quoting import quote, quote_standard_string
from icefield_sql.targets.rewriting import name_projections

_MAX_ALIAS = 120
_NOT_IN_ALIAS = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True)
class PolarsLimits:
    """What a Polars workload can hold.

    Attributes:
        table_pattern: regular expression of the names that its tables may have.
        max_length: longest query, in characters.
        max_tables: most tables.
    """

    table_pattern: str
    max_length: int = 65536
    max_tables: int = 100


@dataclass(frozen=True)
class BoundTable:
    """A table, and its alias in the text."""

    alias: str
    table: TableName


@dataclass(frozen=True)
class PolarsQuery:
    """The query of a Polars workload."""

    text: str
    tables: tuple[BoundTable, ...]


def polars_obstacle(resolved: Resolved, statement: Statement, limits: PolarsLimits) -> str | None:
    """Return the reason, as a sentence, why Polars cannot run a query; None when it can.

    Args:
        resolved: what the catalog has.
        statement: the query.
        limits: what a Polars workload may have.
    """
    if not statement.found.tables:
        return "A query for Polars needs a table, and this one names none."
    count = len({ref.name for ref in statement.found.tables})
    if count > limits.max_tables:
        return f"The query names {count} tables; Polars can read at most {limits.max_tables} in one query."
    for ref in statement.found.tables:
        if isinstance(resolved.objects.get(ref.name), View):
            return f"Polars cannot read the view {ref.name}."
        if is_metadata(ref, resolved):
            return f"Polars cannot read {ref.base}.{ref.name.name}, which is a metadata table."
        if reference_of(ref, resolved) is not None:
            return f"Polars cannot read {ref.name}, which is a branch or tag of {ref.base}."
        if ref.node.args.get("version"):
            return f"Polars cannot read an earlier version of {ref.name}."
        if not re.fullmatch(limits.table_pattern, str(ref.name)):
            return f"Polars cannot read the table {ref.name}: its name has characters that a workload cannot name."
    length = len(to_polars(statement).text)
    if length > limits.max_length:
        return f"The query has {length} characters; Polars can run at most {limits.max_length}."
    return None


def to_polars(statement: Statement) -> PolarsQuery:
    """Return a query for Polars, to which there is no obstacle.

    What is written in DuckDB's dialect, which spells strings as Polars does, is unchanged but for the tables' names.
    """
    aliases = _aliases(statement)
    edits = Edits()
    for ref in statement.found.tables:
        start, end = ref.span
        edits.replace(start, end, quote(aliases[ref.name]) + (f" AS {quote(ref.label)}" if ref.label else ""))
    for column in statement.found.columns:
        start, end = column.span
        edits.replace(start, end, quote(column.ref.label or column.ref.name.name))
    if statement.dialect == "duckdb":
        text = replace_spans(statement.source.text, edits)
    else:
        if statement.tree is not None:
            name_projections(statement.tree, edits)
        text = write(statement.source, edits, spell=_spelled)
    return PolarsQuery(text, tuple(BoundTable(alias, name) for name, alias in aliases.items()))


def _aliases(statement: Statement) -> dict[TableName, str]:
    """Return an alias for each table, which nothing else in the statement has as its name."""
    taken = _names_inside(statement.tree, statement.found.tables)
    aliases: dict[TableName, str] = {}
    for ref in statement.found.tables:
        if ref.name in aliases:
            continue
        plain = _NOT_IN_ALIAS.sub("_", str(ref.name))[:_MAX_ALIAS]
        alias, number = plain, 1
        while alias.lower() in taken:
            number += 1
            alias = f"{plain}_{number}"
        taken.add(alias.lower())
        aliases[ref.name] = alias
    return aliases


def _names_inside(tree: exp.Expr | None, refs: Iterable[TableRef]) -> set[str]:
    """Return the names of a statement's common table expressions and the aliases in it, in lower case."""
    inside = {ref.label.lower() for ref in refs if ref.label}
    if tree is not None:
        inside |= {node.name.lower() for node in tree.find_all(exp.TableAlias) if node.name}
    return inside


def _spelled(token: Token, text: str) -> str:
    """Return a token as Polars reads it back."""
    if token.token_type == TokenType.IDENTIFIER:
        return quote(token.text)
    if token.token_type in (TokenType.STRING, TokenType.RAW_STRING):
        return quote_standard_string(token.text)
    return text[token.start : token.end + 1]
