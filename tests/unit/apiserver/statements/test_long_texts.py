"""What a statement with a long text takes while it waits: its outline, and room for few at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

import icefield_sql as sql
from icefield_apiserver.core.planning_threads import LONG_AT_ONCE, LONG_TEXT, PlanningThreads
from icefield_apiserver.features.statements import planning
from icefield_apiserver.features.statements.planning import CACHED_CHARACTERS, Planner
from icefield_apiserver.features.statements.requests import ExecuteRequest, PlanRequest

from .in_process import PRINCIPAL, InProcess, in_process

SHORT = "SELECT id FROM orders"


def long_text(number: int = 0, terms: int = 400) -> str:
    return f"SELECT {number} + {' + '.join(map(str, range(terms)))} AS x FROM orders"


@pytest_asyncio.fixture
async def services() -> AsyncIterator[InProcess]:
    async with in_process() as services:
        yield services


def planner_and_workspace(services: InProcess) -> tuple[Planner, Any]:
    statements: Any = services.statements
    return statements._planner, statements._workspace(PRINCIPAL)


@pytest.mark.parametrize(("text", "is_whole"), [(SHORT, True), (long_text(), False), (long_text(terms=4000), False)])
async def test_only_short_statements_are_kept_whole(services: InProcess, text: str, *, is_whole: bool) -> None:
    planner, workspace = planner_and_workspace(services)
    parsed = await planner.parse(PlanRequest(text, schema="default"), workspace)
    assert (parsed.is_whole, parsed.statement.tree is not None) == (is_whole, is_whole)
    assert (parsed.statement.command, parsed.is_write, parsed.has_result) == ("SELECT", False, True)
    assert "orders" in (await planner.compile(parsed, workspace)).sql


@pytest.mark.parametrize(("rows", "is_whole"), [(1000, True), (20_000, False)])
async def test_a_statement_of_some_rows_of_literals_is_parsed_once(
    services: InProcess, rows: int, *, is_whole: bool
) -> None:
    planner, workspace = planner_and_workspace(services)
    text = f"INSERT INTO orders VALUES {', '.join(f'({row}, 2)' for row in range(rows))}"
    assert len(text) > LONG_TEXT
    assert (await planner.parse(PlanRequest(text, schema="default"), workspace)).is_whole == is_whole


async def test_a_long_statement_is_run_like_a_short_one(services: InProcess) -> None:
    statement, _ = await services.statements.execute(
        PRINCIPAL, ExecuteRequest(PlanRequest(long_text(), schema="default"), "default")
    )
    assert (statement.status, len(services.gateway.received)) == ("succeeded", 1)


async def test_what_is_cached_is_bounded_by_its_length(services: InProcess) -> None:
    planner, workspace = planner_and_workspace(services)
    for number in range(3 * CACHED_CHARACTERS // LONG_TEXT):
        await planner.parse(PlanRequest(long_text(number), schema="default"), workspace)
    cached: Any = planner
    assert sum(len(statement.source.text) for statement in cached._parsed.values()) <= CACHED_CHARACTERS


async def test_of_a_workspace_one_long_text_is_planned_at_once(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    planner, workspace = planner_and_workspace(services)
    inside, most, lock, parse = 0, 0, threading.Lock(), sql.parse

    def counting(*arguments: Any, **options: Any) -> sql.Statement:
        nonlocal inside, most
        with lock:
            inside += 1
            most = max(most, inside)
        try:
            return parse(*arguments, **options)
        finally:
            with lock:
                inside -= 1

    monkeypatch.setattr(planning.sql, "parse", counting)
    requests = [PlanRequest(long_text(number), schema="default") for number in range(20)]
    await asyncio.gather(*(planner.parse(request, workspace) for request in requests))
    assert most == 1


async def test_of_all_workspaces_some_long_texts_are_planned_at_once() -> None:
    threads, inside, most = PlanningThreads(), 0, 0

    async def plan(number: int) -> None:
        nonlocal inside, most
        async with threads.room(f"workspace-{number}", LONG_TEXT + 1):
            inside += 1
            most = max(most, inside)
            await asyncio.sleep(0.01)
            inside -= 1

    await asyncio.gather(*(plan(number) for number in range(3 * LONG_AT_ONCE)))
    assert most == LONG_AT_ONCE
