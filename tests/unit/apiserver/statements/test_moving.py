"""What Spark runs after DuckDB could not."""

from __future__ import annotations

import pytest

from icefield_apiserver.features.statements.moving import may_move
from icefield_crds.wire.appends import Appended
from icefield_crds.wire.gateway import EngineName, StatementPhase, StatementState


def _failed(code: str) -> StatementState:
    return StatementState("s", StatementPhase.FAILED, EngineName.DUCKDB, code, "It failed.")


@pytest.mark.parametrize(
    ("state", "of_a_read", "of_a_write"),
    [
        (_failed("BINDER_ERROR"), True, True),
        (_failed("ENGINE_CRASHED"), True, True),
        (_failed("CONVERSION_ERROR"), False, True),
        (_failed("OUT_OF_MEMORY"), False, True),
        (_failed("NOT_NULL_ASSERT_VIOLATION"), False, True),
        (_failed("TABLE_CHANGED"), False, True),
        (_failed("ENGINE_LOST"), False, False),
        (_failed("TIMED_OUT"), False, False),
        (StatementState("s", StatementPhase.CANCELLED, EngineName.DUCKDB, "CANCELLED", "Stopped."), False, False),
        (StatementState("s", StatementPhase.SUCCEEDED, EngineName.DUCKDB, appended=Appended(1, 1, 1)), False, False),
        # A gateway of an older version took the rows of an INSERT for a result.
        (StatementState("s", StatementPhase.SUCCEEDED, EngineName.DUCKDB), False, True),
    ],
)
def test_what_moves_to_spark(state: StatementState, of_a_read: bool, of_a_write: bool) -> None:
    assert (may_move(state, is_write=False), may_move(state, is_write=True)) == (of_a_read, of_a_write)
