"""Runs as oleander's client asks for them, at /api/v2."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from icefield_apiserver.identity.principal import CurrentPrincipal
from icefield_apiserver.repositories.dependencies import CurrentStatements, Runs
from icefield_apiserver.schemas.runs_v2 import RunStateRead, state_of_run, state_of_statement
from icefield_apiserver.statements.identifiers import is_id

router = APIRouter(prefix="/runs", tags=["Runs & tasks"])


@router.get("/{id}", summary="Read the state of a run")
async def read_run_state(
    principal: CurrentPrincipal,
    id: Annotated[str, Path(max_length=253, description="Id or name of the run, or id of a SQL statement.")],  # noqa: A002
    runs: Runs,
    statements: CurrentStatements,
) -> RunStateRead:
    """Return how a run of any kind stands, in OpenLineage's words, or a SQL statement that the query router ran."""
    if is_id(id):
        return state_of_statement(await statements.get(principal, id))
    run = await runs.get(principal, id)
    return state_of_run(run, principal.workspace, *runs.job_of(run))
