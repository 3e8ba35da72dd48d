"""Polars workloads (API reference, "Run a Polars workload")."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Response

from icefield_apiserver.errors import ApiError
from icefield_apiserver.identity.principal import Editor, Principal
from icefield_apiserver.polars.outcome import has_result
from icefield_apiserver.polars.service import PolarsService
from icefield_apiserver.repositories.dependencies import CurrentPolars
from icefield_apiserver.schemas.polars import PolarsAnswer, PolarsRequest, PolarsSubmitted, answer_of
from icefield_crds import Run

router = APIRouter(prefix="/warehouse", tags=["Polars"])

JSON = "application/json"


@router.post(
    "/polars",
    response_model=PolarsAnswer,
    responses={202: {"model": PolarsSubmitted, "description": "It has not ended, or was not waited for."}},
    summary="Run a Polars workload",
)
async def run_polars(
    principal: Editor,
    body: PolarsRequest,
    polars: CurrentPolars,
    idempotency_key: Annotated[
        str | None, Header(max_length=255, description="A second request with the same key runs nothing again.")
    ] = None,
) -> Response:
    """Run a query or a script over tables of the workspace, in a sandbox of its own, and wait for its end.

    What fails while running is 200 with `success: false`. What may not run at once waits for its turn. The run goes on
    when the client leaves; `async: true` does not wait at all.
    """
    run = await polars.submit(
        principal, body.to_workload(), timeout_seconds=body.timeout_seconds, idempotency_key=idempotency_key
    )
    if body.is_async:
        return _submitted(run, None)
    run = await polars.wait(run)
    if not run.phase.is_terminal:
        return _submitted(
            run, f"Run {run.public_id} goes on; its result will be at /api/v1/runs/{run.public_id}/result."
        )
    return await _answer(principal, run, polars)


async def _answer(principal: Principal, run: Run, polars: PolarsService) -> Response:
    try:
        result = await polars.result(principal, run) if has_result(run) else None
    except ApiError as error:
        sentence = f"Run {run.public_id} succeeded, but its rows cannot be read now: {error.sentence}"
        raise ApiError(error.status_code, sentence) from error
    return Response(answer_of(run, result), media_type=JSON)


def _submitted(run: Run, reason: str | None) -> Response:
    body = PolarsSubmitted(run_id=run.public_id, status=run.phase, success=False, error=reason)
    location = {"Location": f"/api/v1/runs/{run.public_id}"}
    return Response(body.model_dump_json(), status_code=202, media_type=JSON, headers=location)
