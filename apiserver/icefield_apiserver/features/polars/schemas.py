"""REST schemas of Polars workloads (API reference, "Run a Polars workload")."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.alias_generators import to_camel

from icefield_apiserver.core.execution import LOCK, OptionalLock, RequirementsWrite
from icefield_apiserver.core.schemas import RequestBody
from icefield_apiserver.features.runs.service import ResultRows, execution_time
from icefield_crds import PolarsOutcome, PolarsWorkload, Run, RunPhase, SaveMode
from icefield_crds.polars import Mode, Vcpus
from icefield_crds.requirements import Requirements

from .workload import new_workload

Blank = BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value)
"""Makes None of a blank text."""


class TableBinding(RequestBody):
    """A table, and its alias in the query."""

    alias: str = Field(description="Name of the table in the query.", examples=["flowers"])
    table: str = Field(description="namespace.table, or with a schema.", examples=["default.flowers"])


def _split(entry: Any) -> Any:
    """Return the fields of `alias=namespace.table` or `namespace.table`; anything else unchanged."""
    if not isinstance(entry, str):
        return entry
    alias, _, table = entry.rpartition("=")
    return {"alias": alias or table.rpartition(".")[2], "table": table}


Binding = Annotated[
    TableBinding,
    BeforeValidator(_split),
    WithJsonSchema({"anyOf": [{"type": "string"}, TableBinding.model_json_schema()]}),
]


class PolarsRequest(RequestBody):
    """Request body to run a Polars workload."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    mode: Mode | None = Field(
        default=None, description="query or script: which of them is used; when absent, the one that is given."
    )
    query: Annotated[str | None, Blank] = Field(
        default=None,
        max_length=65536,
        description="SQL in Polars' dialect, over the tables.",
        examples=["SELECT species, avg(sepal_length) AS mean FROM flowers GROUP BY species"],
    )
    tables: list[Binding] | None = Field(
        default=None,
        max_length=100,
        description="Tables that the query reads: `alias=namespace.table`, {alias, table}, or `namespace.table`, whose "
        "alias is the name of the table.",
        examples=[["flowers=default.flowers"]],
    )
    script: Annotated[str | None, Blank] = Field(
        default=None,
        max_length=262144,
        description="Python that assigns a LazyFrame or DataFrame to `result`; it has pl, scan(table), params and "
        "catalog.",
    )
    params: dict[str, Any] | None = Field(default=None, description="Parameters of the script: its variable `params`.")
    distributed: bool | None = Field(default=None, description="Run on Polars Cloud instead of in a sandbox.")
    instance_type: Annotated[str | None, Blank] = Field(
        default=None, max_length=63, description="Polars Cloud: the instance type.", examples=["t4g.medium"]
    )
    cluster_size: int | None = Field(default=None, ge=1, le=64, description="Polars Cloud: how many nodes.")
    vcpus: Vcpus | None = Field(default=None, description="CPU limit of the sandbox; 2 GiB of memory go with each.")
    catalog: Annotated[str | None, Blank] = Field(
        default=None, max_length=63, description="Name or alias of the workspace's catalog."
    )
    destination: Annotated[str | None, Blank] = Field(
        default=None, description="Table that the result is written to: namespace.table."
    )
    save_mode: SaveMode | None = Field(
        default=None, description="overwrite replaces the destination in one commit; append adds rows."
    )
    requirements: RequirementsWrite | None = Field(default=None, description="Python packages that it needs (PEP 508).")
    lock: OptionalLock = Field(default=None, description=LOCK)
    is_async: bool = Field(
        default=False, alias="async", description="Answer 202 with the run's id at once, instead of waiting."
    )
    timeout_seconds: int | None = Field(default=None, ge=1, le=31_536_000, description="Timeout; an hour when absent.")

    def to_requirements(self) -> Requirements:
        """Return the Python packages that it needs."""
        return Requirements(tuple(self.requirements or ()), self.lock)

    def to_workload(self) -> PolarsWorkload:
        """Return the workload.

        Raises:
            BadRequest: it could never run.
        """
        return new_workload(
            mode=self.mode,
            query=self.query,
            script=self.script,
            tables=[(entry.alias, entry.table) for entry in self.tables or ()],
            params=self.params or {},
            vcpus=self.vcpus or Vcpus.TWO,
            catalog=self.catalog,
            destination=self.destination,
            save_mode=self.save_mode or SaveMode.OVERWRITE,
            distributed=bool(self.distributed),
            instance_type=self.instance_type,
            cluster_size=self.cluster_size,
        )


class Rows(BaseModel):
    """Rows of a result."""

    columns: list[str] = Field(description="Names of the columns.")
    column_types: list[str] = Field(description="Types of the columns in Polars.", examples=[["String", "Float64"]])
    rows: list[list[Any]] = Field(description="The rows, or the first of them.")


class SavedRead(BaseModel):
    """The write to the destination."""

    table: str = Field(description="The table, as the request named it.")
    rows_written: int = Field(description="How many rows.")
    mode: SaveMode = Field(description="overwrite or append.")


class Compute(BaseModel):
    """Where a workload ran."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    mode: Literal["local", "distributed"] = Field(description="local: in a sandbox here; distributed: on Polars Cloud.")
    distributed: bool = Field(description="Alias of mode: whether it is distributed.")
    vcpus: int | None = Field(description="CPU limit of the sandbox.")
    instance_type: str | None = Field(description="Polars Cloud: the instance type.")
    cluster_size: int | None = Field(description="Polars Cloud: how many nodes.")


class PolarsAnswer(BaseModel):
    """A workload that has ended."""

    success: bool = Field(description="Whether it succeeded.")
    run_id: str = Field(description="Id of its run.", examples=["run_4812c0ffee00"])
    results: Rows | None = Field(description="The first ten thousand rows; null where none are kept.")
    row_count: int | None = Field(description="How many rows the whole result has.")
    truncated: bool = Field(description="Whether there are more rows than these: read the result of the run.")
    execution_time: str | None = Field(description="How long the workload itself took.", examples=["340ms"])
    error: str | None = Field(description="Why it failed.")
    error_kind: str | None = Field(description="Kind of the failure.")
    error_line: int | None = Field(description="Line of the script that failed, from 1.")
    saved: SavedRead | None = Field(description="The write to the destination, if one was given.")
    compute: Compute = Field(description="Where it ran.")


class PolarsSubmitted(BaseModel):
    """A workload that has not ended."""

    run_id: str = Field(description="Id of its run.", examples=["run_4812c0ffee00"])
    status: RunPhase = Field(description="pending (it waits for quota, or for its sandbox) or running.")
    success: bool = Field(description="false: it has not ended.")
    error: str | None = Field(description="Why the answer was sent before the end, if the request waited for the end.")


def answer_of(run: Run, result: ResultRows | None) -> bytes:
    """Return the body for a workload that has ended (PolarsAnswer).

    Args:
        run: its run.
        result: its first rows, if it has any.
    """
    workload = run.spec.polars or PolarsWorkload()
    outcome = (run.status.polars if run.status else None) or PolarsOutcome()
    is_distributed = workload.distributed
    return orjson.dumps(
        {
            "success": run.phase is RunPhase.SUCCESS,
            "run_id": run.public_id,
            "results": result.json_fields() if result else None,
            "row_count": outcome.row_count,
            "truncated": result is not None and result.truncated,
            "execution_time": execution_time(run),
            "error": _error(run),
            "error_kind": outcome.error_kind,
            "error_line": outcome.error_line,
            "saved": outcome.saved.model_dump(mode="json") if outcome.saved else None,
            "compute": {
                "mode": "distributed" if is_distributed else "local",
                "distributed": is_distributed,
                "vcpus": None if is_distributed else int(workload.vcpus),
                "instanceType": workload.instance_type if is_distributed else None,
                "clusterSize": workload.cluster_size if is_distributed else None,
            },
        }
    )


def _error(run: Run) -> str | None:
    if run.phase is RunPhase.SUCCESS:
        return None
    reason = run.status.error if run.status else None
    return reason or ("the workload was cancelled" if run.phase is RunPhase.CANCELLED else "the workload failed")
