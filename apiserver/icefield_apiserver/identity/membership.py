"""Which workspaces a person may enter, and as what: Workspace.spec.members says so, for REST and GitOps alike."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from icefield_crds import Role, Run, Workspace


class WorkspaceDirectory(Protocol):
    """The Workspaces there are, out of a watch cache."""

    def get(self, slug: str) -> Workspace | None:
        """Return the workspace of this name."""

    def all(self) -> Iterable[Workspace]:
        """Return every workspace."""


class RunDirectory(Protocol):
    """The Runs there are, out of a watch cache."""

    def by_uid(self, uid: str) -> Run | None:
        """Return the run with this metadata.uid."""


def role_in(workspace: Workspace, email: str, *, is_platform_admin: bool) -> Role | None:
    """Return what a person may do in a workspace; None means that it does not exist for them."""
    if is_platform_admin:
        return Role.ADMIN
    return next((m.role for m in workspace.spec.members if m.user.lower() == email.lower()), None)


def workspaces_of(
    directory: WorkspaceDirectory, email: str, *, is_platform_admin: bool
) -> list[tuple[Workspace, Role]]:
    """Return the workspaces that a person may enter, by name, each with the role there."""
    found = [(w, role_in(w, email, is_platform_admin=is_platform_admin)) for w in directory.all()]
    return sorted(((w, role) for w, role in found if role), key=lambda pair: pair[0].metadata.name)


def find(directory: WorkspaceDirectory, slug_or_id: str) -> Workspace | None:
    """Return the workspace with this name or public id (`ws_...`)."""
    named = directory.get(slug_or_id)
    return named or next((w for w in directory.all() if w.public_id == slug_or_id), None)
