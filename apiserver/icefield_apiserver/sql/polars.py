"""A query for Polars: each table under an alias of its own, which Polars is told, and the text with these aliases."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from sqlglot import exp
from sqlglot.tokenizer_core import Token, TokenType

from icefield_crds.polars import TABLE_PATTERN

from .lexing import Edits, quote, write
from .model import View
from .names import TableName
from .resolve import Resolved
from .scoping import TableRef
from .spark import is_metadata, name_projections
from .statement import Statement

MAX_LENGTH = 65536
"""Longest query of a workload (icefield_crds.polars)."""
MAX_TABLES = 100
_MAX_ALIAS = 120
_NOT_IN_ALIAS = re.compile(r"[^A-Za-z0-9_]+")


@dataclass(frozen=True)
class BoundTable:
    """A table, and what the text calls it."""

    alias: str
    table: TableName


@dataclass(frozen=True)
class PolarsQuery:
    """A query as a Polars workload has it."""

    text: str
    tables: tuple[BoundTable, ...]


def obstacle(resolved: Resolved, statement: Statement) -> str | None:
    """Say in a sentence why Polars cannot be given a query at all; None when it can.

    Args:
        resolved: what the catalog has.
        statement: the query.
    """
    if not statement.found.tables:
        return "A query for Polars needs a table, and this one names none."
    if len({ref.name for ref in statement.found.tables}) > MAX_TABLES:
        return f"A query for Polars names at most {MAX_TABLES} tables."
    for ref in statement.found.tables:
        if isinstance(resolved.objects.get(ref.name), View):
            return f"Polars cannot read the view {ref.name}."
        if is_metadata(ref, resolved):
            return f"Polars cannot read {ref.base}.{ref.name.name}, which is metadata of a table."
        if ref.node.args.get("version"):
            return f"Polars cannot read an earlier version of {ref.name}."
        if not re.fullmatch(TABLE_PATTERN, str(ref.name)):
            return f"Polars cannot be given the table {ref.name}, because of its name."
    if len(to_polars(statement).text) > MAX_LENGTH:
        return f"A query for Polars has at most {MAX_LENGTH} characters."
    return None


def to_polars(statement: Statement) -> PolarsQuery:
    """Return a query for Polars, to which there is no obstacle.

    What is written in DuckDB's dialect, which spells texts as Polars does, stays as it is but for the tables' names.
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
        text = replaced(statement.source.text, edits)
    else:
        if statement.tree is not None:
            name_projections(statement.tree, edits)
        text = write(statement.source, edits, spell=_spelled)
    return PolarsQuery(text, tuple(BoundTable(alias, name) for name, alias in aliases.items()))


def qualified(statement: Statement, bound: Iterable[str]) -> str:
    """Return a statement's own text, with tables that its request gave other names named in full.

    Args:
        statement: it was parsed with names that know what the request bound.
        bound: the names that it bound, in lower case.
    """
    edits, wanted = Edits(), frozenset(bound)
    for ref in statement.found.tables:
        parts = [part.name for part in ref.node.parts]
        if len(parts) > 1 or parts[0].lower() not in wanted:
            continue
        label = "" if ref.label is None or ref.node.args.get("version") else f" AS {_quoted(parts[0])}"
        full = ".".join(_quoted(part) for part in (*ref.name.namespace, ref.name.name))
        edits.replace(*ref.span, full + label)
    return replaced(statement.source.text, edits)


def replaced(text: str, edits: Edits) -> str:
    """Return a text with spans of it replaced, and nothing else changed."""
    out, position = [], 0
    for start, (end, new) in sorted(edits.replaced.items()):
        out += [text[position:start], new]
        position = end + 1
    return "".join([*out, text[position:]])


def _aliases(statement: Statement) -> dict[TableName, str]:
    """Return an alias for each table, which nothing else in the statement is called."""
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
    """Return what a statement calls its common table expressions and the tables in it, in lower case."""
    inside = {ref.label.lower() for ref in refs if ref.label}
    if tree is not None:
        inside |= {node.name.lower() for node in tree.find_all(exp.TableAlias) if node.name}
    return inside


def _spelled(token: Token, text: str) -> str:
    """Return a token as Polars reads it back."""
    if token.token_type == TokenType.IDENTIFIER:
        return quote(token.text)
    if token.token_type in (TokenType.STRING, TokenType.RAW_STRING):
        return "'" + token.text.replace("'", "''") + "'"
    return text[token.start : token.end + 1]


def _quoted(identifier: str) -> str:
    return '"' + identifier.replace('"', '""') + '"'
