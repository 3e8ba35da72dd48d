"""The grants and groups of a workspace, which are fields of its Workspace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from icefield_apiserver.core.kube import Cluster
from icefield_apiserver.core.kube.impersonation import Impersonation
from icefield_apiserver.features.workspaces.service import WorkspaceService
from icefield_apiserver.identity.principal import Caller
from icefield_crds import Grant, Group, Role, Workspace

from .changes import check_principals


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
    """

    def __init__(self, cluster: Cluster, workspaces: WorkspaceService) -> None:
        self._cluster = cluster
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


def _of(workspace: Workspace) -> GrantsOfWorkspace:
    return GrantsOfWorkspace(workspace.spec.grants, workspace.spec.groups)
