"""Queries, whichever engine runs them (published client `oleanderhq-sdk`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Response

from icefield_apiserver.core.bodies import MIB
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity.dependencies import CurrentPrincipal, Editor

from .responses import encoded
from .schemas import (
    LakeAnswer,
    LakeQuery,
    QueryAnswer,
    QueryRequest,
    SparkSqlCompute,
    SparkSqlRequest,
    SparkSqlSubmitted,
    query_of,
    spark_query_of,
)
from .service import QueryService
from .spark import SparkQueries

router = Router(tags=["Queries"])

CurrentQueries = Annotated[QueryService, Depends(provided(QueryService))]

spark_router = Router(prefix="/spark", tags=["Spark"])

CurrentSparkQueries = Annotated[SparkQueries, Depends(provided(SparkQueries))]

JSON = "application/json"
MAX_BODY_BYTES = 4 * MIB
"""A query of the greatest length, as JSON with escapes."""


@router.post(
    "/query",
    max_body_size=MAX_BODY_BYTES,
    response_model=QueryAnswer,
    summary="Run a query on the engine that suits it",
)
async def run_query(principal: CurrentPrincipal, body: QueryRequest, queries: CurrentQueries) -> Response:
    """Run SQL or a Polars script, and say which engine ran it and why; with `explain`, only that.

    A read that fails is 200 with `success: false`; a write that fails is 400. A write on Spark answers with `run_id`,
    whose state is at `/api/v2/runs/{id}`. A warehouse is chosen, woken, or made where the workspace has none.
    """
    return Response(encoded(await queries.answer(principal, query_of(body))), media_type=JSON)


@router.post(
    "/warehouse/query", max_body_size=MAX_BODY_BYTES, response_model=LakeAnswer, summary="Run a query on DuckDB"
)
async def run_lake_query(principal: CurrentPrincipal, body: LakeQuery, queries: CurrentQueries) -> Response:
    """Run a read on DuckDB; what fails is 200 with `success: false`.

    With `autoSaveByHash` the result is saved as `default.query_<hash>`, by the hash of the query's text: the same query
    replaces its own table.
    """
    return Response(encoded(await queries.lake_query(principal, body.query, auto_save=body.auto_save)), media_type=JSON)


@spark_router.post("/query", status_code=201, summary="Submit a query to Spark")
async def submit_spark_query(
    principal: Editor, body: SparkSqlRequest, queries: CurrentSparkQueries
) -> SparkSqlSubmitted:
    """Start a query as a run; its result is written to a table. Its state is at `/api/v2/runs/{id}`."""
    query, machines = spark_query_of(body)
    run, table = await queries.run(principal, query, machines)
    compute = SparkSqlCompute(
        driver_machine_type=machines.driver,
        executor_machine_type=machines.executor,
        executor_numbers=machines.executors,
    )
    return SparkSqlSubmitted(
        run_id=run.public_id,
        namespace=query.namespace,
        job_name=query.name,
        submitted_at=run.metadata.creation_timestamp or now(),
        compute=compute,
        output_table=str(table),
        write_mode=body.write_mode,
    )
