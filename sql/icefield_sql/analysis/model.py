"""Plans of statements, and the objects of the catalog that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

from icefield_sql.lang.file_paths import FilePath
from icefield_sql.lang.names import TableName

from .column_uses import ColumnLineage


class Engine(StrEnum):
    """What runs a statement."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class Kind(StrEnum):
    """What a statement does."""

    READ = "read"
    WRITE = "write"
    METADATA = "metadata"
    """SHOW, DESCRIBE and EXPLAIN: answers about names, columns and plans."""
    TRANSACTION = "transaction"
    """BEGIN, COMMIT and ROLLBACK: nothing to do, as every statement is a transaction of its own."""
    GRANT = "grant"
    """GRANT and REVOKE: nothing to do for an engine."""


@dataclass(frozen=True)
class Column:
    """A column of a table or view; `type` is Spark SQL's lower-case name, such as `bigint` or `array<string>`."""

    name: str
    type: str
    nullable: bool = True
    comment: str | None = None


@dataclass(frozen=True)
class Snapshot:
    """A snapshot in a table's history.

    `timestamp_ms` counts from the epoch; `operation` is `append`, `overwrite`, `delete` or `replace` (Iceberg).
    """

    id: int
    timestamp_ms: int
    schema_id: int | None = None
    operation: str | None = None


@dataclass(frozen=True)
class Table:
    """A table as its current metadata describes it.

    `snapshots` holds every snapshot the metadata knows; `history` the snapshot log, (made current at, id), oldest first
    (the snapshots themselves are used when it is empty); `refs` the branches and tags. `schema_id` and a snapshot's
    schema_id show whether the columns have changed since that snapshot. `partitioning` has texts such as `days(ts)`.
    `uuid` is its `table-uuid`, which a rename keeps.
    `append_obstacle` says why only Spark can append rows to it, as the end of a sentence; None where DuckDB can.
    """

    metadata_location: str
    snapshot_id: int | None = None
    snapshots: tuple[Snapshot, ...] = ()
    columns: tuple[Column, ...] = ()
    format_version: int = 2
    partitioning: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    location: str = ""
    refs: Mapping[str, int] = field(default_factory=dict)
    history: tuple[tuple[int, int], ...] = ()
    schema_id: int | None = None
    comment: str | None = None
    uuid: str = ""
    spec_id: int = 0
    append_obstacle: str | None = "its metadata is not known."


@dataclass(frozen=True)
class View:
    """An Iceberg view: its text, the dialect of that text, how the bare names in it are read, and its `view-uuid`."""

    sql: str
    dialect: str = "spark"
    default_namespace: tuple[str, ...] = ()
    default_catalog: str | None = None
    columns: tuple[Column, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)
    comment: str | None = None
    uuid: str = ""


class GrantRow(NamedTuple):
    """A privilege of a principal.

    Attributes:
        principal: e-mail address of a user, or name of a group.
        privilege: SELECT, INSERT or OWN.
        kind: DATABASE or TABLE.
        name: of the database or table.
    """

    principal: str
    privilege: str
    kind: str
    name: str


class CatalogReader(Protocol):
    """What planning reads from the workspace's Iceberg catalog."""

    async def load(self, name: TableName) -> Table | View | None:
        """Return the table or view of that name, or None when it does not exist."""
        ...

    async def namespaces(self, parent: tuple[str, ...]) -> list[tuple[str, ...]]:
        """Return the namespaces directly below one; `()` lists the databases."""
        ...

    async def relations(self, namespace: tuple[str, ...]) -> list[tuple[str, bool]]:
        """Return (name, whether it is a view) of everything in a namespace; empty when the namespace does not exist."""
        ...

    def grants(self, database: str, table: TableName | None) -> list[GrantRow]:
        """Return the grants on a database, or those that count for a table, as far as the caller may see them."""
        ...


@dataclass(frozen=True)
class Source:
    """A table or view that a statement reads.

    Args:
        name: its name.
        uuid: its UUID in the catalog.
        is_view: whether it is a view.
        reader: the view whose text names it; None where the statement itself does.
    """

    name: TableName
    uuid: str
    is_view: bool
    reader: TableName | None = None


@dataclass(frozen=True)
class Append:
    """The table that the rows of a query are appended to, as it was when the query was written."""

    table: TableName
    uuid: str
    schema_id: int
    spec_id: int
    metadata_location: str


@dataclass(frozen=True)
class Export:
    """Where the rows of a query are written: `options` is DuckDB's text, `location` the address once it is known."""

    path: FilePath
    format: str
    options: str
    location: str = ""


@dataclass(frozen=True)
class BadRows:
    """How many rows that cannot be read are left out, and the folder that gets them; `location` is its address."""

    limit: int
    path: FilePath | None = None
    location: str = ""


@dataclass(frozen=True)
class Compiled:
    """A statement, ready for the gateway.

    `read` has each table read with the snapshot that is read (None while the table is empty); `written` the tables
    that it changes; `files` the paths read, as the statement has them. Of a write, `sources` has what it and the views
    in it read, and `columns` what it makes the columns of its target of, where that is known. `sql` is empty where
    there is nothing to run. With `append` it is a query whose rows are appended.
    `literals` are columns of texts, c0, c1 and so on of the table `literals` that the query reads.
    """

    engine: Engine
    sql: str
    is_write: bool
    read: tuple[tuple[TableName, int | None], ...] = ()
    written: tuple[TableName, ...] = ()
    warnings: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    files: tuple[str, ...] = ()
    export: Export | None = None
    bad_rows: BadRows | None = None
    append: Append | None = None
    literals: tuple[list[str | None], ...] = ()
    columns: ColumnLineage | None = None
