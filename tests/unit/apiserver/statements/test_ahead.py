"""A repeated short read is sent while the catalog is asked; its rows count only if the tables are as they were."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from tests.eventually import eventually

from icefield_apiserver.features.statements import record
from icefield_apiserver.features.statements.models import Statement
from icefield_apiserver.features.statements.requests import ExecuteRequest, PlanRequest

from .in_process import ORDERS, PRINCIPAL, InProcess, in_process

READ = "SELECT id FROM default.orders"
NEXT_LOCATION = "s3://lake/orders/2.metadata.json"


@pytest_asyncio.fixture
async def services() -> AsyncIterator[InProcess]:
    async with in_process() as services:
        yield services


async def execute(services: InProcess, text: str = READ, key: str | None = None) -> Statement:
    request = ExecuteRequest(PlanRequest(text), "default", idempotency_key=key)
    statement, _ = await services.statements.execute(PRINCIPAL, request)
    return statement


async def sent_before_the_catalog_answers(services: InProcess, text: str = READ, key: str | None = None) -> int:
    """Execute a statement, and return how many were sent while the catalog was asked for its table."""
    services.catalog.answers.clear()
    loads, sent = services.catalog.loads, len(services.gateway.received)
    running = asyncio.create_task(execute(services, text, key))
    await eventually(lambda: asyncio.sleep(0.01, services.catalog.loads > loads))
    ahead = len(services.gateway.received) - sent
    services.catalog.answers.set()
    assert (await running).status == "succeeded"
    assert len(services.gateway.received) == sent + 1
    return ahead


async def test_a_repeated_read_does_not_wait_for_the_catalog(services: InProcess) -> None:
    assert [await sent_before_the_catalog_answers(services) for _ in range(4)] == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "key", "milliseconds"),
    [
        (READ, None, 101.0),
        (READ, "k", 1.0),
        ("SELECT id FROM default.orders WHERE current_date() IS NOT NULL", None, 1.0),
        ("INSERT INTO default.orders SELECT * FROM default.orders", None, 1.0),
    ],
    ids=["took long", "with an idempotency key", "depends on the time", "a write"],
)
async def test_what_waits_for_the_catalog(services: InProcess, text: str, key: str | None, milliseconds: float) -> None:
    services.gateway.milliseconds = milliseconds
    for number in range(2):
        await execute(services, text, f"{key}{number}" if key else None)
    assert await sent_before_the_catalog_answers(services, text, f"{key}2" if key else None) == 0


async def test_rows_of_a_table_that_has_changed_are_discarded(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "LATE_SECONDS", 60.0)
    for _ in range(2):
        await execute(services)
    services.catalog.table = replace(ORDERS, metadata_location=NEXT_LOCATION)
    statement = await execute(services)
    *_, outdated, current = services.gateway.received
    assert (NEXT_LOCATION in outdated.sql, NEXT_LOCATION in current.sql) == (False, True)
    assert services.gateway.ids[2:] == [statement.id, f"{statement.id}-1"]
    assert (statement.status, statement.attempts) == ("succeeded", 1)
    assert services.records.writes[statement.id] == 1, "it does not wait to be recorded first"


async def test_a_table_that_changes_between_any_two_reads_is_read_once_each_time(services: InProcess) -> None:
    for number in range(5):
        services.catalog.table = replace(ORDERS, metadata_location=f"s3://lake/orders/{number}.metadata.json")
        await execute(services)
    assert len(services.gateway.received) == 5


async def test_a_table_that_was_dropped_has_no_rows(services: InProcess) -> None:
    for _ in range(2):
        await execute(services)
    services.catalog.table = None
    statement = await execute(services)
    assert (statement.engine, statement.started_at, statement.duration_ms) == (None, None, None)
    await execute(services)
    assert len(services.gateway.received) == 3, "only the first read after the drop reaches the warehouse"
    assert (statement.status, statement.error_code, statement.rows_produced) == (
        "failed",
        "TABLE_OR_VIEW_NOT_FOUND",
        None,
    )
    assert services.records.ended[statement.id]["result_content"] is None
