"""The grants and groups of a workspace, which are fields of its Workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.core.catalog import Catalogs, Namespace, SqlCatalogReader
from icefield_apiserver.core.errors import Forbidden, NotFound
from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.core.kube.impersonation import Impersonation
from icefield_apiserver.features.workspaces.service import WorkspaceService
from icefield_apiserver.identity.principal import Caller, Principal
from icefield_crds import Grant, Group, Privilege, Role, Workspace
from icefield_sql import GrantChange, TableName

from .changes import check_principals, with_grant, without_grant


@dataclass(frozen=True)
class GrantsOfWorkspace:
    """Who may do what.

    Attributes:
        grants: the grants.
        groups: the groups that they name.
    """

    grants: Sequence[Grant]
    groups: Sequence[Group]


class GrantService:
    """Reads and changes grants.

    Args:
        cluster: the Workspaces.
        workspaces: who administers them.
        catalogs: what is there to be granted.
    """

    def __init__(self, cluster: Cluster, workspaces: WorkspaceService, catalogs: Catalogs) -> None:
        self._cluster = cluster
        self._catalogs = catalogs
        self._workspaces = workspaces

    def read(self, caller: Caller, slug_or_id: str) -> GrantsOfWorkspace:
        """Return a workspace's grants.

        Raises:
            NotFound: the caller may see no such workspace.
            Forbidden: the caller is not an administrator of the workspace.
        """
        return _of(self._workspaces.administered(caller, slug_or_id))

    async def replace(
        self, caller: Caller, slug_or_id: str, grants: Sequence[Grant], groups: Sequence[Group] | None
    ) -> GrantsOfWorkspace:
        """Set a workspace's grants, in place of the current ones, and return them.

        Args:
            caller: an administrator of the workspace.
            slug_or_id: the workspace.
            grants: all grants that there are to be.
            groups: all groups that there are to be; None keeps those that there are.

        Raises:
            BadRequest: a grant is for nobody, for a user and a group, or for one that there is not.
            NotFound: the caller may see no such workspace.
            Forbidden: the caller is not an administrator of the workspace.
        """
        workspace = self._workspaces.administered(caller, slug_or_id)

        async def spec_patch(current: Workspace) -> dict[str, Any]:
            check_principals(grants, current.spec.members, current.spec.groups if groups is None else groups)
            patch: dict[str, Any] = {"grants": [grant.to_api() for grant in grants]}
            return patch if groups is None else {**patch, "groups": [group.to_api() for group in groups]}

        as_admin = Impersonation.of_member(workspace.metadata.name, Role.ADMIN, caller.person)
        return _of(await self._cluster.update(workspace, spec_patch, as_admin))

    async def change(self, principal: Principal, change: GrantChange) -> None:
        """Grant or revoke privileges on a database or table, as an administrator or an owner of it.

        Raises:
            BadRequest: there is no such member or group, or the principal has none of what is revoked.
            NotFound: there is no such database or table.
            Forbidden: the caller is neither an administrator of the workspace nor an owner.
        """
        await self._check_object(principal, change)
        workspace = self._cluster.workspace_directory.existing(principal.workspace)
        is_user = "@" in change.principal
        grant = Grant(
            user=change.principal if is_user else None,
            group=None if is_user else change.principal,
            database=change.database,
            table=change.table,
            privileges=[Privilege(each) for each in change.privileges],
        )

        async def spec_patch(current: Workspace) -> dict[str, Any]:
            if change.is_revoked:
                grants = without_grant(current.spec.grants, grant)
            else:
                check_principals([grant], current.spec.members, current.spec.groups)
                grants = with_grant(current.spec.grants, grant)
            return {"grants": [each.to_api() for each in grants]}

        as_admin = Impersonation.of_member(principal.workspace, Role.ADMIN, principal.person)
        await self._cluster.update(workspace, spec_patch, as_admin)

    async def _check_object(self, principal: Principal, change: GrantChange) -> None:
        catalog = principal.catalog(self._catalogs)
        namespace: Namespace = (change.database,)
        name: str | None = None
        if change.table is None:
            shown = f"database {change.database}"
            await catalog.load_namespace(namespace)
        else:
            *schema, name = change.table.split(".")
            namespace = (change.database, *schema)
            shown = f"table {change.database}.{change.table}"
            if not change.is_revoked and await SqlCatalogReader(catalog).load(TableName(namespace, name)) is None:
                raise NotFound(f"There is no {shown}.")
        if not principal.access.owns(namespace, name):
            raise Forbidden(f"Admins of the workspace and who has OWN grant on {shown}.")


def _of(workspace: Workspace) -> GrantsOfWorkspace:
    return GrantsOfWorkspace(workspace.spec.grants, workspace.spec.groups)
