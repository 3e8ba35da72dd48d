"""The outcome that the supervisor serves: the worker reports it, and a script runs in the worker, so it is checked."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from icefield_crds.wire.fields import MAX_COUNT, as_object, integer, optional_number
from icefield_crds.wire.outcome import FailureKind, ResultObject, SavedTable, WorkloadOutcome, WorkloadState
from icefield_crds.wire.workload import Workload

from .settings import Settings, size

MAX_ERROR_CHARACTERS = 4000
MAX_TERMINATION_BYTES = 4096
"""The kubelet keeps no more of a termination message."""


def encoded(outcome: WorkloadOutcome) -> bytes:
    """Return an outcome as it is served."""
    return json.dumps(outcome.to_json()).encode()


def termination_message(outcome: WorkloadOutcome) -> bytes:
    """Return an outcome as short as the kubelet keeps it: a long error is cut."""
    while len(message := encoded(outcome)) > MAX_TERMINATION_BYTES:
        error = outcome.error or ""
        outcome = replace(outcome, error=error[: len(error) * 3 // 4])
    return message


def failed(kind: str, error: str, milliseconds: float = 0.0, line: int | None = None) -> WorkloadOutcome:
    """Return the outcome of a workload that failed."""
    error = " ".join(error.split())[:MAX_ERROR_CHARACTERS] or "the workload failed without a message"
    return WorkloadOutcome(WorkloadState.FAILED, error, kind, line, execution_milliseconds=milliseconds)


def out_of_memory(settings: Settings, milliseconds: float = 0.0) -> WorkloadOutcome:
    """Return the outcome of a workload that used more memory than it has."""
    limit = size(settings.memory_limit_bytes)
    message = f"the workload ran out of memory (limit {limit}); ask for more vcpus"
    return failed(FailureKind.MEMORY, message, milliseconds)


def checked(document: object, workload: Workload) -> WorkloadOutcome:
    """Return the outcome that the worker reports.

    Names and keys are taken from the workload, never from the worker.

    Raises:
        ValueError: it is no outcome, or not one of this workload.
    """
    fields = as_object(document, "the outcome")
    milliseconds = optional_number(fields, "execution_milliseconds")
    if milliseconds is None or milliseconds > MAX_COUNT:
        raise ValueError("execution_milliseconds is missing or too large")
    match fields.get("state"):
        case WorkloadState.FAILED:
            return _checked_failure(fields, milliseconds)
        case WorkloadState.SUCCEEDED:
            return WorkloadOutcome(
                WorkloadState.SUCCEEDED,
                row_count=integer(fields, "row_count"),
                execution_milliseconds=milliseconds,
                saved=_saved(fields.get("saved"), workload),
                result=_result(fields.get("result"), workload),
            )
        case state:
            raise ValueError(f"unexpected state {state!r}")


def _checked_failure(fields: dict[str, Any], milliseconds: float) -> WorkloadOutcome:
    reported = WorkloadOutcome.from_json(fields)
    if reported.error is None or reported.error_kind not in set(FailureKind):
        raise ValueError("error or error_kind is missing or unknown")
    return failed(reported.error_kind, reported.error, milliseconds, reported.error_line)


def _saved(saved: object, workload: Workload) -> SavedTable | None:
    if workload.destination is None:
        return None
    rows = integer(as_object(saved, "saved"), "rows_written")
    return SavedTable(workload.destination, rows, workload.save_mode)


def _result(result: object, workload: Workload) -> ResultObject | None:
    if result is None and workload.destination is not None:
        return None
    return ResultObject(workload.result_key, integer(as_object(result, "result"), "bytes"))
