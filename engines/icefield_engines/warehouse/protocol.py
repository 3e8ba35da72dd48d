"""What the gateway is asked and what it answers, as JSON."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_WAIT = 60.0
"""Seconds that one call may wait for a statement to end."""
MAX_INLINE_ROWS = 10_000
MAX_INLINE_BYTES = 8 * 1024 * 1024
MAX_SQL_LENGTH = 4 * 1024 * 1024
STATEMENT_ID = r"[A-Za-z0-9_-]{1,100}"


class EngineName(StrEnum):
    """What can run a statement."""

    DUCKDB = "duckdb"
    SPARK = "spark"


class Phase(StrEnum):
    """How a statement stands."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def is_final(self) -> bool:
        """Whether nothing comes after it."""
        return self in (Phase.SUCCEEDED, Phase.FAILED, Phase.CANCELLED)


class StatementRequest(BaseModel):
    """One statement to run."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    engine: EngineName
    sql: Annotated[str, Field(min_length=1, max_length=MAX_SQL_LENGTH)]
    is_write: bool = False
    result_key: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    """Where in the bucket its result goes; None keeps no more than the inline rows."""
    row_limit: Annotated[int | None, Field(ge=0)] = None
    inline_rows: Annotated[int, Field(ge=0, le=MAX_INLINE_ROWS)] = 0
    inline_bytes: Annotated[int, Field(ge=0, le=MAX_INLINE_BYTES)] = 1024 * 1024
    timeout_seconds: Annotated[float | None, Field(gt=0)] = None


def first_problem(errors: list[Any]) -> str:
    """Return one sentence for what pydantic found wrong with a request."""
    error = errors[0]
    where = ".".join(str(part) for part in error["loc"])
    return f"{where}: {error['msg']}" if where else str(error["msg"])
