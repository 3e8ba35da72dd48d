"""SQL statements in the REST API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from icefield_apiserver.core.schemas import RequestBody
from icefield_apiserver.features.lineage.service import Lineage
from icefield_crds.names import public_id

from .models import Statement
from .requests import DEFAULT_WAIT_SECONDS, MAX_WAIT_SECONDS, EngineChoice, ExecuteRequest, PlanRequest

MAX_QUERY_LENGTH = 16 * 1024 * 1024
"""Characters: what the body of a request may have."""

StatementStatus = Literal["pending", "running", "succeeded", "failed", "cancelled"]
ResultFormat = Literal["json", "arrow"]
Wait = Annotated[float, BeforeValidator(lambda value: value.removesuffix("s") if isinstance(value, str) else value)]


class Execute(RequestBody):
    """Request body to run a SQL statement."""

    model_config = ConfigDict(populate_by_name=True)

    query: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_QUERY_LENGTH,
            description='One statement of Spark SQL, in which "x" and `x` are both identifiers.',
            examples=["SELECT count(*) FROM acme.sales.orders"],
        ),
    ]
    warehouse_id: Annotated[
        str,
        Field(min_length=1, max_length=253, description="Id or name of the warehouse.", examples=["wh_4a2b09c1d2e3"]),
    ]
    schema_: Annotated[
        str | None,
        Field(alias="schema", max_length=511, description="Database, or database.schema, of unqualified names."),
    ] = None
    format: Annotated[
        ResultFormat, Field(description="json; or arrow, when the rows are fetched as an Arrow stream: none come here.")
    ] = "json"
    params: Annotated[
        list[Any] | dict[str, Any] | None, Field(description="Values of ? (a list) or of :name (an object).")
    ] = None
    wait_timeout: Annotated[
        Wait,
        Field(ge=0, le=MAX_WAIT_SECONDS, description="How many seconds to wait for the end; 0 answers at once."),
    ] = DEFAULT_WAIT_SECONDS
    row_limit: Annotated[int | None, Field(ge=1, le=2**53, description="Most rows of the result.")] = None
    engine: Annotated[EngineChoice, Field(description="auto: DuckDB for reads, Spark for what writes.")] = "auto"
    dialect: Annotated[
        Literal["icefield", "duckdb"], Field(description="duckdb: the query is a read in DuckDB's own SQL.")
    ] = "icefield"
    lineage_run_id: Annotated[
        str | None, Field(max_length=253, description="Run, by id or name, that the statement is executed for.")
    ] = None
    lineage_context: Annotated[
        str | None, Field(max_length=64, description="What it is executed for, such as job_run.", examples=["job_run"])
    ] = None


class ResultColumn(BaseModel):
    """A column of a result."""

    name: str = Field(description="Its name; several columns may share one.")
    type: str = Field(description="Its type, as Spark SQL names it.", examples=["decimal(10,2)"])


class Submitted(BaseModel):
    """A statement that has not ended yet."""

    statement_id: str = Field(description="Id of the statement.", examples=["stmt_0197f0c2a9ab4812c0ffee0123456789"])
    status: StatementStatus = Field(description="pending (its warehouse starts) or running.")


class Executed(BaseModel):
    """A statement that has ended, with the first rows of its result."""

    statement_id: str = Field(description="Id of the statement.", examples=["stmt_0197f0c2a9ab4812c0ffee0123456789"])
    status: StatementStatus = Field(description="succeeded, failed or cancelled.")
    columns: list[str] = Field(description="Names of the columns.")
    rows: list[list[Any]] = Field(description="The rows, or the first of them; none with format arrow.")
    truncated: bool = Field(description="Whether there are more rows than these, here or because of row_limit.")
    rows_produced: int | None = Field(description="How many rows the result has, or how many were appended.")
    engine: str | None = Field(description="duckdb or spark.")
    elapsed_ms: int = Field(description="Milliseconds since it was submitted.")
    lineage: Lineage = Field(description="The tables read and written.")
    error_code: str | None = Field(description="Error class, where it failed.")
    error_message: str | None = Field(description="The engine's own message, where it failed.")


class StatementRead(BaseModel):
    """A SQL statement."""

    id: str = Field(description="Id of the statement.", examples=["stmt_0197f0c2a9ab4812c0ffee0123456789"])
    statement_id: str = Field(description="Alias of id.")
    status: StatementStatus = Field(description="pending, running, succeeded, failed or cancelled.")
    query: str = Field(description="Its text.")
    dialect: str = Field(description="icefield or duckdb.")
    engine: str | None = Field(description="duckdb or spark, once that is decided.")
    warehouse_id: str = Field(description="Id of its warehouse.")
    warehouse_name: str = Field(description="Name of its warehouse in Kubernetes.")
    person: str = Field(description="Who ran it: an e-mail address, or run:<name>.")
    run_id: str | None = Field(description="The run that it was executed for.")
    lineage_context: str | None = Field(description="What it was executed for, as the client named it.")
    submitted_at: datetime = Field(description="When it was submitted.")
    started_at: datetime | None = Field(description="When an engine started it.")
    finished_at: datetime | None = Field(description="When it ended.")
    duration_ms: float | None = Field(description="How long the engine took.")
    rows_produced: int | None = Field(description="How many rows the result has, or how many were appended.")
    truncated: bool = Field(description="Whether row_limit cut the result.")
    result_schema: list[ResultColumn] | None = Field(description="Columns of the result; null where there is none.")
    result_expires_at: datetime | None = Field(description="When the result is deleted.")
    lineage: Lineage | None = Field(description="The tables read and written.")
    error_code: str | None = Field(description="Error class, where it failed.")
    error_message: str | None = Field(description="The engine's own message, where it failed.")


class Results(BaseModel):
    """Rows of a result."""

    model_config = ConfigDict(populate_by_name=True)

    schema_: list[ResultColumn] = Field(alias="schema", description="The columns.")
    rows_produced: int = Field(description="How many rows the whole result has.")
    next_cursor: str | None = Field(default=None, description="Where the next page begins; absent on the last page.")
    data: list[list[Any]] = Field(description="The rows.")


def request_of(body: Execute, idempotency_key: str | None) -> ExecuteRequest:
    """Return the statement that a request asks to run."""
    return ExecuteRequest(
        plan=PlanRequest(body.query, body.dialect, body.schema_, body.params, body.engine, body.row_limit),
        warehouse=body.warehouse_id,
        wait_seconds=body.wait_timeout,
        wants_rows=body.format == "json",
        run=body.lineage_run_id,
        context=body.lineage_context,
        idempotency_key=idempotency_key,
    )


def statement_of(statement: Statement) -> StatementRead:
    """Return a statement as REST shows it."""
    return StatementRead(
        id=statement.id,
        statement_id=statement.id,
        status=statement.status,
        query=statement.query,
        dialect=statement.dialect,
        engine=statement.engine,
        warehouse_id=public_id("wh", statement.warehouse_uid),
        warehouse_name=statement.warehouse,
        person=statement.person,
        run_id=public_id("run", statement.run_uid) if statement.run_uid else None,
        lineage_context=statement.context,
        submitted_at=statement.submitted_at,
        started_at=statement.started_at,
        finished_at=statement.finished_at,
        duration_ms=statement.duration_ms,
        rows_produced=statement.rows_produced,
        truncated=statement.truncated,
        result_schema=statement.result_schema,
        result_expires_at=statement.expires_at,
        lineage=statement.lineage,
        error_code=statement.error_code,
        error_message=statement.error_message,
    )
