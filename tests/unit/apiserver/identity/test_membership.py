"""Who may enter which workspace, and as what."""

from __future__ import annotations

from collections.abc import Iterable

from icefield_apiserver.identity.membership import find, role_in, workspaces_of
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Member, ObjectMeta, Role, Workspace, WorkspaceSpec


class Directory:
    """Workspaces in a dict."""

    def __init__(self, *workspaces: Workspace) -> None:
        self._by_name = {workspace.metadata.name: workspace for workspace in workspaces}

    def get(self, slug: str) -> Workspace | None:
        return self._by_name.get(slug)

    def all(self) -> Iterable[Workspace]:
        return self._by_name.values()


def workspace(name: str, **members: Role) -> Workspace:
    """Return a workspace with these members at acme.eu."""
    spec = WorkspaceSpec(members=[Member(user=f"{user}@acme.eu", role=role) for user, role in members.items()])
    return Workspace(metadata=ObjectMeta(name=name, uid=f"{name:0>12}-1111"), spec=spec)


def test_role_is_found_in_any_case() -> None:
    acme = workspace("acme", Ed=Role.EDITOR)
    assert role_in(acme, "ed@ACME.eu", is_platform_admin=False) is Role.EDITOR
    assert role_in(acme, "ann@acme.eu", is_platform_admin=False) is None


def test_platform_administrators_are_admins_everywhere() -> None:
    acme = workspace("acme", ed=Role.VIEWER)
    assert role_in(acme, "ed@acme.eu", is_platform_admin=True) is Role.ADMIN
    assert role_in(acme, "ann@acme.eu", is_platform_admin=True) is Role.ADMIN


def test_own_workspaces_come_by_name() -> None:
    directory = Directory(workspace("b", ed=Role.VIEWER), workspace("a", ed=Role.ADMIN), workspace("c"))
    found = workspaces_of(directory, "ed@acme.eu", is_platform_admin=False)
    assert [(w.metadata.name, role) for w, role in found] == [("a", Role.ADMIN), ("b", Role.VIEWER)]


def test_workspace_is_found_by_name_and_id() -> None:
    acme = workspace("acme")
    directory = Directory(acme, workspace("other"))
    assert find(directory, "acme") is find(directory, acme.public_id) is acme
    assert find(directory, "ws_000000000000") is None


def test_each_role_includes_the_ones_before_it() -> None:
    editor = Principal(person="ed@acme.eu", kind="user", workspace="acme", role=Role.EDITOR)
    assert [editor.may(role) for role in (Role.VIEWER, Role.EDITOR, Role.ADMIN)] == [True, True, False]
