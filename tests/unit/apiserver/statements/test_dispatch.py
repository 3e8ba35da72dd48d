"""Which gateway of a warehouse a statement is followed at, while pods are replaced."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from icefield_apiserver.core.settings import StatementSettings
from icefield_apiserver.features.statements.dispatch import Dispatcher
from icefield_apiserver.features.statements.execution import LostError
from icefield_apiserver.features.statements.gateway import (
    GatewayRefusalError,
    GatewaySilenceError,
    UnknownStatementError,
)
from icefield_crds import Warehouse

NEW, OLD = "http://new", "http://old"
SINCE = "2026-01-01T12:00:00Z"


def warehouse(serving: str | None, *draining: str, phase: str = "running") -> Warehouse:
    pods = [{"podName": endpoint[7:], "endpoint": endpoint, "startTime": SINCE} for endpoint in draining]
    status = {"phase": phase, "endpoint": serving, "drainingPods": pods}
    return Warehouse.model_validate({"metadata": {"name": "w"}, "spec": {}, "status": status})


def dispatcher(found: Warehouse | None, answers: dict[str, Exception | None] | None = None) -> Dispatcher:
    """A dispatcher that finds this warehouse, whose gateways answer, or fail, as given."""

    async def get(workspace: str, endpoint: str, statement_id: str, wait: float) -> Any:
        if error := (answers or {})[endpoint]:
            raise error

    waker = SimpleNamespace(warehouse_of=lambda execution: found)
    return Dispatcher(cast(Any, SimpleNamespace(get=get)), cast(Any, waker), StatementSettings())


def execution(*, is_write: bool = False) -> Any:
    return SimpleNamespace(statement=SimpleNamespace(workspace="acme", is_write=is_write), gateway_id="stmt_1")


UNKNOWN, SILENT, REFUSED = UnknownStatementError(), GatewaySilenceError("no answer"), GatewayRefusalError("away")


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({NEW: None}, NEW),
        ({NEW: UNKNOWN, OLD: None}, OLD),
        ({NEW: REFUSED, OLD: None}, OLD),
        ({NEW: UNKNOWN, OLD: SILENT}, OLD),
        ({NEW: SILENT, OLD: UNKNOWN}, NEW),
    ],
    ids=["one gateway", "on the old pod", "the new one is away", "the old one is silent", "the new one is silent"],
)
async def test_a_statement_of_another_server_is_found(answers: dict[str, Exception | None], expected: str) -> None:
    found = warehouse(*answers)
    assert await dispatcher(found, answers).locate(execution()) == expected


@pytest.mark.parametrize("found", [warehouse(NEW, OLD), warehouse(None), None], ids=["unknown", "no pod", "deleted"])
async def test_a_statement_that_no_gateway_knows_is_lost(found: Warehouse | None) -> None:
    with pytest.raises(LostError):
        await dispatcher(found, {NEW: UNKNOWN, OLD: UNKNOWN}).locate(execution())


@pytest.mark.parametrize(
    ("found", "is_write", "is_lost"),
    [
        (warehouse(NEW, OLD), False, False),
        (warehouse(NEW, OLD), True, False),
        (warehouse(None, OLD, phase="starting"), False, False),
        (warehouse(NEW), False, True),
        (warehouse(NEW), True, True),
        (warehouse(None, phase="starting"), False, True),
        (warehouse(None, phase="starting"), True, False),
        (warehouse(None, OLD, phase="stopped"), True, True),
        (None, True, True),
    ],
)
def test_a_gateway_that_is_silent_for_a_moment_is_lost_with_its_pod(
    found: Warehouse | None, is_write: bool, is_lost: bool
) -> None:
    assert dispatcher(found)._is_lost(execution(is_write=is_write), OLD, 1.0) is is_lost
