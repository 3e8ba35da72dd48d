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
from icefield_sql.lang.dialects import Icefield, MisparsedError, OwnDuckDB
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.lexing import Edits, SourceText, check_characters, lex
from icefield_sql.lang.literals import Params
from icefield_sql.lang.names import Names, TableName

from . import allowed, bulk, commands, heads
from .balance import balance
from .files.copy_into import read_copy_into
from .files.copy_to import read_copy_to
from .files.model import FileRead
from .grants import grant
from .misparsed import check_cases, check_commas, misparsed
from .model import Kind
from .procedures import call
from .refusals import statement_refusal
from .scoping import Found, find
from .show import describe, show
from .statement import Statement

PARSE_SECONDS = 1.0
"""How long one text may be read: bound, split into words, parsed and searched for names; in the time of its thread."""
_QUERIES = ("SELECT", "WITH", "VALUES", "TABLE", "(")
_BEFORE_QUERY = (TokenType.L_PAREN, TokenType.UNION, TokenType.EXCEPT, TokenType.INTERSECT, TokenType.ALL)
_READERS = {
    **commands.READERS,
    "GRANT": grant,
    "REVOKE": grant,
    "CALL": call,
    "SHOW": show,
    "DESCRIBE": describe,
    "DESC": describe,
}
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
    if dialect not in ("icefield", "duckdb"):
        raise SqlError(f"The dialect {dialect} is not known; it is icefield or duckdb.")
    rows = bulk.split(text) if params is None and dialect == "icefield" else None
    source = lex(rows.head if rows else text, params, dialect)
    try:
        statement = _own(source, names) if dialect == "duckdb" else _parse(source, names)
    except SqlError as error:
        raise source.placed(error) from None
    return replace(statement, tail=rows.tail, texts=rows.texts, width=rows.width) if rows else statement


def _parse(source: SourceText, names: Names) -> Statement:
    cursor = Cursor(source)
    word = cursor.word()
    if word in _QUERIES:
        return _query(source, names)
    if word in ("UPDATE", "DELETE", "MERGE"):
        return _change(source, names)
    if word in ("INSERT", "CREATE"):
        return _headed(cursor, names)
    if word == "COPY":
        return _copy(cursor, names)
    if word == "EXPLAIN":
        return _explain(cursor, names)
    if reader := _READERS.get(word):
        return reader(cursor, names)
    raise SqlError(statement_refusal(word or source.tokens[0].text), source.tokens[0].start)


def _own(source: SourceText, names: Names) -> Statement:
    """Parse a read in DuckDB's own SQL."""
    if Cursor(source).word() not in (*_QUERIES, "FROM"):
        raise SqlError("Only queries can be written in DuckDB's dialect; write changes in Spark SQL.")
    tree = parse_tree(source, 0, OwnDuckDB())
    if not isinstance(tree, exp.Query | exp.Values):
        raise SqlError("Only queries can be written in DuckDB's dialect; write changes in Spark SQL.")
    found = find(tree, names)
    reads = _unique(found, written=False)
    files = _file_reads(found)
    return Statement(
        source, names, Kind.READ, "SELECT", reads, tree=tree, found=found, dialect="duckdb", file_reads=files
    )


def _query(source: SourceText, names: Names) -> Statement:
    tree = parse_tree(source, 0)
    if not isinstance(tree, exp.Query | exp.Values):
        raise SqlError("A statement that begins with WITH is a query; write INSERT INTO … WITH … SELECT.")
    found = find(tree, names)
    reads, files = _unique(found, written=False), _file_reads(found)
    return Statement(source, names, Kind.READ, "SELECT", reads, tree=tree, found=found, file_reads=files)


def _change(source: SourceText, names: Names) -> Statement:
    tree = parse_tree(source, 0)
    command = next((name for kind, name in _CHANGES.items() if isinstance(tree, kind)), None)
    if command is None:
        raise SqlError(statement_refusal(source.tokens[0].text), source.tokens[0].start)
    found = find(tree, names)
    if found.files:
        raise SqlError(f"{command} cannot read files; load them into a table with COPY INTO first.")
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
        bases={ref.name: ref.base for ref in found.tables if ref.written and ref.base},
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
            source, names, Kind.WRITE, head.command, (), writes, edits=edits, must_exist=exist, changed_namespace=made
        )
    tree = parse_tree(source, head.body)
    if not isinstance(tree, exp.Query | exp.Values):
        raise SqlError(f"{head.command} needs a query.")
    found = find(tree, names)
    reads = _unique(found, written=False)
    command = f"{head.command} AS SELECT" if head.command == "CREATE TABLE" else head.command
    if found.files and head.command == "CREATE VIEW":
        raise SqlError("A view cannot read files, which other engines could not read; make a table of them.")
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
        bases={head.target: head.base} if head.target and head.base else {},
        columns=head.columns,
        columns_end=head.columns_end,
        is_by_position=head.is_by_position,
        texts=bulk.texts_of(tree),
        file_reads=_file_reads(found),
    )


def _copy(cursor: Cursor, names: Names) -> Statement:
    if not cursor.at("COPY", "INTO"):
        return _copy_to(cursor, names)
    copy = read_copy_into(cursor, names)
    target = (copy.target,)
    return Statement(
        cursor.source,
        names,
        Kind.WRITE,
        "COPY INTO",
        writes=target,
        must_exist=target,
        copy_into=copy,
        file_reads=(copy.read,),
    )


def _copy_to(cursor: Cursor, names: Names) -> Statement:
    """Parse what a COPY … TO writes; it is a read that can be run again, for it writes the same file."""
    source, export = read_copy_to(cursor)
    statement = _query(source, names)
    return replace(statement, command="COPY TO", export=export)


def _explain(cursor: Cursor, names: Names) -> Statement:
    """Parse what an EXPLAIN is about; it runs nothing, whatever that is."""
    cursor.expect("EXPLAIN")
    if cursor.at("ANALYZE"):
        raise SqlError("EXPLAIN ANALYZE is not supported.")
    cursor.take_any("EXTENDED", "FORMATTED", "CODEGEN", "COST", "LOGICAL")
    source = cursor.source
    inner = _parse(replace(source, tokens=source.tokens[cursor.index :]), names) if not cursor.done else None
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
    check_commas(tokens)
    check_cases(tokens)
    try:
        parser = (dialect or Icefield()).parser(error_level=ErrorLevel.IMMEDIATE)
        trees = parser.parse(tokens, source.text)
    except SqlError:
        raise
    except MisparsedError as error:
        raise misparsed(error, tokens) from None
    except (ParseError, TokenError):
        raise SqlError("The statement cannot be parsed.") from None
    except (ValueError, TypeError, AttributeError, LookupError):
        raise SqlError("The statement cannot be parsed.") from None  # the grammar stumbles over some odd texts
    if len(trees) != 1 or trees[0] is None:
        raise SqlError("The statement cannot be parsed.")
    allowed.check(trees[0], source.text, own=dialect is not None)
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


def _file_reads(found: Found) -> tuple[FileRead, ...]:
    return tuple(dict.fromkeys(ref.read for ref in found.files))


def _unique(found: Found, *, written: bool) -> tuple[TableName, ...]:
    return tuple(dict.fromkeys(ref.name for ref in found.tables if ref.written is written))
