"""A statement after its one parse: what it does, which tables it names, what is needed to write it for an engine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from sqlglot import exp

from icefield_sql.lang.lexing import Edits, SourceText
from icefield_sql.lang.names import Names, TableName

from .files.copy_into import CopyInto
from .files.copy_to import FileExport
from .files.model import FileRead
from .model import Kind
from .scoping import Found


@dataclass(frozen=True)
class Show:
    """A SHOW or DESCRIBE.

    Args:
        what: `databases`, `tables`, `views`, `columns`, `create table`, `tblproperties`, `functions`, `history`,
            `grants`, `table` or `namespace`.
        namespace: where to look; None for what has a table.
        table: what to describe.
        pattern: LIKE of SHOW: `*` for any characters, `|` between alternatives, compared without case.
        extended: DESCRIBE EXTENDED.
        key: the one property or column that is asked for.
    """

    what: str
    namespace: tuple[str, ...] | None = None
    table: TableName | None = None
    pattern: str | None = None
    extended: bool = False
    key: str | None = None


@dataclass(frozen=True)
class GrantChange:
    """A GRANT or REVOKE.

    Args:
        privileges: SELECT, INSERT or OWN, each once.
        database: the database.
        table: the table or view in it, `schema.name` outside of the database's own schema; None for the database.
        principal: e-mail address of a user, or name of a group.
        is_revoked: whether the privileges are taken away.
    """

    privileges: tuple[str, ...]
    database: str
    table: str | None
    principal: str
    is_revoked: bool


@dataclass(frozen=True)
class Statement:
    """A parsed, allowed statement.

    Args:
        source: its text and tokens, parameters bound.
        names: how its names are read.
        kind: whether it reads, writes, or asks about names.
        command: its name, such as `SELECT`, `INSERT` or `CREATE TABLE`.
        reads: the tables and views it names to read from, each once.
        file_reads: the files it reads.
        copy_into: a COPY INTO.
        grant: a GRANT or REVOKE.
        export: where a COPY … TO writes the rows of its query.
        writes: the tables, views and namespaces' tables it changes, each once.
        tree: the parsed query or change; None for what has neither.
        found: where the tree names tables.
        edits: what the statement's head needs for Spark (names in their full form).
        body: index of the first token of the tree.
        dialect: `icefield` or `duckdb`.
        show: what a SHOW or DESCRIBE asks for.
        explained: the statement an EXPLAIN is about.
        must_exist: tables that have to exist before an engine is asked.
        bases: for each name that it writes and that may be a branch's, the table that has the branch.
        tail: rows of literals that follow the text, checked and written for Spark.
        width: how many values each of these rows has, and the one in the text; None where not all have as many.
        columns: those that an INSERT lists.
        is_by_position: whether an INSERT INTO gives values by position, to the columns it lists or to all.
        columns_end: where the last of them ends in the text.
        texts: positions of the values, in an INSERT of VALUES, that are strings in some row.
        changed_namespace: the database or schema that it creates, or whose properties or comment it changes.
        dropped_namespace: the database or schema that it drops.
        renamed_to: the new name of the table or view that it renames.
        kind_word: where TABLE is in a DROP or ALTER that means a view as well, first and last position.
    """

    source: SourceText = field(repr=False)
    names: Names
    kind: Kind
    command: str
    reads: tuple[TableName, ...] = ()
    writes: tuple[TableName, ...] = ()
    tree: exp.Expr | None = field(default=None, repr=False)
    found: Found = field(default_factory=Found, repr=False)
    edits: Edits = field(default_factory=Edits)
    body: int = 0
    dialect: str = "icefield"
    show: Show | None = None
    explained: Statement | None = None
    must_exist: tuple[TableName, ...] = ()
    bases: Mapping[TableName, TableName] = field(default_factory=dict)
    tail: str = ""
    width: int | None = None
    columns: tuple[str, ...] | None = None
    is_by_position: bool = False
    columns_end: int = 0
    texts: frozenset[int] = frozenset()
    changed_namespace: tuple[str, ...] | None = None
    dropped_namespace: tuple[str, ...] | None = None
    renamed_to: TableName | None = None
    kind_word: tuple[int, int] | None = None
    file_reads: tuple[FileRead, ...] = ()
    copy_into: CopyInto | None = None
    export: FileExport | None = None
    grant: GrantChange | None = None

    @property
    def needs_editor(self) -> bool:
        """Whether it changes tables or grants, or writes files."""
        return self.is_write or self.export is not None or self.grant is not None

    @property
    def is_write(self) -> bool:
        """Whether it changes anything."""
        return self.kind is Kind.WRITE

    def outline(self) -> Statement:
        """Return what it does and names, without its text and tree: enough to keep, not to resolve or compile."""
        return replace(
            self,
            source=SourceText("", ()),
            tree=None,
            found=Found(),
            edits=Edits(),
            explained=None,
            tail="",
            texts=frozenset(),
        )
