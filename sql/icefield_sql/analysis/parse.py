"""The one parse of a statement: is it allowed, what does it do, which tables does it name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlglot import exp
from sqlglot.dialects.dialect import Dialect
from sqlglot.errors import ErrorLevel, ParseError, TokenError
from sqlglot.tokenizer_core import Token, TokenType

from icefield_sql.lang import planning_time
from icefield_sql.lang.cursor import Cursor
from icefield_sql.lang.dialects import Icefield, OwnDuckDB
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.lexing import Edits, SourceText, check_characters, lex
from icefield_sql.lang.literals import Params
from icefield_sql.lang.names import Names, TableName

from . import allowed, bulk, commands, heads
from .balance import balance
from .model import Kind
from .procedures import call
from .scoping import Found, find
from .show import describe, show
from .statement import Statement

PARSE_SECONDS = 1.0
"""How long one text may be read: bound, split into words, parsed and searched for names; in the time of its thread."""
_QUERIES = ("SELECT", "WITH", "VALUES", "TABLE", "(")
_BEFORE_QUERY = (TokenType.L_PAREN, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.ALL)
_READERS = {**commands.READERS, "CALL": call, "SHOW": show, "DESCRIBE": describe, "DESC": describe}
_CHANGES = {exp.Update: "UPDATE", exp.Delete: "DELETE", exp.Merge: "MERGE"}


def parse(text: str, names: Names, *, dialect: str = "icefield", params: Params = None) -> Statement:
    """Return the statement of a text, checked against what is allowed.

    Args:
        text: one statement; comments and trailing semicolons are fine.
        names: how its names are read.
        dialect: `icefield`, or `duckdb` for a read in DuckDB's own SQL.
        params: values for `?` (a list) or for `:name` (a dict).

    Raises:
        TakesTooLong: reading it takes more than a second of its thread's time, or than its caller has left.
        SqlError: it does not parse or is not allowed.
    """
    with planning_time.refused_after(PARSE_SECONDS):
        return _parse_in(dialect, text, names, params)


def _parse_in(dialect: str, text: str, names: Names, params: Params) -> Statement:
    check_characters(text)
    if dialect == "duckdb":
        return _own(lex(text, params, dialect), names)
    if dialect != "icefield":
        raise SqlError(f"The dialect {dialect} is not known; it is icefield or duckdb.")
    if params is None and (rows := bulk.split(text)) is not None:
        return replace(_parse(lex(rows.head), names), tail=rows.tail, texts=rows.texts)
    return _parse(lex(text, params), names)


def _parse(source: SourceText, names: Names) -> Statement:
    cursor = Cursor(source)
    word = cursor.word()
    if word in _QUERIES:
        return _query(source, names)
    if word in ("UPDATE", "DELETE", "MERGE"):
        return _change(source, names)
    if word in ("INSERT", "CREATE"):
        return _headed(cursor, names)
    if word == "EXPLAIN":
        return _explain(cursor, names)
    if reader := _READERS.get(word):
        return reader(cursor, names)
    raise SqlError(allowed.refusal(word or source.tokens[0].text))


def _own(source: SourceText, names: Names) -> Statement:
    """Parse a read in DuckDB's own SQL."""
    if Cursor(source).word() not in (*_QUERIES, "FROM"):
        raise SqlError("Only queries can be written in DuckDB's dialect; write changes in Spark SQL.")
    tree = parse_tree(source, 0, OwnDuckDB())
    if not isinstance(tree, exp.Query | exp.Values):
        raise SqlError("Only queries can be written in DuckDB's dialect; write changes in Spark SQL.")
    found = find(tree, names)
    reads = _unique(found, written=False)
    return Statement(source, names, Kind.READ, "SELECT", reads, tree=tree, found=found, dialect="duckdb")


def _query(source: SourceText, names: Names) -> Statement:
    tree = parse_tree(source, 0)
    if not isinstance(tree, exp.Query | exp.Values):
        raise SqlError("A statement that begins with WITH is a query; write INSERT INTO … WITH … SELECT.")
    found = find(tree, names)
    return Statement(source, names, Kind.READ, "SELECT", _unique(found, written=False), tree=tree, found=found)


def _change(source: SourceText, names: Names) -> Statement:
    tree = parse_tree(source, 0)
    command = next((name for kind, name in _CHANGES.items() if isinstance(tree, kind)), None)
    if command is None:
        raise SqlError(allowed.refusal(source.tokens[0].text))
    found = find(tree, names)
    writes = _unique(found, written=True)
    return Statement(
        source,
        names,
        Kind.WRITE,
        command,
        _unique(found, written=False),
        writes,
        tree=tree,
        found=found,
        must_exist=writes,
    )


def _headed(cursor: Cursor, names: Names) -> Statement:
    edits = Edits()
    head = heads.insert(cursor, names, edits) if cursor.at("INSERT") else heads.create(cursor, names, edits)
    writes = (head.target,) if head.target else ()
    exist = writes if head.must_exist else ()
    source = cursor.source
    if head.body is None:
        made = head.namespace
        return Statement(
            source, names, Kind.WRITE, head.command, (), writes, edits=edits, must_exist=exist, created_namespace=made
        )
    tree = parse_tree(source, head.body)
    if not isinstance(tree, exp.Query | exp.Values):
        raise SqlError(f"{head.command} needs a query.")
    found = find(tree, names)
    reads = _unique(found, written=False)
    command = f"{head.command} AS SELECT" if head.command == "CREATE TABLE" else head.command
    return Statement(
        source,
        names,
        Kind.WRITE,
        command,
        reads,
        writes,
        tree=tree,
        found=found,
        edits=edits,
        body=head.body,
        must_exist=exist,
        columns=head.columns,
        columns_end=head.columns_end,
        texts=bulk.texts_of(tree),
    )


def _explain(cursor: Cursor, names: Names) -> Statement:
    """Parse what an EXPLAIN is about; it runs nothing, whatever that is."""
    cursor.expect("EXPLAIN")
    if cursor.at("ANALYZE"):
        raise SqlError("EXPLAIN ANALYZE is not supported.")
    cursor.take_any("EXTENDED", "FORMATTED", "CODEGEN", "COST", "LOGICAL")
    source = cursor.source
    inner = _parse(SourceText(source.text, source.tokens[cursor.index :]), names) if not cursor.done else None
    if inner is None or inner.kind not in (Kind.READ, Kind.WRITE):
        raise SqlError("EXPLAIN needs a query or a change to explain.")
    reads = tuple(dict.fromkeys((*inner.reads, *inner.writes)))
    return Statement(source, names, Kind.METADATA, "EXPLAIN", reads, explained=inner)


def parse_tree(source: SourceText, first: int, dialect: Dialect | None = None) -> exp.Expr:
    """Return the tree of a statement's tokens from `first` on, checked against what is allowed.

    Raises:
        SqlError: it does not parse or is not allowed.
    """
    tokens = _without_table_queries(source.tokens[first:])
    if not tokens:
        raise SqlError("The statement ends where a query is expected.")
    try:
        parser = (dialect or Icefield()).parser(error_level=ErrorLevel.IMMEDIATE)
        trees = parser.parse(tokens, source.text)
    except SqlError:
        raise
    except (ParseError, TokenError) as error:
        raise SqlError(_sentence(error)) from None
    except (ValueError, TypeError, AttributeError, LookupError):
        raise SqlError("The statement cannot be parsed.") from None  # the grammar stumbles over some odd texts
    if len(trees) != 1 or trees[0] is None:
        raise SqlError("The statement cannot be parsed.")
    allowed.check(trees[0], own=dialect is not None)
    balance(trees[0])
    return trees[0]


def _without_table_queries(tokens: Sequence[Token]) -> list[Token]:
    """Return tokens with a query `TABLE name` written as `SELECT * FROM name`, which the grammar knows."""
    out: list[Token] = []
    for token in tokens:
        if token.token_type == TokenType.TABLE and (not out or out[-1].token_type in _BEFORE_QUERY):
            for kind, text in ((TokenType.SELECT, "SELECT"), (TokenType.STAR, "*"), (TokenType.FROM, "FROM")):
                out.append(Token(kind, text, token.line, token.col, token.start, token.end))
        else:
            out.append(token)
    return out


def _sentence(error: ParseError | TokenError) -> str:
    details = getattr(error, "errors", None)
    if not details:
        return "The statement cannot be parsed."
    first = details[0]
    near = (first.get("highlight") or "").strip()
    at = f"Line {first.get('line')}, column {first.get('col')}"
    reason = str(first.get("description") or "it cannot be parsed").rstrip(".")
    return f"{at}: {reason}{f', near {near!r}' if near else ''}."


def _unique(found: Found, *, written: bool) -> tuple[TableName, ...]:
    return tuple(dict.fromkeys(ref.name for ref in found.tables if ref.written is written))
