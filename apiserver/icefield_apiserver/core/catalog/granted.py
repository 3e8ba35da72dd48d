"""A workspace's catalog as one person may use it: what the person may not see is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from icefield_apiserver.core.errors import Forbidden, NotFound
from icefield_crds.grants import Privilege

from .client import Catalogs, IcebergCatalog
from .grants import DataAccess
from .model import LoadedTable, LoadedView, Namespace, full_name


class GrantedCatalog(IcebergCatalog):
    """A catalog within the access of one person; see IcebergCatalog.

    Every call raises NotFound for what the person may not see, and Forbidden for what the person may see only.
    """

    def __init__(self, catalog: IcebergCatalog, access: DataAccess) -> None:
        super().__init__(catalog.workspace, catalog._transport, catalog._loaded, catalog.planned_tables)
        self._access = access

    async def list_namespaces(self, parent: Namespace = ()) -> list[Namespace]:
        """Return the namespaces directly below one, as far as the person may see them."""
        self._access.require_sight(parent)
        return [each for each in await super().list_namespaces(parent) if self._access.sees(each)]

    async def load_namespace(self, namespace: Namespace) -> dict[str, str]:
        """Return the properties of a namespace."""
        self._access.require_sight(namespace)
        return await super().load_namespace(namespace)

    async def create_namespace(self, namespace: Namespace, properties: Mapping[str, str]) -> None:
        """Create a namespace; in a database that grants name it needs OWN."""
        self._access.require_in(Privilege.OWN, namespace)
        await super().create_namespace(namespace, properties)

    async def drop_namespace(self, namespace: Namespace) -> None:
        """Drop an empty namespace."""
        self._access.require_in(Privilege.OWN, namespace)
        await super().drop_namespace(namespace)

    async def list_tables(self, namespace: Namespace) -> list[str]:
        """Return the names of the tables in a namespace that the person may see."""
        self._access.require_sight(namespace)
        return self._seen(namespace, await super().list_tables(namespace))

    async def list_views(self, namespace: Namespace) -> list[str]:
        """Return the names of the views in a namespace that the person may see."""
        self._access.require_sight(namespace)
        return self._seen(namespace, await super().list_views(namespace))

    async def load_table(self, namespace: Namespace, name: str) -> LoadedTable:
        """Return the current state of a table."""
        if not self._access.may(Privilege.SELECT, namespace, name):
            await self._refuse_ambiguous(super().load_table, namespace, name)
        self._access.require(Privilege.SELECT, namespace, name)
        return await super().load_table(namespace, name)

    def last_loaded(self, namespace: Namespace, name: str) -> LoadedTable | None:
        """Return a table as it was last loaded; None also where the person may not see it."""
        return super().last_loaded(namespace, name) if self._access.may(Privilege.SELECT, namespace, name) else None

    async def load_view(self, namespace: Namespace, name: str) -> LoadedView:
        """Return the current state of a view."""
        if not self._access.may(Privilege.SELECT, namespace, name):
            await self._refuse_ambiguous(super().load_view, namespace, name)
        self._access.require(Privilege.SELECT, namespace, name, "view")
        return await super().load_view(namespace, name)

    async def create_table(self, namespace: Namespace, request: Mapping[str, Any]) -> LoadedTable:
        """Create a table."""
        self._access.require_to_create(namespace, str(request["name"]))
        return await super().create_table(namespace, request)

    async def drop_table(self, namespace: Namespace, name: str, *, purge: bool) -> None:
        """Drop a table."""
        self._access.require(Privilege.OWN, namespace, name)
        await super().drop_table(namespace, name, purge=purge)

    async def drop_view(self, namespace: Namespace, name: str) -> None:
        """Drop a view."""
        self._access.require(Privilege.OWN, namespace, name, "view")
        await super().drop_view(namespace, name)

    async def commit(
        self,
        namespace: Namespace,
        name: str,
        requirements: Sequence[Mapping[str, Any]],
        updates: Sequence[Mapping[str, Any]],
    ) -> LoadedTable:
        """Commit a change of a table."""
        self._access.require(Privilege.OWN, namespace, name)
        return await super().commit(namespace, name, requirements, updates)

    async def _refuse_ambiguous(
        self, load: Callable[[Namespace, str], Awaitable[object]], namespace: Namespace, name: str
    ) -> None:
        """Refuse a hidden table whose name could as well be a branch or metadata table of one that the person may see.

        A caller that took it for the latter would give the name to an engine that takes it for the former.
        """
        if len(namespace) < 2 or not self._access.may(Privilege.SELECT, namespace[:-1], namespace[-1]):
            return
        try:
            await load(namespace, name)
        except NotFound:
            return
        raise Forbidden(f"This needs the privilege {Privilege.SELECT.value} on {full_name(namespace, name)}.")

    def _seen(self, namespace: Namespace, names: list[str]) -> list[str]:
        return [name for name in names if self._access.may(Privilege.SELECT, namespace, name)]


def granted_catalog(catalogs: Catalogs, workspace: str, access: DataAccess) -> IcebergCatalog:
    """Return the catalog of a workspace as one person may use it.

    Args:
        catalogs: the workspaces' catalogs.
        workspace: slug.
        access: the person's access.
    """
    catalog = catalogs.of(workspace)
    return GrantedCatalog(catalog, access) if access.is_limited else catalog
