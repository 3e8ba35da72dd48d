"""The heads of CREATE and INSERT, up to the query that follows them; anything else in them is refused."""

from __future__ import annotations

from dataclasses import dataclass

from sqlglot.tokenizer_core import Token, TokenType

from icefield_sql.lang.cursor import Cursor, NameSpan
from icefield_sql.lang.errors import SqlError
from icefield_sql.lang.lexing import Edits
from icefield_sql.lang.names import Names, TableName, reference_in
from icefield_sql.lang.quoting import quote_all
from icefield_sql.lang.suggestions import did_you_mean

from .property_lists import read_properties
from .refusals import creation_refusal
from .scoping import meanings
from .sort_orders import TRANSFORMS

NAMESPACES = ("SCHEMA", "DATABASE", "NAMESPACE")
_WITH_LENGTH = frozenset(["decimal", "dec", "numeric"])
_LENGTH_NOT_KEPT = frozenset(["char", "character", "varchar"])
_BEFORE_GROUP = (TokenType.COMMA, TokenType.L_PAREN, TokenType.EQ)
_FORBIDDEN_IN_COLUMNS = frozenset({"DEFAULT", "GENERATED", "CHECK", "CONSTRAINT", "SELECT", "REFERENCES"})


@dataclass(frozen=True)
class Head:
    """The head of a statement: its name, its target, and where its query starts (None: it has none).

    `base` is the table whose branch the target may be. `columns` are those that an INSERT lists, and `columns_end` is
    where the last of them ends in the text.
    `is_by_position`: it has neither PARTITION nor BY NAME. `namespace` is the one that a CREATE SCHEMA makes.
    """

    command: str
    target: TableName | None
    body: int | None
    must_exist: bool = False
    columns: tuple[str, ...] | None = None
    columns_end: int = 0
    base: TableName | None = None
    is_by_position: bool = False
    namespace: tuple[str, ...] | None = None


def table_at(span: NameSpan, names: Names) -> TableName:
    """Return the table that a name in a statement means.

    Raises:
        SqlError: it can mean no table of this workspace.
    """
    try:
        return names.table(span.parts)
    except SqlError as error:
        raise SqlError(error.sentence, span.start) from None


def rewrite_table(span: NameSpan, names: Names, edits: Edits) -> TableName:
    """Write a table's name in its full form, and return the table."""
    table = table_at(span, names)
    edits.replace(span.start, span.end, quote_all((names.catalog, *table.namespace, table.name)))
    return table


def rewrite_namespace(span: NameSpan, names: Names, edits: Edits) -> tuple[str, ...]:
    """Write a namespace's name in its full form, and return the namespace.

    Raises:
        SqlError: it means the catalog itself.
    """
    namespace = names.namespace(span.parts)
    if not namespace or names.is_catalog(namespace[0]):
        raise SqlError(f"The name {span} is the catalog's, not a database's.")
    edits.replace(span.start, span.end, quote_all((names.catalog, *namespace)))
    return namespace


def insert(cursor: Cursor, names: Names, edits: Edits) -> Head:
    """Read `INSERT INTO | OVERWRITE [TABLE] name [PARTITION (...)] [(columns) | BY NAME]`."""
    cursor.expect("INSERT")
    overwrite = bool(cursor.take("OVERWRITE"))
    if not overwrite:
        cursor.expect("INTO")
    cursor.take("TABLE")
    if cursor.at("DIRECTORY") or cursor.at("LOCAL", "DIRECTORY"):
        raise SqlError("INSERT OVERWRITE DIRECTORY is not supported; tables are the only place to write to.")
    span = cursor.name()
    target, base = _written(span, names, edits)
    partition = cursor.take("PARTITION")
    if partition:
        check_inert(cursor.parenthesised(), "PARTITION")
        cursor.take("IF", "NOT", "EXISTS")
    listed: list[Token] = []
    is_by_name = bool(cursor.take("BY", "NAME"))
    if not is_by_name and cursor.at("(") and not _opens_query(cursor):
        listed = cursor.parenthesised()
        check_inert(listed, "the list of columns")
    if cursor.at("REPLACE"):
        raise SqlError("INSERT INTO … REPLACE WHERE is not supported.")
    columns = tuple(token.text for token in listed if token.token_type != TokenType.COMMA)
    command = "INSERT OVERWRITE" if overwrite else "INSERT"
    is_by_position = not (partition or is_by_name)
    if not columns or partition:
        return Head(command, target, cursor.index, must_exist=True, base=base, is_by_position=is_by_position)
    return Head(command, target, cursor.index, True, columns, listed[-1].end, base, is_by_position)


def _written(span: NameSpan, names: Names, edits: Edits) -> tuple[TableName, TableName | None]:
    """Write the name of an INSERT's target in its full form; return it, and the table whose branch it may mean."""
    try:
        target, base = meanings(list(span.parts), names)
    except SqlError as error:
        raise SqlError(error.sentence, span.start) from None
    edits.replace(span.start, span.end, quote_all((names.catalog, *target.namespace, target.name)))
    return target, base if reference_in(target.name) else None


def create(cursor: Cursor, names: Names, edits: Edits) -> Head:
    """Read `CREATE [OR REPLACE] TABLE | VIEW | SCHEMA` up to its query."""
    cursor.expect("CREATE")
    cursor.take("OR", "REPLACE")
    what = cursor.take_any("TABLE", "VIEW", *NAMESPACES)
    if not what:
        raise cursor.refusal(creation_refusal("CREATE", cursor.token.text) if cursor.token else "")
    cursor.take("IF", "NOT", "EXISTS")
    if what in NAMESPACES:
        return _create_namespace(cursor, names, edits)
    target = rewrite_table(cursor.name(), names, edits)
    return _create_view(cursor, target) if what == "VIEW" else _create_table(cursor, target, edits)


def _create_table(cursor: Cursor, target: TableName, edits: Edits) -> Head:
    if cursor.at("LIKE"):
        raise SqlError("CREATE TABLE … LIKE is not supported; use CREATE TABLE … AS SELECT … LIMIT 0.")
    if cursor.at("(") and not _opens_query(cursor):
        columns = cursor.parenthesised()
        _check_columns(columns)
        _leave_out_primary_key(columns, edits)
    while not cursor.done:
        if cursor.take("USING"):
            _check_provider(cursor)
        elif cursor.take("PARTITIONED", "BY") or cursor.take("PARTITIONED BY"):
            check_inert(cursor.parenthesised(), "PARTITIONED BY")
        elif cursor.take("COMMENT"):
            cursor.string()
        elif cursor.take("TBLPROPERTIES"):
            read_properties(cursor)
        elif cursor.take("AS") or _opens_query(cursor):
            return Head("CREATE TABLE", target, cursor.index)
        elif cursor.at("LOCATION"):
            raise SqlError("LOCATION is not supported; where a table's files lie is the catalog's decision.")
        else:
            raise cursor.unexpected("USING iceberg, PARTITIONED BY, COMMENT, TBLPROPERTIES or AS")
    return Head("CREATE TABLE", target, None)


def _check_provider(cursor: Cursor) -> None:
    provider = cursor.name()
    if str(provider).lower() != "iceberg":
        raise SqlError(f"Tables are Iceberg tables here: USING {provider} is not supported.")


def _create_view(cursor: Cursor, target: TableName) -> Head:
    if cursor.at("("):
        check_inert(cursor.parenthesised(), "the list of columns")
    while not cursor.take("AS"):
        if cursor.take("COMMENT"):
            cursor.string()
        elif cursor.take("TBLPROPERTIES"):
            read_properties(cursor)
        else:
            raise cursor.unexpected("COMMENT, TBLPROPERTIES or AS")
    return Head("CREATE VIEW", target, cursor.index)


def _create_namespace(cursor: Cursor, names: Names, edits: Edits) -> Head:
    namespace = rewrite_namespace(cursor.name(), names, edits)
    while not cursor.done:
        if cursor.take("COMMENT"):
            cursor.string()
        elif cursor.take("WITH"):
            if not cursor.take_any("PROPERTIES", "DBPROPERTIES"):
                raise cursor.unexpected("PROPERTIES")
            read_properties(cursor)
        elif cursor.at("LOCATION"):
            raise SqlError("LOCATION is not supported; where a schema's files lie is the catalog's decision.")
        else:
            raise cursor.unexpected("COMMENT or WITH PROPERTIES")
    return Head("CREATE SCHEMA", None, None, namespace=namespace)


def check_inert(tokens: list[Token], where: str, also: frozenset[str] = frozenset()) -> None:
    """Refuse queries and function calls where only names, types, literals and partition transforms belong.

    Raises:
        SqlError: there is something else.
    """
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.token_type in (TokenType.SELECT, TokenType.FROM):
            raise SqlError(f"A query cannot stand in {where}.", token.start)
        if token.token_type != TokenType.L_PAREN or before is None:
            continue
        word = " ".join(before.text.lower().split())
        if word in _LENGTH_NOT_KEPT and before.token_type != TokenType.IDENTIFIER:
            raise SqlError(
                f"{word.upper()}(n) cannot stand in {where}: Iceberg keeps no length of a text; write STRING.",
                before.start,
            )
        if before.token_type not in _BEFORE_GROUP and word not in TRANSFORMS | _WITH_LENGTH | also:
            raise SqlError(
                f"The function {before.text} cannot stand in {where}{did_you_mean(word, sorted(TRANSFORMS | also))}",
                before.start,
            )


def _check_columns(tokens: list[Token]) -> None:
    check_inert(tokens, "the list of columns", frozenset({"primary key"}))
    for token in tokens:
        if token.token_type != TokenType.IDENTIFIER and token.text.upper() in _FORBIDDEN_IN_COLUMNS:
            if token.token_type in (TokenType.STRING, TokenType.RAW_STRING):
                continue
            raise SqlError(
                f"{token.text.upper()} of a column is not supported; quote it when it is a name.", token.start
            )


def _leave_out_primary_key(tokens: list[Token], edits: Edits) -> None:
    """Write a table without the primary key that clients declare: Iceberg keeps none, and Spark does not read it."""
    for index, token in enumerate(tokens):
        if token.token_type == TokenType.IDENTIFIER or " ".join(token.text.upper().split()) != "PRIMARY KEY":
            continue
        after = tokens[index + 1] if index + 1 < len(tokens) else None
        before = tokens[index - 1] if index else None
        is_group = after is not None and after.token_type == TokenType.L_PAREN
        if is_group and before and before.token_type == TokenType.COMMA:
            end = next(tokens[at] for at in range(index, len(tokens)) if tokens[at].token_type == TokenType.R_PAREN)
            edits.replace(before.start, end.end, "")
        else:
            edits.replace(token.start, token.end, "")


def _opens_query(cursor: Cursor) -> bool:
    offset = 0
    while cursor.word(offset) == "(":
        offset += 1
    return cursor.word(offset) in ("SELECT", "WITH", "VALUES", "TABLE")
