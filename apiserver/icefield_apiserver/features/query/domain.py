"""Queries as the router takes them, free of REST."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from icefield_apiserver.core.on_quota import OnQuota

from .decision import AUTO

WriteMode = Literal["overwrite", "append"]


@dataclass(frozen=True)
class TableAlias:
    """A table under another name.

    Attributes:
        table: its dotted name.
        alias: its name in the query or script; None for its own name.
    """

    table: str
    alias: str | None = None


@dataclass(frozen=True)
class Query:
    """SQL or a script, and the destination of its result.

    Attributes:
        text: one SQL statement; None for a script.
        script: Python for Polars; None for SQL.
        tables: tables under other names.
        params: the script's params.
        engine: auto, duckdb, polars or spark.
        destination: the table that the result is written to; None to return it.
        write_mode: overwrite or append.
        explain: whether only the decision is wanted.
        on_quota: what happens to a Spark application when the maximum number of runs is running.
    """

    text: str | None = None
    script: str | None = None
    tables: tuple[TableAlias, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    engine: str = AUTO
    destination: str | None = None
    write_mode: WriteMode = "overwrite"
    explain: bool = False
    on_quota: OnQuota = OnQuota.REFUSE


@dataclass(frozen=True)
class SparkQuery:
    """A query whose result Spark writes to a table.

    Attributes:
        text: one SQL statement.
        destination: the table.
        write_mode: overwrite or append.
        namespace: of the job that it counts as.
        name: of the job that it counts as.
        on_quota: what happens when the maximum number of runs is running.
    """

    text: str
    destination: str
    write_mode: WriteMode
    namespace: str
    name: str
    on_quota: OnQuota = OnQuota.REFUSE
