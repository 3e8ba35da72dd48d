"""A Polars workload, as a Run executes it in a sandbox of its own (API reference, "Run a Polars workload")."""

from __future__ import annotations

from collections.abc import Collection
from enum import IntEnum
from typing import Annotated, Any

from pydantic import ConfigDict, Field
from pydantic.config import JsonDict

from .meta import Model
from .names import POLARS_CLOUD_SECRET
from .wire.workload import Mode as Mode
from .wire.workload import SaveMode as SaveMode

DEFAULT_VCPUS = 2
"""The tier of which a workspace keeps warm sandboxes."""
MEMORY_PER_VCPU = 2 * 1024**3
DEFAULT_TIMEOUT_SECONDS = 3600
"""For how long a workload may run whose Run names no timeoutSeconds."""

TABLE_PATTERN = r"^[A-Za-z_][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*){1,3}$"


def polars_cloud_problem(namespace: str, credentials: Collection[str] | None) -> str | None:
    """Return what has to be set before a workload can run on Polars Cloud; None when nothing is missing.

    Args:
        namespace: the namespace of the workspace.
        credentials: the keys of its Secret that have a value; None where there is no Secret.
    """
    where = f"Secret {POLARS_CLOUD_SECRET} in namespace {namespace}"
    if credentials is None:
        return f"Polars Cloud needs credentials: make the {where} with accessToken, or clientId and clientSecret"
    if "accessToken" not in credentials and not {"clientId", "clientSecret"} <= set(credentials):
        return f"Polars Cloud needs credentials: set accessToken, or clientId and clientSecret, in the {where}"
    return None


class Vcpus(IntEnum):
    """The sandbox tiers."""

    TWO = 2
    FOUR = 4
    EIGHT = 8
    SIXTEEN = 16
    THIRTY_TWO = 32


class PolarsTable(Model):
    """A table of the catalog, and its alias in the query."""

    alias: Annotated[str, Field(description="Alias in the query.", max_length=128, pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
    table: Annotated[
        str, Field(description="The table: namespace.table, or with a schema.", max_length=512, pattern=TABLE_PATTERN)
    ]


def _anything(schema: JsonDict) -> None:
    schema.pop("additionalProperties", None)
    schema["x-kubernetes-preserve-unknown-fields"] = True


class PolarsWorkload(Model):
    """A SQL query or a Python script over tables of the workspace."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {
                    "rule": "has(self.mode) || has(self.query) != has(self.script)",
                    "message": "give either query or script, or set mode to the one that is used",
                },
                {
                    "rule": "!has(self.mode) || self.mode != 'query' || has(self.query)",
                    "message": "mode query needs a query",
                },
                {
                    "rule": "!has(self.mode) || self.mode != 'script' || has(self.script)",
                    "message": "mode script needs a script",
                },
                {
                    "rule": "(has(self.mode) ? self.mode == 'script' : has(self.script)) || "
                    "(has(self.tables) && size(self.tables) > 0)",
                    "message": "a query needs tables: those that it reads",
                },
            ]
        }
    )

    mode: Annotated[
        Mode | None, Field(description="query or script: which of the two runs; the one that is set when absent.")
    ] = None
    query: Annotated[str | None, Field(description="SQL in Polars' dialect.", min_length=1, max_length=65536)] = None
    tables: Annotated[
        list[PolarsTable],
        Field(
            description="Tables of the query, by alias.",
            max_length=100,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["alias"]},
        ),
    ] = []
    script: Annotated[
        str | None,
        Field(
            description="Python that assigns a LazyFrame or DataFrame to `result`; it has pl, scan(table), params and "
            "catalog.",
            min_length=1,
            max_length=262144,
        ),
    ] = None
    params: Annotated[
        dict[str, Any], Field(description="Value of params in the script.", json_schema_extra=_anything)
    ] = {}
    vcpus: Annotated[Vcpus, Field(description="CPU limit of the sandbox, with 2 GiB of memory for each.")] = Vcpus.TWO
    catalog: Annotated[
        str | None, Field(description="The workspace's catalog: its name or an alias.", max_length=63)
    ] = None
    destination: Annotated[
        str | None,
        Field(
            description="Table that the result is written to: namespace.table.", max_length=512, pattern=TABLE_PATTERN
        ),
    ] = None
    save_mode: Annotated[
        SaveMode, Field(description="overwrite replaces the destination in one commit; append adds rows.")
    ] = SaveMode.OVERWRITE
    distributed: Annotated[bool, Field(description="Run on Polars Cloud instead of in a sandbox.")] = False
    instance_type: Annotated[
        str | None, Field(description="Polars Cloud: the instance type, such as t4g.medium.", max_length=63)
    ] = None
    cluster_size: Annotated[int | None, Field(description="Polars Cloud: how many nodes.", ge=1, le=64)] = None

    @property
    def is_script(self) -> bool:
        """Whether the script is what runs."""
        return self.mode is Mode.SCRIPT or (self.mode is None and self.script is not None)

    @property
    def used_mode(self) -> Mode:
        """Which of query and script runs."""
        return Mode.SCRIPT if self.is_script else Mode.QUERY


class Saved(Model):
    """What was written."""

    table: Annotated[str, Field(description="Table, as the workload names it.")]
    rows_written: Annotated[int, Field(description="How many rows.", ge=0)]
    mode: Annotated[SaveMode, Field(description="overwrite or append.")]


class StoredResult(Model):
    """The stored rows of a result."""

    key: Annotated[str, Field(description="Key of an Arrow IPC stream in the workspace's part of the bucket.")]
    bytes: Annotated[int, Field(description="Its size.", ge=0)]


class PolarsOutcome(Model):
    """What a Polars workload produced, besides the run's phase and error."""

    row_count: Annotated[int | None, Field(description="How many rows the result has.", ge=0)] = None
    execution_milliseconds: Annotated[
        float | None, Field(description="How long the workload itself took, in milliseconds.", ge=0)
    ] = None
    error_kind: Annotated[str | None, Field(description="What kind of failure it was.", max_length=63)] = None
    error_line: Annotated[int | None, Field(description="Line of the script that failed, from 1.", ge=1)] = None
    saved: Annotated[Saved | None, Field(description="What was written to the destination.")] = None
    result: Annotated[StoredResult | None, Field(description="The stored rows.")] = None
