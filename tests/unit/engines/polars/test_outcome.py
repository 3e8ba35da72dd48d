"""Outcomes: what the supervisor accepts from the worker, and how it publishes it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from icefield_crds.wire.outcome import FailureKind, SavedTable
from icefield_crds.wire.workload import SaveMode, Workload
from icefield_engines.polars.outcome import MAX_TERMINATION_BYTES, checked, encoded, failed, termination_message

from .test_workload import DOCUMENT

QUERY = Workload.from_json(DOCUMENT)
WRITE = Workload.from_json({**DOCUMENT, "destination": "default.out", "save_mode": "append"})
GOOD: dict[str, Any] = {
    "state": "succeeded",
    "row_count": 3,
    "execution_milliseconds": 12.5,
    "saved": None,
    "result": {"key": "whatever", "bytes": 100},
}


def test_a_result_is_where_the_workload_said() -> None:
    outcome = json.loads(encoded(checked({**GOOD, "error": "no", "more": 1}, QUERY)))
    assert outcome == {
        **GOOD,
        "result": {"key": QUERY.result_key, "bytes": 100},
        "error": None,
        "error_kind": None,
        "error_line": None,
    }


def test_what_was_saved_is_what_was_asked_for() -> None:
    saved = {"rows_written": 3, "table": "other.table", "mode": "overwrite"}
    outcome = checked({**GOOD, "saved": saved, "result": None}, WRITE)
    assert outcome.saved == SavedTable("default.out", 3, SaveMode.APPEND)
    assert outcome.result is None


def test_a_failure_is_one_line() -> None:
    reported = {"state": "failed", "error": "a\n\n  b" * 3000, "error_kind": "script", "error_line": 3}
    outcome = checked({**reported, "execution_milliseconds": 1}, QUERY)
    assert outcome.error is not None
    assert outcome.error.startswith("a ba b")
    assert (len(outcome.error), outcome.error_line, outcome.result) == (4000, 3, None)


@pytest.mark.parametrize(
    "reported",
    [
        None,
        [],
        {},
        {**GOOD, "state": "cancelled"},
        {**GOOD, "row_count": -1},
        {**GOOD, "row_count": True},
        {**GOOD, "row_count": 2**64},
        {**GOOD, "row_count": None},
        {**GOOD, "execution_milliseconds": float("nan")},
        {**GOOD, "execution_milliseconds": "1"},
        {**GOOD, "result": None},
        {**GOOD, "result": {"bytes": -1}},
        {"state": "failed", "execution_milliseconds": 1},
        {"state": "failed", "execution_milliseconds": 1, "error": "x", "error_kind": []},
        {"state": "failed", "execution_milliseconds": 1, "error": "x", "error_kind": "other"},
        {"state": "failed", "execution_milliseconds": 1, "error": "x", "error_kind": "script", "error_line": "1"},
    ],
)
def test_invalid_reports(reported: object) -> None:
    with pytest.raises(ValueError):
        checked(reported, QUERY)


def test_a_write_without_its_count_is_invalid() -> None:
    with pytest.raises(ValueError):
        checked(GOOD, WRITE)


@pytest.mark.parametrize("error", ["x" * 4000, "\u00e9" * 4000, '"' * 4000])
def test_a_termination_message_is_short_enough_and_whole_json(error: str) -> None:
    message = termination_message(failed(FailureKind.SCRIPT, error, line=3))
    assert 3000 < len(message) <= MAX_TERMINATION_BYTES
    assert json.loads(message)["error_line"] == 3
