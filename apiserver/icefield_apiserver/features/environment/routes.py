"""Environment variables of all tasks of a workspace (oleander's /api/v1/environment-variables)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal, Editor
from icefield_crds import Role

from .schemas import VariableList, VariableRead, VariableWrite, variable_of
from .service import EnvironmentService

router = Router(prefix="/environment-variables", tags=["Environment variables"])

Environment = Annotated[EnvironmentService, Depends(provided(EnvironmentService))]


@router.get("", summary="List environment variables")
async def list_environment_variables(principal: CurrentPrincipal, environment: Environment) -> VariableList:
    """Return the workspace's variables; values only to callers who may set them."""
    shown = principal.may(Role.EDITOR)
    found = await environment.list(principal)
    return VariableList(environment_variables=[variable_of(principal.workspace, each, shown=shown) for each in found])


@router.post(
    "",
    summary="Set an environment variable",
    responses={201: {"model": VariableRead, "description": "The variable is new."}},
)
async def set_environment_variable(
    principal: Editor, body: VariableWrite, environment: Environment, response: Response
) -> VariableRead:
    """Create or update a variable; tasks that start from now on have it. A job's and a task's own variables win."""
    variable, is_new = await environment.set(principal, body.name, body.value)
    response.status_code = 201 if is_new else 200
    return variable_of(principal.workspace, variable, shown=True)


@router.delete("/{id}", status_code=204, summary="Delete an environment variable")
async def delete_environment_variable(principal: Editor, id: str, environment: Environment) -> None:  # noqa: A002
    """Delete a variable, by id or name (in any case); running tasks keep it."""
    await environment.delete(principal, id)
