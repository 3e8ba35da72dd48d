"""The type of a Run: tasks, a Polars workload or a Spark application."""

from __future__ import annotations

from enum import StrEnum

from icefield_crds import Run
from icefield_crds.polars import DEFAULT_TIMEOUT_SECONDS


class RunType(StrEnum):
    """What a Run executes."""

    COMMAND = "command"
    """Tasks of its own, or of its job; also a run whose job does not exist yet."""
    POLARS = "polars"
    SPARK = "spark"


def run_type_of(run: Run) -> RunType:
    """Return what a Run executes."""
    if run.spec.polars is not None:
        return RunType.POLARS
    return RunType.SPARK if run.spec.spark is not None else RunType.COMMAND


def timeout_seconds(run: Run) -> int | None:
    """Return how long a run may take, None without a limit."""
    given = (run.execution or run.spec).timeout_seconds
    return DEFAULT_TIMEOUT_SECONDS if given is None and run_type_of(run) is RunType.POLARS else given


def timeout_message(run: Run) -> str:
    """Return the message of a run that exceeded its timeout."""
    subject = "workload" if run_type_of(run) is RunType.POLARS else "run"
    return f"the {subject} took longer than its timeout of {timeout_seconds(run)} s"
