"""What a run of a Polars workload says of itself. Pure."""

from __future__ import annotations

from icefield_apiserver.errors import Conflict, NotFound
from icefield_crds import Run, RunPhase


def has_result(run: Run) -> bool:
    """Say whether a run has rows that can be read."""
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
        raise Conflict(f"Run {name} is {run.phase.value}: its result is there once it has succeeded.")
    if run.phase is RunPhase.CANCELLED:
        raise Conflict(f"Run {name} was cancelled: it has no result.")
    if run.phase is RunPhase.FAILED:
        said = (run.status.error if run.status else None) or "it says no reason"
        raise Conflict(f"Run {name} failed: {said.rstrip('.')}.")
    if not has_result(run):
        where = f": its rows went to {workload.destination}" if workload.destination else ""
        raise NotFound(f"Run {name} has no result of its own{where}.")


def execution_time(run: Run) -> str | None:
    """Say how long a workload itself took, as `340ms` or `12.3s`; where it does not say, its run."""
    status = run.status
    milliseconds = status.polars.execution_milliseconds if status and status.polars else None
    if milliseconds is None and status and status.start_time and status.completion_time:
        milliseconds = (status.completion_time - status.start_time).total_seconds() * 1000
    if milliseconds is None:
        return None
    return f"{milliseconds:.0f}ms" if milliseconds < 999.5 else f"{milliseconds / 1000:.1f}s"
