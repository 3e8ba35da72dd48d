"""Queries, whichever engine runs them (published client `oleanderhq-sdk`)."""

from __future__ import annotations

from fastapi import APIRouter, Response

from icefield_apiserver.identity.principal import CurrentPrincipal
from icefield_apiserver.query.answers import encoded
from icefield_apiserver.repositories.dependencies import CurrentQueries
from icefield_apiserver.schemas.query import LakeAnswer, LakeQuery, QueryAnswer, QueryRequest

router = APIRouter(tags=["Queries"])

JSON = "application/json"


@router.post("/query", response_model=QueryAnswer, summary="Run a query on the engine that suits it")
async def run_query(principal: CurrentPrincipal, body: QueryRequest, queries: CurrentQueries) -> Response:
    """Run SQL or a Polars script, and say which engine ran it and why; with `explain`, only that.

    A read that fails is 200 with `success: false`; a write that fails is 400. A write on Spark answers with `run_id`,
    whose state is at `/api/v2/runs/{id}`. A warehouse is chosen, woken, or made where the workspace has none.
    """
    return Response(encoded(await queries.answer(principal, body)), media_type=JSON)


@router.post("/warehouse/query", response_model=LakeAnswer, summary="Run a query on DuckDB")
async def run_lake_query(principal: CurrentPrincipal, body: LakeQuery, queries: CurrentQueries) -> Response:
    """Run a read on DuckDB; what fails is 200 with `success: false`.

    With `autoSaveByHash` the result is saved as `default.query_<hash>`, by the hash of the query's text: the same query
    replaces its own table.
    """
    return Response(encoded(await queries.lake_query(principal, body)), media_type=JSON)
