"""Who may enter which workspace, and as what."""

from __future__ import annotations

from icefield_apiserver.core.kube.indexes import BY_NAME
from icefield_apiserver.core.kube.store import Store
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.identity.membership import role_in, workspaces_of
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Member, ObjectMeta, Role, Workspace, WorkspaceSpec


def directory_of(*workspaces: Workspace) -> WorkspaceDirectory:
    """Return a directory of these workspaces."""
    store = Store(Workspace, BY_NAME)
    for each in workspaces:
        store.put(each)
    return WorkspaceDirectory(store)


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
    directory = directory_of(workspace("b", ed=Role.VIEWER), workspace("a", ed=Role.ADMIN), workspace("c"))
    found = workspaces_of(directory, "ed@acme.eu", is_platform_admin=False)
    assert [(w.metadata.name, role) for w, role in found] == [("a", Role.ADMIN), ("b", Role.VIEWER)]


def test_workspace_is_found_by_name_and_id() -> None:
    acme = workspace("acme")
    directory = directory_of(acme, workspace("other"))
    assert directory.find("acme") is directory.find(acme.public_id) is acme
    assert directory.find("ws_000000000000") is None


def test_each_role_includes_the_ones_before_it() -> None:
    editor = Principal(person="ed@acme.eu", kind="user", workspace="acme", role=Role.EDITOR)
    assert [editor.may(role) for role in (Role.VIEWER, Role.EDITOR, Role.ADMIN)] == [True, True, False]
