"""Workspaces: read from the watch cache, written as the platform's administrators.

Membership lives in the Workspace itself, where GitOps may write it too; so every change is made against the version
it was read at, and tried again when someone else was faster.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubernetes.aio.client.exceptions import ApiException

from icefield_apiserver.errors import BadRequest, Conflict, NotFound
from icefield_apiserver.identity import membership
from icefield_apiserver.identity.principal import Caller
from icefield_apiserver.kube import Cluster, Impersonation
from icefield_crds import Member, Role, Workspace
from icefield_crds.names import slugify

MAX_SLUG_LENGTH = 40
_ATTEMPTS = 5


def visible(cluster: Cluster, caller: Caller, slug_or_id: str) -> tuple[Workspace, Role]:
    """Return a workspace that the caller may see, and the caller's role there.

    Raises:
        NotFound: there is none, or it is not the caller's; the two look alike.
    """
    workspace = membership.find(cluster.workspace_directory, slug_or_id)
    if workspace is None or (role := role_of(caller, workspace)) is None:
        raise NotFound(f"There is no workspace called {slug_or_id}.")
    return workspace, role


def role_of(caller: Caller, workspace: Workspace) -> Role | None:
    """Return the caller's role in a workspace; tokens that are bound to a workspace have none in any other."""
    if caller.kind == "user":
        return membership.role_in(workspace, caller.person, is_platform_admin=caller.is_platform_admin)
    is_bound = caller.workspace is not None and caller.workspace.metadata.uid == workspace.metadata.uid
    return caller.role if is_bound else None


async def create(cluster: Cluster, caller: Caller, *, slug: str | None, name: str, spec: dict[str, Any]) -> Workspace:
    """Create a workspace.

    Args:
        cluster: where.
        caller: the platform administrator who wants it.
        slug: its metadata.name; made of `name` when None.
        name: name shown to people.
        spec: the rest of its spec, in Kubernetes' spelling.

    Raises:
        ApiError: Kubernetes refused: the name is taken or reserved, a value is out of bounds.
    """
    try:
        metadata_name = slug if slug is not None else slugify(name, MAX_SLUG_LENGTH)
    except ValueError as error:
        raise BadRequest(f"{name} has no letter or digit to make a slug of; give one.") from error
    workspace = Workspace.model_validate({"metadata": {"name": metadata_name}, "spec": {**spec, "displayName": name}})
    return await cluster.create(workspace, Impersonation.of_platform_admin(caller.person))


async def update(cluster: Cluster, caller: Caller, workspace: Workspace, spec: dict[str, Any]) -> Workspace:
    """Merge fields into a workspace's spec.

    Args:
        cluster: where.
        caller: the platform administrator who wants it.
        workspace: which.
        spec: a JSON merge patch of the spec, in Kubernetes' spelling.
    """
    return await cluster.patch(workspace, {"spec": spec}, Impersonation.of_platform_admin(caller.person))


async def delete(cluster: Cluster, caller: Caller, workspace: Workspace) -> None:
    """Delete a workspace; the operator then removes everything in it."""
    await cluster.delete(workspace, Impersonation.of_platform_admin(caller.person))


async def set_member(cluster: Cluster, caller: Caller, workspace: Workspace, email: str, role: Role) -> None:
    """Give a person a role, in place of the one they have."""

    def change(members: list[Member]) -> list[Member]:
        others = [member for member in members if member.user.lower() != email]
        return [*others, Member(user=email, role=role)]

    await _change_members(cluster, caller, workspace, change)


async def remove_member(cluster: Cluster, caller: Caller, workspace: Workspace, email: str) -> None:
    """Take a person's role away.

    Raises:
        NotFound: the person has none.
    """

    def change(members: list[Member]) -> list[Member]:
        others = [member for member in members if member.user.lower() != email]
        if len(others) == len(members):
            raise NotFound(f"{email} is not a member of workspace {workspace.metadata.name}.")
        return others

    await _change_members(cluster, caller, workspace, change)


async def _change_members(
    cluster: Cluster, caller: Caller, workspace: Workspace, change: Callable[[list[Member]], list[Member]]
) -> None:
    current: Workspace | None = workspace
    for _ in range(_ATTEMPTS):
        if current is None:
            raise NotFound(f"There is no workspace called {workspace.metadata.name}.")
        patch = {
            "metadata": {"resourceVersion": current.metadata.resource_version},
            "spec": {"members": [member.to_api() for member in change(current.spec.members)]},
        }
        try:
            await cluster.patch(current, patch, Impersonation.of_platform_admin(caller.person))
            return
        except ApiException as error:
            if error.status != 409:
                raise
        current = await cluster.workspaces.read(None, workspace.metadata.name)
    raise Conflict(f"Workspace {workspace.metadata.name} is being changed by others all the time; try again.")
