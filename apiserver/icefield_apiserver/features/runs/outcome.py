"""What a run executes, and the outcome of a Polars workload. Pure."""

from __future__ import annotations

from typing import Literal

from icefield_apiserver.core.errors import Conflict, NotFound
from icefield_crds import Run, RunPhase

RunKind = Literal["command", "tasks", "polars", "spark"]


def kind_of(run: Run) -> RunKind | None:
    """Return what a run executes; None until that was copied from its job."""
    if run.spec.polars:
        return "polars"
    if run.spec.spark:
        return "spark"
    execution = run.execution
    if execution is None:
        return None
    return "tasks" if execution.tasks else "command"


def has_result(run: Run) -> bool:
    """Return whether a run has rows that can be read."""
    outcome = run.status.polars if run.status else None
    return run.phase is RunPhase.SUCCESS and outcome is not None and outcome.result is not None


def check_result(run: Run) -> None:
    """Refuse to read the result of a run that has none.

    Raises:
        NotFound: it is no Polars workload, or its rows went elsewhere.
        Conflict: it has not succeeded.
    """
    workload, name = run.spec.polars, run.public_id
    if workload is None:
        raise NotFound(f"Run {name} is no Polars workload: it has no result.")
    if not run.phase.is_terminal:
        raise Conflict(f"Run {name} is {run.phase.value}: it has a result once it has succeeded.")
    if run.phase is RunPhase.CANCELLED:
        raise Conflict(f"Run {name} was cancelled: it has no result.")
    if run.phase is RunPhase.FAILED:
        reason = (run.status.error if run.status else None) or "no reason was reported"
        raise Conflict(f"Run {name} failed: {reason.rstrip('.')}.")
    if not has_result(run):
        where = f": its rows went to {workload.destination}" if workload.destination else ""
        raise NotFound(f"Run {name} has no result of its own{where}.")


def execution_time(run: Run) -> str | None:
    """Return how long a workload itself took, such as `340ms` or `12.3s`; else how long its run took."""
    status = run.status
    milliseconds = status.polars.execution_milliseconds if status and status.polars else None
    if milliseconds is None and status and status.start_time and status.completion_time:
        milliseconds = (status.completion_time - status.start_time).total_seconds() * 1000
    if milliseconds is None:
        return None
    return f"{milliseconds:.0f}ms" if milliseconds < 999.5 else f"{milliseconds / 1000:.1f}s"
