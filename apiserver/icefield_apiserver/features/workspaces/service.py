"""Workspaces: read from the watch cache, written as the administrators of the platform, or of the workspace.

Membership is part of the Workspace itself, where GitOps may write it too; so a change of members is made against the
version that was read, and retried when somebody else wrote first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.pages import after_text, page_of_rows
from icefield_apiserver.core.errors import BadRequest, Forbidden, NotFound
from icefield_apiserver.core.kube import Cluster, Impersonation, NamedResources
from icefield_apiserver.core.kube.pages import page_of
from icefield_apiserver.core.kube.workspaces import workspace_not_found
from icefield_apiserver.core.pagination import Page, Window
from icefield_apiserver.identity import membership, users
from icefield_apiserver.identity.principal import Caller
from icefield_crds import Member, Role, Warehouse, Workspace
from icefield_crds.names import slugify

T = TypeVar("T")

MAX_SLUG_LENGTH = 40


class WorkspaceService:
    """Finds workspaces that the caller may see, and changes them as the administrator that the caller is.

    Args:
        cluster: where they are.
        db: the database, for users.
    """

    def __init__(self, cluster: Cluster, db: Database) -> None:
        self._cluster = cluster
        self._db = db
        self._warehouses = NamedResources(cluster, Warehouse)

    def page(self, caller: Caller, window: Window, shape: Callable[[Workspace], T]) -> Page[T]:
        """Return a page of the workspaces that the caller may see, by slug."""
        return page_of(
            self._cluster.workspaces.store,
            "",
            window,
            shape,
            where=lambda workspace: membership.role_of(caller, workspace) is not None,
        )

    def get(self, caller: Caller, slug_or_id: str) -> Workspace:
        """Return a workspace that the caller may see.

        Raises:
            NotFound: there is none, or the caller may not see it; the two look alike.
        """
        return self._visible(caller, slug_or_id)[0]

    async def create(self, caller: Caller, *, slug: str | None, name: str, spec: dict[str, Any]) -> Workspace:
        """Create a workspace.

        Args:
            caller: a platform administrator.
            slug: its metadata.name; made from `name` when None.
            name: display name.
            spec: the rest of its spec, in Kubernetes' spelling.

        Raises:
            ApiError: Kubernetes refused: the name is taken or reserved, a value is out of bounds.
        """
        try:
            metadata_name = slug if slug is not None else slugify(name, MAX_SLUG_LENGTH)
        except ValueError as error:
            raise BadRequest(f"{name} has no letter or digit to make a slug of; give one.") from error
        workspace = Workspace.model_validate(
            {"metadata": {"name": metadata_name}, "spec": {**spec, "displayName": name}}
        )
        return await self._cluster.create(workspace, _impersonation(caller))

    async def update(self, caller: Caller, slug_or_id: str, spec: dict[str, Any]) -> Workspace:
        """Merge fields into a workspace's spec.

        Args:
            caller: a platform administrator.
            slug_or_id: the workspace.
            spec: a JSON merge patch of the spec, in Kubernetes' spelling.

        Raises:
            NotFound: there is no such workspace.
        """
        workspace = self.get(caller, slug_or_id)
        return await self._cluster.patch(workspace, {"spec": spec}, _impersonation(caller))

    async def name_of_warehouse(self, caller: Caller, slug_or_id: str, id_or_name: str) -> str:
        """Return the name in Kubernetes of a warehouse of a workspace.

        Raises:
            NotFound: there is no such workspace.
            BadRequest: the workspace has no such warehouse.
        """
        workspace = self.get(caller, slug_or_id).metadata.name
        found = await self._warehouses.find(workspace, id_or_name)
        if found is None:
            raise BadRequest(f"There is no warehouse {id_or_name} in workspace {workspace}.")
        return found.metadata.name

    async def delete(self, caller: Caller, slug_or_id: str) -> None:
        """Delete a workspace; the operator then removes everything in it.

        Raises:
            NotFound: there is no such workspace.
        """
        await self._cluster.delete(self.get(caller, slug_or_id), _impersonation(caller))

    def page_of_members(self, caller: Caller, slug_or_id: str, window: Window, shape: Callable[[Member], T]) -> Page[T]:
        """Return a page of a workspace's members by e-mail address.

        Raises:
            NotFound: the caller may see no such workspace.
            Forbidden: the caller is not an administrator of the workspace.
        """
        workspace = self.administered(caller, slug_or_id)
        after = after_text(window)
        members = sorted(workspace.spec.members, key=lambda member: member.user)
        rows = [member for member in members if after is None or member.user > after]
        return page_of_rows(rows, window, lambda member: member.user, shape)

    async def set_member(self, caller: Caller, slug_or_id: str, user: str, role: Role) -> Member:
        """Give a person a role, in place of the current one.

        Args:
            caller: an administrator of the workspace.
            slug_or_id: the workspace.
            user: e-mail address or id of a user.
            role: the new role.

        Raises:
            NotFound: there is no such workspace or user.
            Forbidden: the caller is not an administrator of the workspace.
        """
        workspace = self.administered(caller, slug_or_id)
        member = Member(user=await self._email_of_user(user), role=role)

        def change(members: list[Member]) -> list[Member]:
            return [*(each for each in members if each.user.lower() != member.user), member]

        await self._change_members(caller, workspace, change)
        return member

    async def remove_member(self, caller: Caller, slug_or_id: str, user: str) -> None:
        """Remove a person from a workspace's members.

        Args:
            caller: an administrator of the workspace.
            slug_or_id: the workspace.
            user: e-mail address, or id of a user.

        Raises:
            NotFound: there is no such workspace or user, or the person is not a member.
            Forbidden: the caller is not an administrator of the workspace.
        """
        workspace = self.administered(caller, slug_or_id)
        email = await self._email_of(user)

        def change(members: list[Member]) -> list[Member]:
            others = [member for member in members if member.user.lower() != email]
            if len(others) == len(members):
                raise NotFound(f"{email} is not a member of workspace {workspace.metadata.name}.")
            return others

        await self._change_members(caller, workspace, change)

    def administered(self, caller: Caller, slug_or_id: str) -> Workspace:
        """Return a workspace that the caller administers.

        Raises:
            NotFound: the caller may see no such workspace.
            Forbidden: the caller is not an administrator of it.
        """
        workspace, role = self._visible(caller, slug_or_id)
        if role is not Role.ADMIN:
            raise Forbidden(f"This needs the role admin; yours is {role.value}.")
        return workspace

    def _visible(self, caller: Caller, slug_or_id: str) -> tuple[Workspace, Role]:
        workspace = self._cluster.workspace_directory.find(slug_or_id)
        if workspace is None or (role := membership.role_of(caller, workspace)) is None:
            raise workspace_not_found(slug_or_id)
        return workspace, role

    async def _email_of(self, user: str) -> str:
        """Return the address of a member, who need not be a user: GitOps names members too."""
        return user.strip().lower() if "@" in user else await self._email_of_user(user)

    async def _email_of_user(self, user: str) -> str:
        async with self._db.session() as session:
            return (await users.find(session, user.strip())).email

    async def _change_members(
        self, caller: Caller, workspace: Workspace, change: Callable[[list[Member]], list[Member]]
    ) -> None:
        async def spec_patch(current: Workspace) -> dict[str, Any]:
            return {"members": [member.to_api() for member in change(current.spec.members)]}

        as_admin = Impersonation.of_member(workspace.metadata.name, Role.ADMIN, caller.person)
        await self._cluster.update(workspace, spec_patch, as_admin)


def _impersonation(caller: Caller) -> Impersonation:
    return Impersonation.of_platform_admin(caller.person)
