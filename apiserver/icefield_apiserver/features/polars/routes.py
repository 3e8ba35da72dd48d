"""Polars workloads (API reference, "Run a Polars workload")."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from icefield_apiserver.core.bodies import OBJECT_BYTES
from icefield_apiserver.core.dependencies import IdempotencyKey
from icefield_apiserver.core.errors import ApiError
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.features.runs.service import has_result
from icefield_apiserver.identity.dependencies import Editor
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Run

from .schemas import PolarsAnswer, PolarsRequest, PolarsSubmitted, answer_of
from .service import PolarsService

router = Router(prefix="/warehouse", tags=["Polars"])

CurrentPolars = Annotated[PolarsService, Depends(provided(PolarsService))]

JSON = "application/json"


@router.post(
    "/polars",
    max_body_size=OBJECT_BYTES,
    response_model=PolarsAnswer,
    responses={202: {"model": PolarsSubmitted, "description": "It has not ended, or the request does not wait."}},
    summary="Run a Polars workload",
)
async def run_polars(
    principal: Editor,
    body: PolarsRequest,
    polars: CurrentPolars,
    idempotency_key: IdempotencyKey = None,
) -> Response:
    """Run a query or a script over tables of the workspace, in a sandbox of its own, and wait for its end.

    A failure while running is 200 with `success: false`. A workload over the quota waits. The run continues when the
    client disconnects; `async: true` does not wait at all.
    """
    run = await polars.submit(
        principal,
        body.to_workload(),
        timeout_seconds=body.timeout_seconds,
        idempotency_key=idempotency_key,
        requirements=body.to_requirements(),
    )
    if body.is_async:
        return _submitted(run, None)
    run = await polars.wait(run)
    if not run.phase.is_terminal:
        return _submitted(
            run, f"Run {run.public_id} is still running; its result will be at /api/v1/runs/{run.public_id}/result."
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
