"""Databases of a workspace and their schemas: namespaces of its Iceberg catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from icefield_apiserver.core.catalog import Catalogs, IcebergCatalog, Namespace
from icefield_apiserver.core.catalog.concurrency import map_concurrently
from icefield_apiserver.core.catalog.names import (
    DEFAULT_SCHEMA,
    catalog_names,
    check_database_name,
    check_name,
    database_namespace,
    schema_namespace,
    schema_of,
)
from icefield_apiserver.core.db.pages import after_text
from icefield_apiserver.core.errors import BadRequest, Conflict, NotFound
from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.core.kube.secrets import WorkspaceSecrets
from icefield_apiserver.core.pagination import Page, Window, encode_cursor
from icefield_apiserver.features.volumes.service import VolumeService
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Privilege

CREATED_AT = "icefield.created-at"
"""Namespace property with the time of creation through REST, which Iceberg does not record."""


@dataclass(frozen=True)
class Database:
    """A database, or a schema of one."""

    namespace: Namespace
    description: str | None
    location: str | None
    created: datetime | None


class DatabaseService:
    """Reads, creates and deletes databases and schemas in the caller's workspace.

    Args:
        catalogs: the workspaces' catalogs.
        cluster: the Workspaces, for the names of their catalogs.
        secrets: the workspaces' Secrets, for their prefix in the object store.
        volumes: the volumes, which a deleted database must not have.
    """

    def __init__(self, catalogs: Catalogs, cluster: Cluster, secrets: WorkspaceSecrets, volumes: VolumeService) -> None:
        self._catalogs = catalogs
        self._cluster = cluster
        self._secrets = secrets
        self._volumes = volumes

    async def page(self, principal: Principal, window: Window) -> Page[Database]:
        """Return a page of the workspace's databases, by name."""
        catalog = principal.catalog(self._catalogs)
        return await self._page(catalog, await catalog.list_namespaces(), window, lambda namespace: namespace[0])

    async def get(self, principal: Principal, database: str) -> Database:
        """Return a database.

        Raises:
            NotFound: it does not exist.
        """
        return await _read(principal.catalog(self._catalogs), database_namespace(database))

    async def create(self, principal: Principal, name: str, description: str | None, location: str | None) -> Database:
        """Create a database.

        Args:
            principal: the caller.
            name: its name.
            description: free text.
            location: URI under which its tables are stored; chosen by the catalog when None.

        Raises:
            BadRequest: the name or the location is invalid.
            Conflict: it exists already.
        """
        workspace = self._cluster.workspace_directory.get(principal.workspace)
        check_database_name(name, catalog_names(workspace) if workspace else frozenset())
        properties = _properties(description)
        if location:
            properties["location"] = await self._checked(principal, location)
        catalog = principal.catalog(self._catalogs)
        await catalog.create_namespace((name,), properties)
        return await _read(catalog, (name,))

    async def delete(self, principal: Principal, database: str) -> None:
        """Drop an empty database.

        Raises:
            Conflict: it holds tables, views, schemas or volumes.
            NotFound: it does not exist.
        """
        catalog = principal.catalog(self._catalogs)
        namespace = database_namespace(database)
        principal.access.require_in(Privilege.OWN, namespace)
        if schemas := await catalog.list_namespaces(namespace):
            raise Conflict(f"Database {database} still holds {_counted(len(schemas), 'schema')}.")
        await _check_is_empty(catalog, namespace, f"Database {database}")
        await self._volumes.refuse_to_drop(principal, namespace)
        await catalog.drop_namespace(namespace)

    async def schemas(self, principal: Principal, database: str, window: Window) -> Page[Database]:
        """Return a page of a database's schemas, by name; `default` is the database itself.

        Raises:
            NotFound: the database does not exist.
        """
        catalog = principal.catalog(self._catalogs)
        namespace = database_namespace(database)
        below = await catalog.list_namespaces(namespace)
        found = [namespace, *(each for each in below if len(each) == 2 and each[1] != DEFAULT_SCHEMA)]
        return await self._page(catalog, found, window, schema_of)

    async def get_schema(self, principal: Principal, database: str, schema: str) -> Database:
        """Return a schema.

        Raises:
            NotFound: the database or the schema does not exist.
        """
        return await _read(principal.catalog(self._catalogs), schema_namespace(database, schema))

    async def create_schema(self, principal: Principal, database: str, name: str, description: str | None) -> Database:
        """Create a schema in a database.

        Raises:
            BadRequest: the name is invalid.
            Conflict: it exists already.
            NotFound: the database does not exist.
        """
        catalog = principal.catalog(self._catalogs)
        parent = database_namespace(database)
        await catalog.load_namespace(parent)
        check_name("schema", name)
        if name.lower() == DEFAULT_SCHEMA:
            raise Conflict(f"Schema {DEFAULT_SCHEMA} of database {database} already exists: it is the database itself.")
        await catalog.create_namespace((*parent, name), _properties(description))
        return await _read(catalog, (*parent, name))

    async def delete_schema(self, principal: Principal, database: str, schema: str) -> None:
        """Drop an empty schema.

        Raises:
            Conflict: it holds tables or views, or is the database itself.
            NotFound: the database or the schema does not exist.
        """
        catalog = principal.catalog(self._catalogs)
        namespace = schema_namespace(database, schema)
        await catalog.load_namespace(namespace)
        principal.access.require_in(Privilege.OWN, namespace)
        if len(namespace) == 1:
            raise Conflict(f"Schema {DEFAULT_SCHEMA} is database {database} itself; drop the database.")
        await _check_is_empty(catalog, namespace, f"Schema {database}.{schema}")
        await catalog.drop_namespace(namespace)

    async def _page(
        self, catalog: IcebergCatalog, namespaces: list[Namespace], window: Window, name: Callable[[Namespace], str]
    ) -> Page[Database]:
        after = after_text(window)
        rest = sorted((each for each in namespaces if after is None or name(each) > after), key=name)
        shown = rest[: window.limit]

        async def read(namespace: Namespace) -> Database | None:
            try:
                return await _read(catalog, namespace)
            except NotFound:
                return None  # dropped since it was listed

        found = [database for database in await map_concurrently(read, shown) if database]
        return Page(data=found, next_cursor=encode_cursor((name(shown[-1]),)) if len(rest) > len(shown) else None)

    async def _checked(self, principal: Principal, location: str) -> str:
        if problem := (await self._secrets.object_store(principal.workspace)).root.problem_of(location):
            raise BadRequest(problem)
        return location.rstrip("/")


def _properties(description: str | None) -> dict[str, str]:
    properties = {CREATED_AT: datetime.now(UTC).isoformat(timespec="milliseconds")}
    return {**properties, "comment": description} if description else properties


async def _read(catalog: IcebergCatalog, namespace: Namespace) -> Database:
    properties = await catalog.load_namespace(namespace)
    return Database(namespace, properties.get("comment"), properties.get("location"), _time(properties.get(CREATED_AT)))


async def _check_is_empty(catalog: IcebergCatalog, namespace: Namespace, label: str) -> None:
    for kind, names in (
        ("table", await catalog.list_tables(namespace)),
        ("view", await catalog.list_views(namespace)),
    ):
        if names:
            raise Conflict(f"{label} still holds {_counted(len(names), kind)}.")


def _counted(count: int, kind: str) -> str:
    return f"{count} {kind}{'' if count == 1 else 's'}"


def _time(text: str | None) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment and moment.tzinfo else None
