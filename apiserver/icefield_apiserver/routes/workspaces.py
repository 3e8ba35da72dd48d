"""Workspaces and their members. Everyone sees their own; platform administrators manage them."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic.alias_generators import to_camel

from icefield_apiserver.db.pages import after_text, page_of_rows
from icefield_apiserver.errors import Forbidden, NotFound
from icefield_apiserver.identity import users
from icefield_apiserver.identity.principal import Caller, CurrentCaller, PlatformAdmin
from icefield_apiserver.pagination import CurrentWindow, Page, page_of
from icefield_apiserver.repositories import workspaces as repository
from icefield_apiserver.schemas.workspaces import (
    MemberOfWorkspace,
    MemberRole,
    NewWorkspace,
    QuotaValues,
    WorkspaceChange,
    WorkspaceState,
    WorkspaceView,
)
from icefield_apiserver.state import CurrentCluster, CurrentDatabase
from icefield_crds import ConditionType, Role, Workspace

router = APIRouter(prefix="/workspaces", tags=["Workspaces"])

User = Annotated[str, Path(max_length=253, description="Id or e-mail address of the person.")]


@router.get("", summary="List the workspaces that the token opens")
async def list_workspaces(caller: CurrentCaller, cluster: CurrentCluster, window: CurrentWindow) -> Page[WorkspaceView]:
    """By slug; a key's and a run's token open one, a platform administrator's log-in all."""
    return page_of(
        cluster.workspaces.store,
        "",
        window,
        lambda workspace: _view(workspace, caller),
        where=lambda workspace: repository.role_of(caller, workspace) is not None,
    )


@router.post("", status_code=201, summary="Create a workspace")
async def create_workspace(body: NewWorkspace, caller: PlatformAdmin, cluster: CurrentCluster) -> WorkspaceView:
    """Its status is pending until its namespace, credentials and roles are there."""
    spec = {**_spec(body), "members": [member.model_dump(mode="json") for member in body.members]}
    return _view(await repository.create(cluster, caller, slug=body.slug, name=body.name, spec=spec), caller)


@router.get("/{workspace}", summary="Read a workspace")
async def read_workspace(workspace: str, caller: CurrentCaller, cluster: CurrentCluster) -> WorkspaceView:
    """The workspace is named by slug or id."""
    found, _ = repository.visible(cluster, caller, workspace)
    return _view(found, caller)


@router.patch("/{workspace}", summary="Change a workspace")
async def update_workspace(
    workspace: str, body: WorkspaceChange, caller: PlatformAdmin, cluster: CurrentCluster
) -> WorkspaceView:
    """What is absent stays."""
    found, _ = repository.visible(cluster, caller, workspace)
    spec = _spec(body) | ({"displayName": body.name} if body.name is not None else {})
    return _view(await repository.update(cluster, caller, found, spec), caller)


@router.delete("/{workspace}", status_code=204, summary="Delete a workspace and everything in it")
async def delete_workspace(workspace: str, caller: PlatformAdmin, cluster: CurrentCluster) -> None:
    """It shows the status deleting until its namespace, its objects and its credentials are gone."""
    found, _ = repository.visible(cluster, caller, workspace)
    await repository.delete(cluster, caller, found)


@router.get("/{workspace}/members", summary="List a workspace's members")
async def list_members(
    workspace: str, caller: CurrentCaller, cluster: CurrentCluster, window: CurrentWindow
) -> Page[MemberOfWorkspace]:
    """By e-mail address; for the workspace's administrators."""
    found, role = repository.visible(cluster, caller, workspace)
    if role is not Role.ADMIN:
        raise Forbidden(f"This needs the role admin; yours is {role.value}.")
    after = after_text(window)
    members = sorted(found.spec.members, key=lambda member: member.user)
    rows = [member for member in members if after is None or member.user > after]
    return page_of_rows(
        rows, window, lambda member: member.user, lambda member: MemberOfWorkspace(user=member.user, role=member.role)
    )


@router.put("/{workspace}/members/{user}", summary="Give a person a role")
async def set_member(
    workspace: str, user: User, body: MemberRole, caller: PlatformAdmin, cluster: CurrentCluster, db: CurrentDatabase
) -> MemberOfWorkspace:
    """In place of the one they have. The person need not be a user yet."""
    found, _ = repository.visible(cluster, caller, workspace)
    email = await _email_of(user, db)
    await repository.set_member(cluster, caller, found, email, body.role)
    return MemberOfWorkspace(user=email, role=body.role)


@router.delete("/{workspace}/members/{user}", status_code=204, summary="Take a person's role away")
async def remove_member(
    workspace: str, user: User, caller: PlatformAdmin, cluster: CurrentCluster, db: CurrentDatabase
) -> None:
    """The person's keys for this workspace lose their power at once."""
    found, _ = repository.visible(cluster, caller, workspace)
    await repository.remove_member(cluster, caller, found, await _email_of(user, db))


async def _email_of(user: str, db: CurrentDatabase) -> str:
    if "@" in user:
        return user.strip().lower()
    async with db.session() as session:
        return (await users.find(session, user)).email


def _spec(body: NewWorkspace | WorkspaceChange) -> dict[str, object]:
    spec: dict[str, object] = {}
    if body.quotas is not None:
        given = body.quotas.model_dump(exclude_unset=True)
        spec["quotas"] = {to_camel(name): limit for name, limit in given.items()}
    if body.default_flavor is not None:
        spec["defaultFlavor"] = body.default_flavor
    return spec


def _view(workspace: Workspace, caller: Caller) -> WorkspaceView:
    role = repository.role_of(caller, workspace)
    if role is None:
        raise NotFound(f"There is no workspace called {workspace.metadata.name}.")
    state, error = _state(workspace)
    return WorkspaceView(
        id=workspace.public_id,
        slug=workspace.metadata.name,
        name=workspace.spec.display_name or workspace.metadata.name,
        namespace=workspace.namespace,
        role=role,
        status=state,
        error=error,
        quotas=QuotaValues(**workspace.spec.quotas.model_dump()),
        default_flavor=workspace.spec.default_flavor,
        created_at=workspace.metadata.creation_timestamp,
    )


def _state(workspace: Workspace) -> tuple[WorkspaceState, str | None]:
    """Say how a workspace stands, and why it does not serve."""
    status = workspace.status
    if workspace.metadata.deletion_timestamp is not None:
        return "deleting", None
    if status is None:
        return "pending", None
    if status.is_true(ConditionType.READY):
        return "ready", None
    stalled = status.condition(ConditionType.STALLED)
    if stalled is not None and stalled.status == "True":
        return "failed", stalled.message
    ready = status.condition(ConditionType.READY)
    return "pending", ready.message if ready else None
