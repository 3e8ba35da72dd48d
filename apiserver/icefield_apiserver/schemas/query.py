"""The query router as oleander's API says it (published client `oleanderhq-sdk`, models.py)."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field

from icefield_apiserver.query.decision import Decision

MAX_QUERY_LENGTH = 1024 * 1024
MAX_SCRIPT_LENGTH = 262_144
MAX_TABLES = 100
_NAME = r"[A-Za-z_][A-Za-z0-9_-]*"
DESTINATION_PATTERN = rf"^{_NAME}(\.{_NAME}){{0,3}}$"

Text = BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value)
"""Makes None of a text that has nothing but spaces."""


class QueryTable(BaseModel):
    """A table, and what the query or the script calls it."""

    alias: str = Field(min_length=1, max_length=128, description="What it is called.", examples=["flowers"])
    table: str = Field(min_length=1, max_length=512, description="The table.", examples=["default.flowers"])


class QueryRequest(BaseModel):
    """SQL or a script, and what shall become of its result."""

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
            description="Tables under other names: `alias=namespace.table`, `namespace.table`, or {alias, table}. Of a "
            "script, the tables that it reads: its input is sized by them.",
        ),
    ] = []
    params: Annotated[dict[str, Any], Field(description="What a script finds in `params`.")] = {}
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
    explain: Annotated[bool, Field(description="Only say which engine would run it, and why.")] = False


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
    """What a Spark application runs on."""

    driver_machine_type: str = Field(description="Machine type of the driver.", examples=["spark.2.b"])
    executor_machine_type: str = Field(description="Machine type of each executor.")
    executor_numbers: int = Field(description="How many executors; 0 when the driver does it all.")


class QueryAnswer(BaseModel):
    """What became of a query; what does not apply is absent."""

    success: bool | None = Field(default=None, description="Whether it succeeded; absent while that is open.")
    explain: bool | None = Field(default=None, description="True when nothing was run.")
    engine_decision: EngineDecision | None = Field(default=None, description="Which engine ran it, and why.")
    results: QueryRows | None = Field(default=None, description="The rows of a read, at most 10,000.")
    row_count: int | None = Field(default=None, description="How many rows the result has, or were written.")
    truncated: bool | None = Field(default=None, description="Whether there are more rows than these.")
    execution_time: str | None = Field(default=None, description="How long it took.", examples=["340ms"])
    engine_version: str | None = Field(default=None, description="Version of the engine.", examples=["1.5.5"])
    job: JobRef | None = Field(default=None, description="The job that it counts as.")
    error: str | None = Field(default=None, description="Why a read failed.")
    state: str | None = Field(default=None, description="COMPLETE, or SUBMITTED when a run has the outcome.")
    run_id: str | None = Field(default=None, description="The run that has the outcome: ask /api/v2/runs/{id}.")
    statement_id: str | None = Field(default=None, description="The statement of a warehouse that it was.")
    output_table: str | None = Field(default=None, description="The destination.")
    write_mode: str | None = Field(default=None, description="overwrite or append.")
    compute: QueryCompute | None = Field(default=None, description="What a Spark application runs on.")


class LakeQuery(BaseModel):
    """A query for DuckDB."""

    query: str = Field(min_length=1, max_length=MAX_QUERY_LENGTH, description="One SQL statement that reads.")
    auto_save: Annotated[
        bool, Field(alias="autoSaveByHash", description="Save the result as a table named by the query's hash.")
    ] = False


class LakeAnswer(BaseModel):
    """What became of a query for DuckDB; what does not apply is absent."""

    success: bool = Field(description="Whether it succeeded.")
    results: QueryRows | None = Field(default=None, description="The rows, at most 10,000.")
    row_count: int | None = Field(default=None, description="How many rows the result has.")
    truncated: bool | None = Field(default=None, description="Whether there are more rows than these.")
    execution_time: str | None = Field(default=None, description="How long it took.", examples=["340ms"])
    saved_table_name: str | None = Field(default=None, description="The table with the result, when it was saved.")
    error: str | None = Field(default=None, description="Why it failed.")
    query: str | None = Field(default=None, description="The query.")


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
