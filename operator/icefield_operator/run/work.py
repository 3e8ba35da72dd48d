"""What a Run executes: tasks, a Polars workload or a Spark application."""

from __future__ import annotations

from enum import StrEnum

from icefield_crds import Run
from icefield_crds.polars import DEFAULT_TIMEOUT_SECONDS


class Work(StrEnum):
    """What a Run executes."""

    COMMAND = "command"
    """Tasks of its own, or of its job; also a run of which it is not known yet."""
    POLARS = "polars"
    SPARK = "spark"


def work_of(run: Run) -> Work:
    """Return what a Run executes."""
    if run.spec.polars is not None:
        return Work.POLARS
    return Work.SPARK if run.spec.spark is not None else Work.COMMAND


def timeout_seconds(run: Run) -> int | None:
    """Return how long a run may take, None without a limit."""
    given = run.execution.timeout_seconds if run.execution else None
    return DEFAULT_TIMEOUT_SECONDS if given is None and work_of(run) is Work.POLARS else given


def took_too_long(run: Run) -> str:
    """Return what the owner of a run reads that its timeout ended."""
    subject = "workload" if work_of(run) is Work.POLARS else "run"
    return f"the {subject} took longer than its timeout of {timeout_seconds(run)} s"
