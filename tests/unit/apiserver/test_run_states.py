"""Statements in the words of Oleander's client."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from icefield_apiserver.features.runs_v2.schemas import state_of_statement
from icefield_apiserver.features.statements.models import Statement

SUBMITTED = datetime(2026, 6, 1, 8, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("pending", "SUBMITTED"),
        ("running", "RUNNING"),
        ("succeeded", "COMPLETE"),
        ("failed", "FAIL"),
        ("cancelled", "ABORT"),
    ],
)
def test_states_of_statements(status: str, state: str) -> None:
    has_ended = state not in ("SUBMITTED", "RUNNING")
    statement = Statement(
        id="stmt_0197f0c2a9ab4812c0ffee0123456789",
        workspace="acme",
        warehouse="small",
        warehouse_uid="4a2b09c1-d2e3-0000-0000-000000000000",
        status=status,
        engine="duckdb",
        submitted_at=SUBMITTED,
        started_at=None if state == "SUBMITTED" else SUBMITTED + timedelta(seconds=1),
        finished_at=SUBMITTED + timedelta(seconds=2.5) if has_ended else None,
        error_message="it broke" if state == "FAIL" else None,
    )
    read = state_of_statement(statement)
    assert (read.id, read.state, read.type, read.mode) == (statement.id, state, "sql", "duckdb")
    assert read.job.model_dump() == {"id": "wh_4a2b09c1d2e3", "name": "small", "namespace": "acme"}
    assert read.error == ("it broke" if state == "FAIL" else None)
    if has_ended:
        assert read.duration == 1500.0
    else:
        assert (read.duration is None) == (state == "SUBMITTED")
