"""Membership of workspaces: Workspace.spec.members, for REST and GitOps alike."""

from __future__ import annotations

from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_crds import Role, Workspace

from .principal import Caller


def role_in(workspace: Workspace, email: str, *, is_platform_admin: bool) -> Role | None:
    """Return a person's role in a workspace; None for one who is not a member, to whom it does not exist."""
    if is_platform_admin:
        return Role.ADMIN
    return next((m.role for m in workspace.spec.members if m.user.lower() == email.lower()), None)


def workspaces_of(
    directory: WorkspaceDirectory, email: str, *, is_platform_admin: bool
) -> list[tuple[Workspace, Role]]:
    """Return the workspaces of which a person is a member, by name, each with the role there."""
    found = [(w, role_in(w, email, is_platform_admin=is_platform_admin)) for w in directory.all()]
    return sorted(((w, role) for w, role in found if role), key=lambda pair: pair[0].metadata.name)


def role_of(caller: Caller, workspace: Workspace) -> Role | None:
    """Return the caller's role in a workspace; tokens that are bound to a workspace have none in any other."""
    if caller.kind == "user":
        return role_in(workspace, caller.person, is_platform_admin=caller.is_platform_admin)
    is_bound = caller.workspace is not None and caller.workspace.metadata.uid == workspace.metadata.uid
    return caller.role if is_bound else None
