"""The gateway's protocol as JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_crds.wire.appends import Appended, AppendTarget
from icefield_crds.wire.gateway import (
    EngineName,
    GatewayStatus,
    ResultIndex,
    StatementPhase,
    StatementRequest,
    StatementState,
)

REQUEST = StatementRequest(
    EngineName.DUCKDB, "SELECT 1", False, "workspaces/demo/results/s.arrow", 10, 5, 4_000_000, 1000, timeout_seconds=60
)
SUCCEEDED = StatementState(
    id="s",
    status=StatementPhase.SUCCEEDED,
    engine=EngineName.DUCKDB,
    schema=[{"name": "n", "type": "bigint"}],
    rows_produced=3,
    truncated=True,
    duration_ms=1.5,
    inline=b"\xff\xff\xff\xff\0",
    result=ResultIndex("workspaces/demo/results/s.arrow", 300, 100, ((2, 100, 90), (1, 190, 90))),
)
KEPT = replace(SUCCEEDED, inline=b"whole", content=b"whole")


def _through_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


APPEND = AppendTarget(("sales", "default"), "orders", "uuid", 3, 0, "s3://lake/orders/metadata/v1.metadata.json")


@pytest.mark.parametrize(
    "request_",
    [
        REQUEST,
        StatementRequest(EngineName.SPARK, "INSERT", is_write=True),
        StatementRequest(EngineName.DUCKDB, "SELECT 1", is_write=True, append=APPEND, is_bulk=True),
        replace(REQUEST, is_write=True, append=APPEND, signature="stmt_1"),
    ],
    ids=["read", "write", "bulk append", "append"],
)
def test_request_round_trip(request_: StatementRequest) -> None:
    assert StatementRequest.from_json(_through_json(request_.to_json())) == request_


@pytest.mark.parametrize(
    "state",
    [
        SUCCEEDED,
        KEPT,
        replace(SUCCEEDED, content=b"whole"),
        replace(SUCCEEDED, appended=Appended(snapshot_id=2**62, rows=3, files=1)),
        StatementState("s", StatementPhase.PENDING, EngineName.SPARK),
        StatementState("s", StatementPhase.FAILED, EngineName.SPARK, "TIMED_OUT", "It took too long."),
    ],
    ids=lambda state: str(state.status),
)
def test_state_round_trip(state: StatementState) -> None:
    assert StatementState.from_json(_through_json(state.to_json())) == state


def test_state_on_the_wire() -> None:
    assert _through_json(SUCCEEDED.to_json()) == {
        "id": "s",
        "status": "succeeded",
        "engine": "duckdb",
        "error": None,
        "schema": [{"name": "n", "type": "bigint"}],
        "rows_produced": 3,
        "truncated": True,
        "duration_ms": 1.5,
        "inline": "/////wA=",
        "result": {
            "key": "workspaces/demo/results/s.arrow",
            "bytes": 300,
            "schema_bytes": 100,
            "batches": [[2, 100, 90], [1, 190, 90]],
        },
        "content": None,
        "appended": None,
    }


def test_rows_that_are_the_whole_result_are_sent_once() -> None:
    sent = _through_json(KEPT.to_json())
    assert (sent["inline"], sent["content"]) == (None, "d2hvbGU=")


def test_a_state_of_an_older_gateway() -> None:
    newer = ("content", "appended")
    sent = {name: value for name, value in SUCCEEDED.to_json().items() if name not in newer}
    assert StatementState.from_json(_through_json(sent)) == SUCCEEDED


def test_status_round_trip() -> None:
    status = GatewayStatus(spark=False, running=2, last_activity=datetime(2026, 1, 1, tzinfo=UTC), draining=True)
    assert GatewayStatus.from_json(_through_json(status.to_json())) == status


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"engine": "mysql"}, "engine must be one of duckdb, spark"),
        ({"sql": ""}, "sql must be a string, and not empty"),
        ({"result_key": "x" * 2000}, "result_key must be at most 1024 characters long"),
        ({"inline_rows": -1}, "inline_rows must be between 0 and 10000"),
        ({"inline_bytes": True}, "inline_bytes must be an integer"),
        ({"content_bytes": -1}, "content_bytes must be between 0 and 1048576"),
        ({"timeout_seconds": 0}, "timeout_seconds must be more than 0"),
        ({"is_write": "yes"}, "is_write must be true or false"),
    ],
)
def test_request_errors(change: dict[str, Any], error: str) -> None:
    with pytest.raises(ValueError) as caught:
        StatementRequest.from_json({**REQUEST.to_json(), **change})
    assert str(caught.value) == error


def test_optional_fields_of_a_request() -> None:
    assert StatementRequest.from_json({"engine": "spark", "sql": "x", "later": 1}) == StatementRequest(
        EngineName.SPARK, "x"
    )


@pytest.mark.parametrize(
    "document",
    [None, {"spark": True}, {"spark": True, "running": 0, "last_activity": "2026-01-01T00:00:00"}],
)
def test_status_errors(document: object) -> None:
    with pytest.raises(ValueError):
        GatewayStatus.from_json(document)
