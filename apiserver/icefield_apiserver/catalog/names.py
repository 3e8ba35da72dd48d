"""What databases, schemas, tables and volumes may be called, and which namespace a database and a schema are.

A database is the Iceberg namespace (database,), which is also its schema `default`; any other schema is the namespace
(database, schema).
"""

from __future__ import annotations

import re
from collections.abc import Collection

from icefield_apiserver.errors import BadRequest, NotFound
from icefield_crds import Workspace

from .loaded import Namespace

DEFAULT_SCHEMA = "default"
MAX_LENGTH = 128
RESERVED = frozenset({"information_schema", "system"})
"""Names that engines keep for themselves: Spark's procedures live in `system`."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f.:/\\%?#\"'`]")


def check_name(kind: str, name: str) -> None:
    """Refuse a name that some engine, some path or some URL could not carry.

    Args:
        kind: what is named, such as `table`.
        name: the name.

    Raises:
        BadRequest: it cannot be called so.
    """
    if problem := problem_of_name(name):
        raise BadRequest(f"A {kind} cannot be called {name!r}: {problem}.")


def check_database_name(name: str, catalog_names: Collection[str]) -> None:
    """Refuse a database's name that cannot be told from the catalog's.

    Args:
        name: the name.
        catalog_names: what SQL calls the catalog, in lower case.

    Raises:
        BadRequest: it cannot be called so.
    """
    check_name("database", name)
    if name.lower() in catalog_names:
        raise BadRequest(f"A database cannot be called {name}: in SQL, that names the workspace's catalog.")


def check_schema_name(name: str) -> None:
    """Refuse what a schema cannot be called.

    Raises:
        BadRequest: it cannot be called so.
    """
    check_name("schema", name)


def problem_of_name(name: str) -> str | None:
    """Say what is wrong with a name, as the end of a sentence, or return None."""
    if not name or len(name) > MAX_LENGTH:
        return f"a name has 1 to {MAX_LENGTH} characters"
    if name != name.strip():
        return "it begins or ends with a space"
    if found := _FORBIDDEN.search(name):
        return f"a name must not hold {found.group()!r}"
    if name.lower() in RESERVED:
        return "the name is reserved"
    return None


def catalog_names(workspace: Workspace) -> frozenset[str]:
    """Return what SQL calls a workspace's catalog, in lower case: the slug and its aliases."""
    return frozenset(name.lower() for name in workspace.catalog_names)


def database_namespace(database: str) -> Namespace:
    """Return the namespace of a database.

    Raises:
        NotFound: nothing can be called so.
    """
    if problem_of_name(database):
        raise NotFound(f"There is no database {database}.")
    return (database,)


def schema_namespace(database: str, schema: str) -> Namespace:
    """Return the namespace of a database's schema.

    Raises:
        NotFound: nothing can be called so.
    """
    namespace = database_namespace(database)
    if schema == DEFAULT_SCHEMA:
        return namespace
    if problem_of_name(schema):
        raise NotFound(f"There is no schema {database}.{schema}.")
    return (*namespace, schema)


def schema_of(namespace: Namespace) -> str:
    """Return the name of the schema that a namespace is."""
    return namespace[1] if len(namespace) > 1 else DEFAULT_SCHEMA
