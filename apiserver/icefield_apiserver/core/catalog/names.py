"""Names of databases, schemas, tables and volumes, and the namespaces of databases and schemas.

A database is the Iceberg namespace (database,), which is also its schema `default`; any other schema is the namespace
(database, schema).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Annotated

from pydantic import Field

from icefield_apiserver.core.errors import BadRequest, NotFound
from icefield_crds import Workspace

from .model import Namespace

DEFAULT_SCHEMA = "default"
MAX_LENGTH = 128
NameField = Annotated[str, Field(min_length=1, max_length=MAX_LENGTH)]
"""A name in a request body; `check_name` checks the rest."""
RESERVED = frozenset({"information_schema", "system"})
"""Names reserved by engines: Spark keeps its procedures in `system`."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f.:/\\%?#\"'`]")


def check_name(kind: str, name: str) -> None:
    """Reject a name that an engine, a path or a URL cannot represent.

    Args:
        kind: kind of the object, such as `table`.
        name: the name.

    Raises:
        BadRequest: the name is invalid.
    """
    if problem := problem_of_name(name):
        raise BadRequest(f"{name!r} is not a valid {kind} name: {problem}.")


def check_database_name(name: str, catalog_names: Collection[str]) -> None:
    """Reject a database name that is invalid or is a name of the workspace's catalog.

    Args:
        name: the name.
        catalog_names: the catalog's names in SQL, in lower case.

    Raises:
        BadRequest: the name is invalid.
    """
    check_name("database", name)
    if name.lower() in catalog_names:
        raise BadRequest(f"{name!r} is not a valid database name: in SQL it names the workspace's catalog.")


def check_schema_name(name: str) -> None:
    """Reject an invalid schema name.

    Raises:
        BadRequest: the name is invalid.
    """
    check_name("schema", name)


def problem_of_name(name: str) -> str | None:
    """Return what is wrong with a name, as the end of a sentence, or None."""
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
    """Return the names of a workspace's catalog in SQL, in lower case: the slug and its aliases."""
    return frozenset(name.lower() for name in workspace.catalog_names)


def database_namespace(database: str) -> Namespace:
    """Return the namespace of a database.

    Raises:
        NotFound: the name is invalid, so nothing has it.
    """
    if problem_of_name(database):
        raise NotFound(f"There is no database {database}.")
    return (database,)


def schema_namespace(database: str, schema: str) -> Namespace:
    """Return the namespace of a database's schema.

    Raises:
        NotFound: the name is invalid, so nothing has it.
    """
    namespace = database_namespace(database)
    if schema == DEFAULT_SCHEMA:
        return namespace
    if problem_of_name(schema):
        raise NotFound(f"There is no schema {database}.{schema}.")
    return (*namespace, schema)


def schema_of(namespace: Namespace) -> str:
    """Return the schema name of a namespace."""
    return namespace[1] if len(namespace) > 1 else DEFAULT_SCHEMA
