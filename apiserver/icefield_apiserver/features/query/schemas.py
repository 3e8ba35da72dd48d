"""The query router in the REST API of oleander (published client `oleanderhq-sdk`, models.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from icefield_apiserver.core.on_quota import OnQuota, OnQuotaField
from icefield_apiserver.core.schemas import RequestBody
from icefield_apiserver.features.spark.service import DEFAULT_MACHINE, MAX_EXECUTORS, Machines
from icefield_crds.patterns import DESTINATION_PATTERN

from .decision import Decision
from .domain import Query, SparkQuery, TableAlias

MAX_QUERY_LENGTH = 1024 * 1024
MAX_SCRIPT_LENGTH = 262_144
MAX_TABLES = 100

Text = BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value)
"""Makes None of a blank text."""

JobName = Annotated[str, Field(min_length=1, max_length=253, pattern=r"\S", description="Name of the job.")]
JobNamespace = Annotated[
    str, Field(min_length=1, max_length=253, pattern=r"\S", description="Namespace of the job, in your own terms.")
]
Machine = Annotated[
    str, Field(max_length=32, description="spark.N.c, spark.N.b or spark.N.m: N cores with 2, 4 or 8 GiB each.")
]
Executors = Annotated[
    int, Field(ge=0, le=MAX_EXECUTORS, description="Number of executors; with 0 the driver does all the work.")
]
WriteMode = BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value)


class QueryTable(RequestBody):
    """A table, and its alias in the query or script."""

    alias: str = Field(
        min_length=1, max_length=128, description="Name of the table in the query.", examples=["flowers"]
    )
    table: str = Field(min_length=1, max_length=512, description="The table.", examples=["default.flowers"])


class QueryRequest(RequestBody):
    """Request body to run SQL or a script."""

    query: Annotated[
        str | None,
        Field(
            max_length=MAX_QUERY_LENGTH,
            description="One SQL statement. Names without a database are of the database `default`.",
            examples=["SELECT species, count(*) FROM default.flowers GROUP BY species"],
        ),
        Text,
    ] = None
    script: Annotated[
        str | None,
        Field(
            max_length=MAX_SCRIPT_LENGTH,
            description="Instead of a query: Python for Polars that assigns `result`; it has pl, scan(table), params.",
        ),
        Text,
    ] = None
    tables: Annotated[
        list[str | QueryTable],
        Field(
            max_length=MAX_TABLES,
            description="Tables under other names: `alias=namespace.table`, `namespace.table`, or {alias, table}. For "
            "a script, the tables that it reads: they determine the size of its input.",
        ),
    ] = []
    params: Annotated[dict[str, Any], Field(description="Parameters of the script: its variable `params`.")] = {}
    engine: Annotated[str, Field(max_length=32, description="auto, duckdb, polars or spark.")] = "auto"
    destination: Annotated[
        str | None,
        Field(
            max_length=512,
            pattern=DESTINATION_PATTERN,
            description="Table that the result is written to, instead of being returned.",
            examples=["default.flower_summary"],
        ),
        Text,
    ] = None
    write_mode: Annotated[
        Literal["overwrite", "append"], Field(description="overwrite replaces the destination; append adds rows.")
    ] = "overwrite"
    explain: Annotated[bool, Field(description="Return only the decision on the engine.")] = False
    on_quota: OnQuotaField = OnQuota.REFUSE


class Sandbox(BaseModel):
    """The sandbox of a Polars workload."""

    vcpus: int = Field(description="CPU limit.")
    memory_gb: int = Field(description="Memory limit in GiB.")


class EngineDecision(BaseModel):
    """Which engine runs it, and why."""

    engine: str = Field(description="duckdb, polars or spark.")
    execution_mode: str = Field(description="inline: the answer has the outcome; submitted: the run has it.")
    reasons: list[str] = Field(description="Why, in sentences.")
    size_band: str | None = Field(description="small, medium or large input; null where it is not known.")
    estimated_input_bytes: str | None = Field(description="Bytes of the tables read; null where it is not known.")
    vcpus: int | None = Field(description="CPU limit of the sandbox; null where there is none.")
    sandbox: Sandbox | None = Field(description="The sandbox; null where there is none.")
    input_tables: list[str] = Field(description="The tables read.")


class QueryRows(BaseModel):
    """Rows."""

    columns: list[str] = Field(description="Names of the columns.")
    column_types: list[str] = Field(description="Their types, as the engine names them.")
    rows: list[list[Any]] = Field(description="The rows.")


class JobRef(BaseModel):
    """The job that a query counts as."""

    namespace: str = Field(description="The workspace.")
    name: str = Field(description="A name of the text: the same text has the same.", examples=["query-3f9a1c0b77d2"])


class QueryCompute(BaseModel):
    """Machines of the Spark application."""

    driver_machine_type: str = Field(description="Machine type of the driver.", examples=["spark.2.b"])
    executor_machine_type: str = Field(description="Machine type of each executor.")
    executor_numbers: int = Field(description="How many executors; 0 when the driver does it all.")


class QueryAnswer(BaseModel):
    """Result of a query; fields that do not apply are absent."""

    success: bool | None = Field(default=None, description="Whether it succeeded; absent until it has ended.")
    explain: bool | None = Field(default=None, description="True when nothing was run.")
    engine_decision: EngineDecision | None = Field(default=None, description="Which engine ran it, and why.")
    results: QueryRows | None = Field(default=None, description="The rows of a read, at most 10,000.")
    row_count: int | None = Field(default=None, description="How many rows the result has, or were written.")
    truncated: bool | None = Field(default=None, description="Whether there are more rows than these.")
    execution_time: str | None = Field(default=None, description="How long it took.", examples=["340ms"])
    engine_version: str | None = Field(default=None, description="Version of the engine.", examples=["1.5.5"])
    job: JobRef | None = Field(default=None, description="The job that it is counted as.")
    error: str | None = Field(default=None, description="Why a read failed.")
    state: str | None = Field(default=None, description="COMPLETE, or SUBMITTED when a run will have the outcome.")
    run_id: str | None = Field(default=None, description="The run that has the outcome: ask /api/v2/runs/{id}.")
    statement_id: str | None = Field(default=None, description="Id of its statement on a warehouse.")
    output_table: str | None = Field(default=None, description="The destination.")
    write_mode: str | None = Field(default=None, description="overwrite or append.")
    compute: QueryCompute | None = Field(default=None, description="Machines of the Spark application.")


class LakeQuery(RequestBody):
    """A query for DuckDB."""

    query: str = Field(min_length=1, max_length=MAX_QUERY_LENGTH, description="One SQL statement that reads.")
    auto_save: Annotated[
        bool, Field(alias="autoSaveByHash", description="Save the result as a table named by the query's hash.")
    ] = False


class LakeAnswer(BaseModel):
    """Result of a query for DuckDB; fields that do not apply are absent."""

    success: bool = Field(description="Whether it succeeded.")
    results: QueryRows | None = Field(default=None, description="The rows, at most 10,000.")
    row_count: int | None = Field(default=None, description="How many rows the result has.")
    truncated: bool | None = Field(default=None, description="Whether there are more rows than these.")
    execution_time: str | None = Field(default=None, description="How long it took.", examples=["340ms"])
    saved_table_name: str | None = Field(default=None, description="The table with the result, when it was saved.")
    error: str | None = Field(default=None, description="Why it failed.")
    query: str | None = Field(default=None, description="The query.")


class SparkSqlRequest(RequestBody):
    """Request body to run a query on Spark and write its result to a table."""

    namespace: JobNamespace
    name: JobName
    query: str = Field(min_length=1, max_length=65536, description="One query in Spark SQL.")
    output_table: str = Field(
        min_length=1, max_length=512, pattern=DESTINATION_PATTERN, description="The table that is written."
    )
    write_mode: Annotated[Literal["OVERWRITE", "APPEND"], WriteMode] = Field(
        default="OVERWRITE", description="OVERWRITE replaces the table in one commit; APPEND adds rows."
    )
    driver_machine_type: Machine = DEFAULT_MACHINE
    executor_machine_type: Machine = DEFAULT_MACHINE
    executor_numbers: Executors = 2
    on_quota: OnQuotaField = OnQuota.REFUSE


class SparkSqlCompute(BaseModel):
    """What a query runs on."""

    driver_machine_type: str = Field(description="Machine type of the driver.")
    executor_machine_type: str = Field(description="Machine type of each executor.")
    executor_numbers: int = Field(description="How many executors.")


class SparkSqlSubmitted(BaseModel):
    """The run that a query was submitted as."""

    run_id: str = Field(description="Id of the run: ask /api/v2/runs/{id}.", examples=["run_4812c0ffee00"])
    state: Literal["SUBMITTED"] = Field(default="SUBMITTED", description="Always SUBMITTED here.")
    namespace: str = Field(description="Namespace of the job.")
    job_name: str = Field(description="Name of the job.")
    pipeline_id: str | None = Field(default=None, description="Always null.")
    submitted_at: datetime = Field(description="When it was submitted.")
    compute: SparkSqlCompute = Field(description="Machines that it runs on.")
    output_table: str = Field(description="The table that is written.")
    write_mode: str = Field(description="OVERWRITE or APPEND.")


def query_of(body: QueryRequest) -> Query:
    """Return the query that a request asks to run."""
    return Query(
        text=body.query,
        script=body.script,
        tables=tuple(table_alias(entry) for entry in body.tables),
        params=body.params,
        engine=body.engine,
        destination=body.destination,
        write_mode=body.write_mode,
        explain=body.explain,
        on_quota=body.on_quota,
    )


def spark_query_of(body: SparkSqlRequest) -> tuple[SparkQuery, Machines]:
    """Return the query that a request asks to run on Spark, and the machines for it."""
    query = SparkQuery(
        text=body.query,
        destination=body.output_table,
        write_mode="append" if body.write_mode == "APPEND" else "overwrite",
        namespace=body.namespace.strip(),
        name=body.name.strip(),
        on_quota=body.on_quota,
    )
    return query, Machines(body.driver_machine_type, body.executor_machine_type, body.executor_numbers)


def table_alias(entry: str | QueryTable) -> TableAlias:
    """Return a table under another name: `alias=namespace.table`, `namespace.table`, or both fields."""
    if isinstance(entry, QueryTable):
        return TableAlias(entry.table, entry.alias)
    alias, equals, table = entry.rpartition("=")
    return TableAlias(table.strip(), alias.strip() if equals else None)


def decision_of(decision: Decision) -> EngineDecision:
    """Return a decision as REST shows it."""
    estimated, memory = decision.inputs.estimated_bytes, decision.memory_gb
    return EngineDecision(
        engine=decision.engine,
        execution_mode=decision.mode.value,
        reasons=list(decision.reasons),
        size_band=decision.inputs.band.value if decision.inputs.band else None,
        estimated_input_bytes=None if estimated is None else str(estimated),
        vcpus=decision.vcpus,
        sandbox=Sandbox(vcpus=decision.vcpus, memory_gb=memory) if decision.vcpus and memory else None,
        input_tables=[table.name for table in decision.inputs.tables],
    )
