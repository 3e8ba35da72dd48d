"""What a statement is requested with, free of REST."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

EngineChoice = Literal["auto", "duckdb", "spark"]
DEFAULT_WAIT_SECONDS = 10.0
MAX_WAIT_SECONDS = 50.0


@dataclass(frozen=True)
class PlanRequest:
    """The part of a request that its plan depends on.

    Attributes:
        query: the text.
        dialect: icefield, or duckdb for a read in DuckDB's own.
        schema: the default database, or database.schema.
        params: values of the text's parameters.
        engine: auto, duckdb or spark.
        row_limit: most rows of the result.
        subject: the person whose grants count (Principal.subject).
    """

    query: str
    dialect: str = "icefield"
    schema: str | None = None
    params: list[Any] | dict[str, Any] | None = None
    engine: EngineChoice = "auto"
    row_limit: int | None = None
    subject: str | None = None

    @property
    def length(self) -> int:
        """About how long the text is with its parameters, in characters."""
        return len(self.query) + _length(self.params)

    def stored(self) -> dict[str, Any]:
        """Return what the database keeps besides the text and its dialect, as JSON."""
        values = {"schema": self.schema, "params": self.params, "engine": self.engine, "row_limit": self.row_limit}
        return values if self.subject is None else {**values, "subject": self.subject}


@dataclass(frozen=True)
class ExecuteRequest:
    """A statement to run.

    Attributes:
        plan: its text, and how that is read.
        warehouse: id or name of the warehouse.
        wait_seconds: how long the caller waits for its end.
        wants_rows: whether the caller receives the first rows directly.
        run: id or name of the run that it is executed for.
        context: what it is executed for, such as job_run.
        idempotency_key: a second request with the same key runs nothing again.
    """

    plan: PlanRequest
    warehouse: str
    wait_seconds: float = DEFAULT_WAIT_SECONDS
    wants_rows: bool = True
    run: str | None = None
    context: str | None = None
    idempotency_key: str | None = None


def _length(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(len(name) + _length(each) for name, each in value.items())
    return sum(map(_length, value)) if isinstance(value, list) else 8
