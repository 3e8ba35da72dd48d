"""Variables that all tasks of a workspace find in their environment (oleander's /api/v1/environment-variables)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from icefield_apiserver.identity.principal import CurrentPrincipal, Editor
from icefield_apiserver.repositories.dependencies import Environment
from icefield_apiserver.schemas.environment import VariableList, VariableRead, VariableWrite, variable_of
from icefield_crds import Role

router = APIRouter(prefix="/environment-variables", tags=["Environment variables"])


@router.get("", summary="List environment variables")
async def list_environment_variables(principal: CurrentPrincipal, environment: Environment) -> VariableList:
    """Return the workspace's variables; their values only to those who may set them."""
    shown = principal.may(Role.EDITOR)
    found = await environment.list(principal)
    return VariableList(environment_variables=[variable_of(principal.workspace, each, shown=shown) for each in found])


@router.post(
    "",
    summary="Set an environment variable",
    responses={201: {"model": VariableRead, "description": "It is new."}},
)
async def set_environment_variable(
    principal: Editor, body: VariableWrite, environment: Environment, response: Response
) -> VariableRead:
    """Set a variable, new or not; tasks that start from now on find it. A job's and a task's own variables win."""
    variable, is_new = await environment.set(principal, body.name, body.value)
    response.status_code = 201 if is_new else 200
    return variable_of(principal.workspace, variable, shown=True)


@router.delete("/{id}", status_code=204, summary="Delete an environment variable")
async def delete_environment_variable(principal: Editor, id: str, environment: Environment) -> None:  # noqa: A002
    """Delete a variable, by id or name; tasks that run keep it."""
    await environment.delete(principal, id)
