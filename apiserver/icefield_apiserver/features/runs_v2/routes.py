"""Runs in oleander's API, at /api/v2."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path

from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.features.runs.service import RunService
from icefield_apiserver.features.statements.service import StatementService, is_id
from icefield_apiserver.identity.dependencies import CurrentPrincipal

from .schemas import RunStateRead, state_of_run, state_of_statement

router = Router(prefix="/runs", tags=["Runs & tasks"])

CurrentStatements = Annotated[StatementService, Depends(provided(StatementService))]
Runs = Annotated[RunService, Depends(provided(RunService))]


@router.get("/{id}", summary="Read the state of a run")
async def read_run_state(
    principal: CurrentPrincipal,
    id: Annotated[str, Path(max_length=253, description="Id or name of the run, or id of a SQL statement.")],  # noqa: A002
    runs: Runs,
    statements: CurrentStatements,
) -> RunStateRead:
    """Return the state of a run of any kind, or of a SQL statement of the query router, in OpenLineage's terms."""
    if is_id(id):
        return state_of_statement(await statements.get(principal, id))
    run = await runs.get(principal, id)
    return state_of_run(run, principal.workspace, *runs.job_of(run))
