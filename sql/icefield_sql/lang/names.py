"""Names of tables in SQL, and the tables of the workspace's catalog that they mean (design, "Data").

`catalog.database.schema.table`, `database.schema.table`, `catalog.database.table`, `database.table`; a bare `table`
needs the request's schema. The first part is the catalog exactly when it is the workspace's slug or one of its aliases.
Schema `default` is the database itself. Names of catalogs and of common table expressions are compared without case;
those of databases, schemas and tables are passed on as written: some catalogs distinguish `Orders` from `orders`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .errors import SqlError
from .quoting import quote

DEFAULT_SCHEMA = "default"
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

METADATA_TABLES = frozenset(
    {
        "all_data_files",
        "all_delete_files",
        "all_entries",
        "all_files",
        "all_manifests",
        "data_files",
        "delete_files",
        "entries",
        "files",
        "history",
        "manifests",
        "metadata_log_entries",
        "partitions",
        "position_deletes",
        "refs",
        "snapshots",
    }
)
"""What may follow a table's name to read what Iceberg knows of it (Iceberg, "Inspecting tables")."""


_REFERENCES = ("branch_", "tag_")


def reference_in(part: str) -> str | None:
    """Return the branch or tag that the last part of a name means, such as x of `branch_x`; None for another part.

    Iceberg, "Branching and Tagging": what follows the name of a table.
    """
    prefix = next((each for each in _REFERENCES if part.startswith(each)), None)
    return part.removeprefix(prefix) if prefix else None


@dataclass(frozen=True, order=True)
class TableName:
    """A table or view of a workspace's catalog.

    `namespace` is `("sales",)` for the database sales (its schema default) and `("sales", "raw")` for the schema raw of
    it; it is never `("sales", "default")`.
    """

    namespace: tuple[str, ...]
    name: str

    def qualified(self, catalog: str) -> str:
        """Return the name as lineage shows it, such as `acme.sales.orders` or `acme.sales.raw.orders`."""
        return ".".join((catalog, *self.namespace, self.name))

    def quoted(self) -> str:
        """Return the name as a statement has it, in backticks where it needs them: sales.orders, `my-sales`.`2024`."""
        return ".".join(part if _PLAIN.fullmatch(part) else quote(part) for part in (*self.namespace, self.name))

    def __str__(self) -> str:
        return ".".join((*self.namespace, self.name))


@dataclass(frozen=True)
class Names:
    """How the names of one request are read.

    Args:
        catalog: the workspace's slug.
        aliases: other names of the catalog, such as `polnor`.
        schema: the request's default namespace, `("sales",)` or `("sales", "raw")`; None when it gave none.
    """

    catalog: str
    aliases: frozenset[str] = frozenset()
    schema: tuple[str, ...] | None = None

    def binding(self, bound: Mapping[str, TableName]) -> BoundNames:
        """Return the same with tables that the request gives other names, compared without case."""
        return BoundNames(self.catalog, self.aliases, self.schema, {name.lower(): t for name, t in bound.items()})

    def is_catalog(self, part: str) -> bool:
        """Return whether a first part means the workspace's catalog."""
        return part.lower() == self.catalog.lower() or part.lower() in {alias.lower() for alias in self.aliases}

    def table(self, parts: Sequence[str]) -> TableName:
        """Return the table that dotted parts mean.

        Raises:
            SqlError: the parts cannot mean a table of this workspace.
        """
        for part in parts:
            _check_part(part)
        shown = ".".join(parts)
        rest = list(parts)
        if len(rest) > 1 and self.is_catalog(rest[0]):
            rest = rest[1:]
        *namespace, name = rest
        if not namespace:
            if self.schema is None:
                raise SqlError(
                    f"The table {shown} needs its database, as in database.{name}, or a schema in the request."
                )
            return TableName(self.schema, name)
        return TableName(self._namespace(namespace, shown), name)

    def namespace(self, parts: Sequence[str]) -> tuple[str, ...]:
        """Return the namespace that dotted parts mean; no parts mean the request's schema, or the catalog's root.

        Raises:
            SqlError: the parts cannot mean a database or schema of this workspace.
        """
        for part in parts:
            _check_part(part)
        if not parts:
            return self.schema or ()
        rest = list(parts)
        if self.is_catalog(rest[0]):
            rest = rest[1:]
        return self._namespace(rest, ".".join(parts)) if rest else ()

    def _namespace(self, parts: Sequence[str], shown: str) -> tuple[str, ...]:
        if len(parts) > 2:
            raise SqlError(
                f"The name {shown} has too many parts, or its first part is not a catalog of this workspace."
            )
        if len(parts) == 2 and parts[1].lower() == DEFAULT_SCHEMA:
            return (parts[0],)
        return tuple(parts)


@dataclass(frozen=True)
class BoundNames(Names):
    """Names of a request that gives tables other names.

    Args:
        bound: the tables by these names, which are in lower case.
    """

    bound: Mapping[str, TableName] = field(default_factory=dict)

    def table(self, parts: Sequence[str]) -> TableName:
        """Return the table that dotted parts mean."""
        if len(parts) == 1 and (found := self.bound.get(parts[0].lower())):
            return found
        return super().table(parts)


def parse_schema(schema: str | None, names: Names) -> tuple[str, ...] | None:
    """Return the namespace that the `schema` of a request means, such as `sales`, `sales.raw` or `acme.sales`.

    Raises:
        SqlError: it names nothing that could be a database or schema.
    """
    if schema is None or not schema.strip():
        return None
    parts = [part.strip().strip('"`') for part in schema.split(".")]
    return names.namespace(parts) or None


def _check_part(part: str) -> None:
    """Refuse what no catalog takes, and with it every way to write a file's path as a table."""
    if not part:
        raise SqlError("A name has an empty part.")
    if len(part) > 255:
        raise SqlError("A part of a name is longer than 255 characters.")
    if any(character in "./\\:" or ord(character) < 32 or 0xD800 <= ord(character) < 0xE000 for character in part):
        raise SqlError(
            f"The name {part!r} has a character that names of tables cannot have; files are not tables here."
        )
