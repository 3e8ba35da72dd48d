"""The outcome of a workload: the answer to `GET /outcome` of its sandbox, and the termination message of its pod."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from .fields import as_object, choice, integer, optional_integer, optional_number, optional_text, text
from .workload import SaveMode

MAX_ERROR_KIND_LENGTH = 63
MAX_TABLE_LENGTH = 1024


class WorkloadState(StrEnum):
    """How a workload ended."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


class FailureKind(StrEnum):
    """What kind of failure it was."""

    QUERY = "query"
    UNSUPPORTED_SQL = "unsupported_sql"
    SCRIPT = "script"
    TABLE_NOT_FOUND = "table_not_found"
    MEMORY = "memory"
    TIME = "time"
    PROCESSES = "processes"
    OUTPUT = "output"
    DISK = "disk"
    WRITE = "write"
    CREDENTIALS = "credentials"
    START = "start"
    """The sandbox ended before it began the workload."""
    INTERNAL = "internal"


@dataclass(frozen=True)
class SavedTable:
    """What was written to the destination."""

    table: str
    rows_written: int
    mode: SaveMode


@dataclass(frozen=True)
class ResultObject:
    """The object that has the rows: its key and its size in bytes."""

    key: str
    bytes: int


@dataclass(frozen=True)
class WorkloadOutcome:
    """How a workload ended, and what it produced.

    Attributes:
        error: one sentence.
        error_kind: a FailureKind, or one that only a newer sandbox knows.
        error_line: line of the script, from 1.
        row_count: rows of the result.
    """

    state: WorkloadState
    error: str | None = None
    error_kind: str | None = None
    error_line: int | None = None
    row_count: int | None = None
    execution_milliseconds: float | None = None
    saved: SavedTable | None = None
    result: ResultObject | None = None

    @classmethod
    def failed(cls, kind: FailureKind, error: str) -> WorkloadOutcome:
        """Return the outcome of a workload that failed for a reason outside of it."""
        return cls(WorkloadState.FAILED, error, kind)

    def to_json(self) -> dict[str, Any]:
        """Return the outcome as a JSON object."""
        return asdict(self)

    @classmethod
    def from_json(cls, document: object) -> WorkloadOutcome:
        """Return the outcome in a JSON object.

        Raises:
            ValueError: a field is of the wrong type or out of range; one sentence.
        """
        fields = as_object(document, "the outcome")
        saved, result = fields.get("saved"), fields.get("result")
        error = fields.get("error")
        if error is not None and not isinstance(error, str):
            raise ValueError("error must be a string")
        return cls(
            state=choice(fields, "state", WorkloadState),
            error=error,
            error_kind=optional_text(fields, "error_kind", MAX_ERROR_KIND_LENGTH),
            error_line=optional_integer(fields, "error_line", minimum=1),
            row_count=optional_integer(fields, "row_count"),
            execution_milliseconds=optional_number(fields, "execution_milliseconds"),
            saved=None if saved is None else _saved(as_object(saved, "saved")),
            result=None if result is None else _result(as_object(result, "result")),
        )


def _saved(fields: Mapping[str, Any]) -> SavedTable:
    return SavedTable(
        table=text(fields, "table", MAX_TABLE_LENGTH),
        rows_written=integer(fields, "rows_written"),
        mode=choice(fields, "mode", SaveMode),
    )


def _result(fields: Mapping[str, Any]) -> ResultObject:
    return ResultObject(key=text(fields, "key"), bytes=integer(fields, "bytes"))
