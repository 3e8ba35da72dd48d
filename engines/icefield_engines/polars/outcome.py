"""What a workload came to: the document that the operator reads, made by the supervisor alone.

The worker proposes one, but a script runs in the worker: what comes from there is taken apart and checked here.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any

from .settings import Settings, size
from .workload import Workload

MAX_ERROR_CHARACTERS = 4000
MAX_TERMINATION_BYTES = 4096
"""The kubelet keeps no more of a termination message."""
_LARGEST_COUNT = 2**63 - 1


class Kind:
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
    INTERNAL = "internal"


KINDS = frozenset(value for name, value in vars(Kind).items() if name.isupper())


@dataclass(frozen=True)
class Outcome:
    """How a workload ended."""

    state: str
    error: str | None = None
    error_kind: str | None = None
    error_line: int | None = None
    row_count: int | None = None
    execution_milliseconds: float = 0.0
    saved: dict[str, Any] | None = None
    result: dict[str, Any] | None = None

    def as_json(self) -> bytes:
        """Return it as it is served."""
        return json.dumps(asdict(self)).encode()

    def as_termination_message(self) -> bytes:
        """Return it as short as the kubelet keeps it; what is too long of the error is cut."""
        outcome = self
        while len(message := outcome.as_json()) > MAX_TERMINATION_BYTES:
            error = outcome.error or ""
            outcome = replace(outcome, error=error[: len(error) * 3 // 4])
        return message


def failed(kind: str, error: str, milliseconds: float = 0.0, line: int | None = None) -> Outcome:
    """Return the outcome of a workload that failed."""
    error = " ".join(error.split())[:MAX_ERROR_CHARACTERS] or "the workload failed without a message"
    return Outcome("failed", error, kind, line, execution_milliseconds=milliseconds)


def out_of_memory(settings: Settings, milliseconds: float = 0.0) -> Outcome:
    """Return the outcome of a workload that used more memory than it has."""
    limit = size(settings.memory_limit_bytes)
    return failed(Kind.MEMORY, f"the workload ran out of memory (limit {limit}); ask for more vcpus", milliseconds)


def untrusted(document: object, workload: Workload) -> Outcome:
    """Return the outcome that the worker tells of.

    Raises:
        ValueError: it is none, or not one of this workload.
    """
    if not isinstance(document, dict) or document.get("state") not in ("succeeded", "failed"):
        raise ValueError("no state")
    milliseconds = document.get("execution_milliseconds")
    if not isinstance(milliseconds, (int, float)) or not 0 <= milliseconds < _LARGEST_COUNT:
        raise ValueError("no execution_milliseconds")
    if document["state"] == "failed":
        kind, error, line = document.get("error_kind"), document.get("error"), document.get("error_line")
        if (
            not isinstance(kind, str)
            or kind not in KINDS
            or not isinstance(error, str)
            or not (line is None or _is_count(line))
        ):
            raise ValueError("no error")
        return failed(kind, error, float(milliseconds), line or None)
    rows = document.get("row_count")
    if not _is_count(rows):
        raise ValueError("no row_count")
    return Outcome(
        "succeeded",
        row_count=rows,
        execution_milliseconds=float(milliseconds),
        saved=_saved(document.get("saved"), workload),
        result=_result(document.get("result"), workload),
    )


def _saved(saved: object, workload: Workload) -> dict[str, Any] | None:
    if workload.destination is None:
        return None
    if not isinstance(saved, dict) or not _is_count(saved.get("rows_written")):
        raise ValueError("no saved")
    return {"table": workload.destination, "rows_written": saved["rows_written"], "mode": workload.save_mode}


def _result(result: object, workload: Workload) -> dict[str, Any] | None:
    if result is None and workload.destination is not None:
        return None
    if not isinstance(result, dict) or not _is_count(result.get("bytes")):
        raise ValueError("no result")
    return {"key": workload.result_key, "bytes": result["bytes"]}


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST_COUNT
