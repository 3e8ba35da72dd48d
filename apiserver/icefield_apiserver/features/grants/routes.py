"""Grants of a workspace, for its administrators."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentCaller

from .schemas import GrantsRead, NewGrants, grants_of
from .service import GrantService

router = Router(prefix="/workspaces/{workspace}/grants", tags=["Workspaces"])

CurrentGrants = Annotated[GrantService, Depends(provided(GrantService))]


@router.get("", summary="Read a workspace's grants")
async def read_grants(workspace: str, caller: CurrentCaller, grants: CurrentGrants) -> GrantsRead:
    """Who may read and write which databases and tables; for the workspace's administrators."""
    return grants_of(grants.read(caller, workspace))


@router.put("", summary="Set a workspace's grants")
async def set_grants(workspace: str, body: NewGrants, caller: CurrentCaller, grants: CurrentGrants) -> GrantsRead:
    """In place of the current ones; for the workspace's administrators. They hold at once."""
    return grants_of(await grants.replace(caller, workspace, body.grants_of_workspace(), body.groups_of_workspace()))
