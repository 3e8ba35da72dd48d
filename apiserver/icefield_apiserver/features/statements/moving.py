"""What Spark runs after DuckDB could not. Pure."""

from __future__ import annotations

from icefield_crds.wire.gateway import StatementPhase, StatementState

from .recovery import LOST

CRASHED, CRASH_SUSPECTED = "ENGINE_CRASHED", "ENGINE_CRASH_SUSPECTED"
_SPARK_MAY_KNOW = frozenset(
    {
        "BINDER_ERROR",
        "CATALOG_ERROR",
        CRASHED,
        CRASH_SUSPECTED,
        "NOT_IMPLEMENTED_ERROR",
        "OUT_OF_RANGE",
        "PARSER_ERROR",
        "STATEMENT_NOT_ALLOWED",
        "UNSUPPORTED_TYPE",
    }
)
"""DuckDB's errors for a read that it cannot answer as it was translated: Spark, whose SQL it is, then runs it.

So it does what ended DuckDB's process, or may have; where only DuckDB may run that, one of several is run once more.
"""
_ENDED_FROM_OUTSIDE = frozenset({LOST, "CANCELLED", "TIMED_OUT"})
"""Errors of a write that may have been applied, or that nobody waits for."""


def may_move(state: StatementState, *, is_write: bool) -> bool:
    """Return whether Spark may run a statement that ended so on DuckDB.

    Rows are committed last, so an INSERT that failed was not applied: Spark then writes it, or says in its own words
    why not. It was not applied either where it succeeded without a commit, on a gateway that knows no appending.

    Args:
        state: how it ended.
        is_write: whether it was to write.
    """
    if not is_write:
        return state.error_code in _SPARK_MAY_KNOW
    if state.status is StatementPhase.SUCCEEDED:
        return state.appended is None
    return state.status is StatementPhase.FAILED and state.error_code not in _ENDED_FROM_OUTSIDE
