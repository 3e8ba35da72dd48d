"""What a workload came to, as its sandbox tells it, or as its pod shows when the sandbox could not."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from icefield_crds import PolarsOutcome, TaskPhase
from icefield_crds.names import TASK_CONTAINER
from icefield_crds.polars import Saved, SaveMode, StoredResult
from icefield_operator import waiting
from icefield_operator.run.pods import Told
from icefield_operator.world import Manifest

MAX_ERROR = 4096
"""What a Run's status takes."""
LARGEST = 2**63 - 1

_TERMINATED = 143
"""The exit code of a sandbox that was asked to end."""
_DISK = re.compile(r"emptydir|ephemeral.{0,8}storage", re.IGNORECASE)


Count = Annotated[int, Field(ge=0, le=LARGEST)]


class SavedTable(BaseModel):
    """What was written."""

    table: str = Field(max_length=1024)
    rows_written: Count
    mode: SaveMode


class Result(BaseModel):
    """How large the rows are; where they lie is not for the sandbox to say, as a script may forge what it leaves."""

    bytes: Count


class Outcome(BaseModel):
    """What a sandbox answers when its workload has ended, and leaves as its termination message."""

    state: Literal["succeeded", "failed", "cancelled"]
    error: str | None = None
    error_kind: str | None = Field(default=None, max_length=63)
    error_line: int | None = Field(default=None, ge=1, le=LARGEST)
    row_count: Count | None = None
    execution_milliseconds: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    saved: SavedTable | None = None
    result: Result | None = None

    @classmethod
    def failed(cls, kind: str, error: str) -> Outcome:
        """Return the outcome of a workload that failed outside of itself."""
        return cls(state="failed", error=error, error_kind=kind)


def told(outcome: Outcome, begun: datetime | None, result_key: str) -> Told:
    """Return what an outcome says of the attempt; of one that was cut short, its pod says why.

    Args:
        outcome: what the sandbox says.
        begun: when the workload began.
        result_key: where rows of its result lie.
    """
    if outcome.state == "cancelled":
        return Told(is_brought=True, begun=begun)
    succeeded = outcome.state == "succeeded"
    saved, result = outcome.saved, outcome.result
    return Told(
        is_brought=True,
        begun=begun,
        ended=TaskPhase.SUCCESS if succeeded else TaskPhase.FAILED,
        error=None if succeeded else (outcome.error or "the workload failed without a message")[:MAX_ERROR],
        exit_code=0 if succeeded else 1,
        polars=PolarsOutcome(
            row_count=outcome.row_count,
            execution_milliseconds=outcome.execution_milliseconds,
            error_kind=outcome.error_kind,
            error_line=outcome.error_line,
            saved=Saved(table=saved.table, rows_written=saved.rows_written, mode=saved.mode) if saved else None,
            result=StoredResult(key=result_key, bytes=result.bytes) if result else None,
        ),
    )


def of_pod(pod: Manifest) -> Outcome | None:
    """Return what a sandbox came to that has ended; None while it goes on, or when it was cut short from outside."""
    status = pod.get("status", {})
    terminated = (waiting.container_status(pod, TASK_CONTAINER).get("state") or {}).get("terminated") or {}
    if said := _parsed(terminated.get("message")):
        return said
    if terminated.get("reason") == "OOMKilled":
        limit = pod["spec"]["containers"][0]["resources"]["limits"]["memory"]
        return Outcome.failed("memory", f"the workload ran out of memory (limit {limit}); ask for more vcpus")
    if status.get("reason") == "Evicted" and _DISK.search(status.get("message", "")):
        limit = next(v["emptyDir"]["sizeLimit"] for v in pod["spec"]["volumes"] if v["name"] == "tmp")
        return Outcome.failed("disk", f"the workload used more disk than it may (limit {limit})")
    if status.get("phase") == "Succeeded" or _ended_by_itself(pod, terminated):
        code = terminated.get("exitCode", 0)
        return Outcome.failed(
            "internal", f"the sandbox ended with exit code {code}, without saying what came of the workload"
        )
    return None


def _ended_by_itself(pod: Manifest, terminated: Manifest) -> bool:
    status = pod.get("status", {})
    was_ended = status.get("reason") or waiting.condition(pod, "DisruptionTarget").get("status") == "True"
    is_over = status.get("phase") == "Failed" and terminated.get("startedAt") is not None
    return is_over and not was_ended and terminated.get("exitCode") != _TERMINATED


def _parsed(message: str | None) -> Outcome | None:
    try:
        return Outcome.model_validate_json(message) if message else None
    except ValidationError:
        return None
