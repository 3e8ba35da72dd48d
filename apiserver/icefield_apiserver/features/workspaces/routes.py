"""Workspaces and their members. Everyone sees their own, whose administrators choose the members."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path
from pydantic.alias_generators import to_camel

from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.kube.workspaces import workspace_not_found
from icefield_apiserver.core.pagination import CurrentWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity import membership
from icefield_apiserver.identity.dependencies import CurrentCaller, PlatformAdmin
from icefield_apiserver.identity.principal import Caller
from icefield_crds import ConditionType, Member, Workspace

from .schemas import (
    MemberOfWorkspace,
    MemberRole,
    NewWorkspace,
    QuotaValues,
    WorkspaceChange,
    WorkspaceState,
    WorkspaceView,
)
from .service import WorkspaceService

router = Router(prefix="/workspaces", tags=["Workspaces"])

User = Annotated[str, Path(max_length=253, description="Id or e-mail address of the person.")]
Workspaces = Annotated[WorkspaceService, Depends(provided(WorkspaceService))]


@router.get("", summary="List the workspaces that the token opens")
async def list_workspaces(caller: CurrentCaller, workspaces: Workspaces, window: CurrentWindow) -> Page[WorkspaceView]:
    """By slug; API keys and run tokens see one, platform administrators all."""
    return workspaces.page(caller, window, lambda workspace: _view(workspace, caller))


@router.post("", status_code=201, summary="Create a workspace")
async def create_workspace(body: NewWorkspace, caller: PlatformAdmin, workspaces: Workspaces) -> WorkspaceView:
    """Its status is pending until its namespace, credentials and roles are there."""
    spec = {**_spec(body), "members": [member.model_dump(mode="json") for member in body.members]}
    return _view(await workspaces.create(caller, slug=body.slug, name=body.name, spec=spec), caller)


@router.get("/{workspace}", summary="Read a workspace")
async def read_workspace(workspace: str, caller: CurrentCaller, workspaces: Workspaces) -> WorkspaceView:
    """The workspace is named by slug or id."""
    return _view(workspaces.get(caller, workspace), caller)


@router.patch("/{workspace}", summary="Change a workspace")
async def update_workspace(
    workspace: str, body: WorkspaceChange, caller: PlatformAdmin, workspaces: Workspaces
) -> WorkspaceView:
    """Fields that are absent keep their value; null restores the default."""
    cleared = {to_camel(name): None for name in body.model_fields_set - {"name"} if getattr(body, name) is None}
    renamed = {"displayName": body.name} if "name" in body.model_fields_set else {}
    spec = {**_spec(body), **cleared, **renamed}
    if body.default_warehouse is not None:
        spec["defaultWarehouse"] = await workspaces.name_of_warehouse(caller, workspace, body.default_warehouse)
    return _view(await workspaces.update(caller, workspace, spec), caller)


@router.delete("/{workspace}", status_code=204, summary="Delete a workspace and everything in it")
async def delete_workspace(workspace: str, caller: PlatformAdmin, workspaces: Workspaces) -> None:
    """It shows the status deleting until its namespace and its credentials are gone, and its data unless its
    deletion_policy is Retain.
    """
    await workspaces.delete(caller, workspace)


@router.get("/{workspace}/members", summary="List a workspace's members")
async def list_members(
    workspace: str, caller: CurrentCaller, workspaces: Workspaces, window: CurrentWindow
) -> Page[MemberOfWorkspace]:
    """By e-mail address; for the workspace's administrators."""
    return workspaces.page_of_members(caller, workspace, window, _member)


@router.put("/{workspace}/members/{user}", summary="Give a person a role")
async def set_member(
    workspace: str, user: User, body: MemberRole, caller: CurrentCaller, workspaces: Workspaces
) -> MemberOfWorkspace:
    """In place of the current one; for the workspace's administrators. The person is a user."""
    return _member(await workspaces.set_member(caller, workspace, user, body.role))


@router.delete("/{workspace}/members/{user}", status_code=204, summary="Take a person's role away")
async def remove_member(workspace: str, user: User, caller: CurrentCaller, workspaces: Workspaces) -> None:
    """For the workspace's administrators. The person's keys for this workspace are refused at once."""
    await workspaces.remove_member(caller, workspace, user)


def _member(member: Member) -> MemberOfWorkspace:
    return MemberOfWorkspace(user=member.user, role=member.role)


def _spec(body: NewWorkspace | WorkspaceChange) -> dict[str, object]:
    spec: dict[str, object] = {}
    if body.quotas is not None:
        given = body.quotas.model_dump(exclude_unset=True)
        spec["quotas"] = {to_camel(name): limit for name, limit in given.items()}
    if body.default_flavor is not None:
        spec["defaultFlavor"] = body.default_flavor
    if body.deletion_policy is not None:
        spec["deletionPolicy"] = body.deletion_policy.value
    if body.adopt_data_of is not None:
        spec["adoptDataOf"] = body.adopt_data_of
    return spec


def _view(workspace: Workspace, caller: Caller) -> WorkspaceView:
    role = membership.role_of(caller, workspace)
    if role is None:
        raise workspace_not_found(workspace.metadata.name)
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
        default_warehouse=workspace.spec.default_warehouse,
        deletion_policy=workspace.spec.deletion_policy,
        created_at=workspace.metadata.creation_timestamp,
    )


def _state(workspace: Workspace) -> tuple[WorkspaceState, str | None]:
    """Return the state of a workspace, and why it is not ready."""
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
