"""Polars workloads as REST says them (API reference, "Run a Polars workload")."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.alias_generators import to_camel

from icefield_apiserver.errors import BadRequest, validation_sentence
from icefield_apiserver.polars.outcome import execution_time
from icefield_apiserver.polars.results import Result
from icefield_crds import PolarsOutcome, PolarsTable, PolarsWorkload, Run, RunPhase, SaveMode
from icefield_crds.meta import Model
from icefield_crds.polars import Mode, Vcpus

M = TypeVar("M", bound=Model)

MAX_DEPTH = 64
MAX_BYTES = 1024 * 1024
"""Of a whole workload; Kubernetes stores no object that is much longer."""
_INTEGERS = range(-(2**63), 2**63)

Blank = BeforeValidator(lambda value: None if isinstance(value, str) and not value.strip() else value)
"""A text without anything in it says nothing."""


class TableBinding(BaseModel):
    """A table, and what the query calls it."""

    alias: str = Field(description="What the query calls it.", examples=["flowers"])
    table: str = Field(description="namespace.table, or with a schema.", examples=["default.flowers"])


def _split(entry: Any) -> Any:
    """Return what `alias=namespace.table` or `namespace.table` says as fields; anything else as it is."""
    if not isinstance(entry, str):
        return entry
    alias, _, table = entry.rpartition("=")
    return {"alias": alias or table.rpartition(".")[2], "table": table}


Binding = Annotated[
    TableBinding,
    BeforeValidator(_split),
    WithJsonSchema({"anyOf": [{"type": "string"}, TableBinding.model_json_schema()]}),
]


class PolarsRequest(BaseModel):
    """A Polars workload that shall be run."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    mode: Mode | None = Field(
        default=None, description="query or script: which of them is used; the one that is given when absent."
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
        description="Tables that the query knows: `alias=namespace.table`, {alias, table}, or `namespace.table`, which "
        "is then called as the table is.",
        examples=[["flowers=default.flowers"]],
    )
    script: Annotated[str | None, Blank] = Field(
        default=None,
        max_length=262144,
        description="Python that assigns a LazyFrame or DataFrame to `result`; it has pl, scan(table), params and "
        "catalog.",
    )
    params: dict[str, Any] | None = Field(default=None, description="What the script finds in params.")
    distributed: bool | None = Field(default=None, description="Run on Polars Cloud instead of in a sandbox.")
    instance_type: Annotated[str | None, Blank] = Field(
        default=None, max_length=63, description="Polars Cloud: the instance type.", examples=["t4g.medium"]
    )
    cluster_size: int | None = Field(default=None, ge=1, le=64, description="Polars Cloud: how many nodes.")
    vcpus: Vcpus | None = Field(default=None, description="CPU limit of the sandbox; 2 GiB of memory go with each.")
    catalog: Annotated[str | None, Blank] = Field(
        default=None, max_length=63, description="The workspace's catalog: its name or an alias."
    )
    destination: Annotated[str | None, Blank] = Field(
        default=None, description="Table that the result is written to: namespace.table."
    )
    save_mode: SaveMode | None = Field(
        default=None, description="overwrite replaces the destination in one commit; append adds rows."
    )
    is_async: bool = Field(
        default=False, alias="async", description="Answer 202 with the run's id at once, instead of waiting."
    )
    timeout_seconds: int | None = Field(
        default=None, ge=1, le=31_536_000, description="Longest time that it may take; an hour when absent."
    )

    def to_workload(self) -> PolarsWorkload:
        """Return the workload.

        Raises:
            BadRequest: it could never run.
        """
        is_script = self._is_script()
        tables = [_table(entry, index) for index, entry in enumerate(self.tables or ())]
        if not is_script and not tables:
            raise BadRequest('A query needs tables: those that it reads, such as "flowers=default.flowers".')
        aliases = [table.alias for table in tables]
        if twice := next((alias for alias in aliases if aliases.count(alias) > 1), None):
            raise BadRequest(f"Two tables are called {twice}.")
        _check_value(self.params or {})
        return _checked(
            mode=self.mode,
            query=self.query,
            tables=tables,
            script=self.script,
            params=self.params or {},
            vcpus=self.vcpus or Vcpus.TWO,
            catalog=self.catalog,
            destination=self.destination,
            save_mode=self.save_mode or SaveMode.OVERWRITE,
            distributed=bool(self.distributed),
            instance_type=self.instance_type,
            cluster_size=self.cluster_size,
        )

    def _is_script(self) -> bool:
        if self.mode is None and (self.query is None) == (self.script is None):
            if self.query is None:
                raise BadRequest("Give a query or a script.")
            raise BadRequest("Give either a query or a script, or say by mode which of them is used.")
        if self.mode is Mode.QUERY and self.query is None:
            raise BadRequest("Mode query needs a query.")
        if self.mode is Mode.SCRIPT and self.script is None:
            raise BadRequest("Mode script needs a script.")
        return self.mode is Mode.SCRIPT or (self.mode is None and self.script is not None)


class Rows(BaseModel):
    """Rows of a result."""

    columns: list[str] = Field(description="Names of the columns.")
    column_types: list[str] = Field(description="Their types, as Polars calls them.", examples=[["String", "Float64"]])
    rows: list[list[Any]] = Field(description="The rows, or the first of them.")


class SavedRead(BaseModel):
    """What was written to the destination."""

    table: str = Field(description="The table, as the request named it.")
    rows_written: int = Field(description="How many rows.")
    mode: SaveMode = Field(description="overwrite or append.")


class Compute(BaseModel):
    """Where a workload ran."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)

    mode: Literal["local", "distributed"] = Field(description="local: in a sandbox here; distributed: on Polars Cloud.")
    distributed: bool = Field(description="The same.")
    vcpus: int | None = Field(description="CPU limit of the sandbox.")
    instance_type: str | None = Field(description="Polars Cloud: the instance type.")
    cluster_size: int | None = Field(description="Polars Cloud: how many nodes.")


class PolarsAnswer(BaseModel):
    """A workload that has ended."""

    success: bool = Field(description="Whether it succeeded.")
    run_id: str = Field(description="Its run.", examples=["run_4812c0ffee00"])
    results: Rows | None = Field(description="The first ten thousand rows; null where none are kept.")
    row_count: int | None = Field(description="How many rows the whole result has.")
    truncated: bool = Field(description="Whether there are more rows than here: read the result of the run.")
    execution_time: str | None = Field(description="How long the workload itself took.", examples=["340ms"])
    error: str | None = Field(description="Why it failed.")
    error_kind: str | None = Field(description="What kind of failure it was.")
    error_line: int | None = Field(description="Line of the script that failed, from 1.")
    saved: SavedRead | None = Field(description="What was written, where a destination was given.")
    compute: Compute = Field(description="Where it ran.")


class PolarsSubmitted(BaseModel):
    """A workload that has not ended."""

    run_id: str = Field(description="Its run.", examples=["run_4812c0ffee00"])
    status: RunPhase = Field(description="pending (it waits for its turn, or for its sandbox) or running.")
    success: bool = Field(description="false: it has not ended.")
    error: str | None = Field(description="Why the answer came before the end, where the request waited for that.")


class RunResult(Rows):
    """The result of a run."""

    row_count: int = Field(description="How many rows the whole result has.")
    truncated: bool = Field(description="Whether there are more rows than here.")


def rows_of(result: Result) -> dict[str, Any]:
    """Return what Rows has of a result."""
    return {
        "columns": result.columns,
        "column_types": result.column_types,
        "rows": orjson.Fragment(result.rows_json),
    }


def result_of(result: Result) -> bytes:
    """Return the body for a result (RunResult)."""
    return orjson.dumps({**rows_of(result), "row_count": result.row_count, "truncated": result.truncated})


def answer_of(run: Run, result: Result | None) -> bytes:
    """Return the body for a workload that has ended (PolarsAnswer).

    Args:
        run: its run.
        result: its first rows, where it has any.
    """
    workload = run.spec.polars or PolarsWorkload()
    outcome = (run.status.polars if run.status else None) or PolarsOutcome()
    is_distributed = workload.distributed
    return orjson.dumps(
        {
            "success": run.phase is RunPhase.SUCCESS,
            "run_id": run.public_id,
            "results": rows_of(result) if result else None,
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
    said = run.status.error if run.status else None
    return said or ("the workload was cancelled" if run.phase is RunPhase.CANCELLED else "the workload failed")


def _table(entry: TableBinding, index: int) -> PolarsTable:
    place = ("body", "tables", index)
    return _built(PolarsTable, place, alias=entry.alias.strip(), table=entry.table.strip())


def _checked(**fields: Any) -> PolarsWorkload:
    workload = _built(PolarsWorkload, ("body",), **fields)
    try:
        length = len(orjson.dumps(workload.to_api()))
    except TypeError as error:
        raise BadRequest("The workload holds a text that is not Unicode.") from error
    if length > MAX_BYTES:
        raise BadRequest(f"The workload is longer than {MAX_BYTES} bytes; put large things into a table.")
    return workload


def _built(model: type[M], place: tuple[str | int, ...], **fields: Any) -> M:
    try:
        return model(**fields)
    except ValidationError as error:
        first = error.errors()[0]
        names = [to_camel(part) if isinstance(part, str) else part for part in first["loc"]]
        if first["type"] == "string_pattern_mismatch":
            raise BadRequest(f"Field {_path((*place[1:], *names))}: {_EXPECTED[str(names[-1])]}.") from error
        raise BadRequest(validation_sentence([{**first, "loc": (*place, *names)}])) from error


_EXPECTED = {
    "alias": "an alias has letters, digits and underscores, no digit first",
    "table": "a table is given as namespace.table",
    "destination": "a table is given as namespace.table",
}


def _path(parts: tuple[str | int, ...]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _check_value(value: Any, depth: int = 0) -> None:
    """Refuse in params what would reach the script as something else.

    Raises:
        BadRequest: a number is too large or not finite, or they are nested too deeply.
    """
    if depth > MAX_DEPTH:
        raise BadRequest(f"Field params: it is nested more than {MAX_DEPTH} levels deep.")
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _check_value(each, depth + 1)
    elif isinstance(value, float) and not math.isfinite(value):
        raise BadRequest("Field params: JSON has no numbers that are not finite.")
    elif isinstance(value, int) and value not in _INTEGERS:
        raise BadRequest("Field params: an integer beyond 64 bits has to be passed as a text.")
