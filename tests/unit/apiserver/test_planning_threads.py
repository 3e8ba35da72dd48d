"""Statements are planned in threads, each workspace within its share."""

from __future__ import annotations

import asyncio
import threading

import pytest

from icefield_apiserver.core.errors import QuotaExceeded
from icefield_apiserver.core.planning_threads import AT_ONCE, WAITING, PlanningThreads


async def test_a_step_runs_beside_the_event_loop() -> None:
    def step(number: int, *, text: str) -> tuple[int, str, threading.Thread]:
        return number, text, threading.current_thread()

    number, text, thread = await PlanningThreads().run("demo", step, 1, text="x")
    assert (number, text) == (1, "x")
    assert thread is not threading.current_thread()


async def test_what_one_workspace_sends_delays_no_other() -> None:
    threads, release = PlanningThreads(), threading.Event()
    busy = [asyncio.create_task(threads.run("busy", release.wait, 30)) for _ in range(10 * AT_ONCE)]
    async with asyncio.timeout(10):
        assert await threads.run("other", lambda: "planned") == "planned"
        assert not any(task.done() for task in busy)
        release.set()
        assert all(await asyncio.gather(*busy))


async def test_what_waits_is_bounded() -> None:
    threads, release = PlanningThreads(), threading.Event()
    waiting = [asyncio.create_task(threads.run("busy", release.wait, 5)) for _ in range(AT_ONCE + WAITING)]
    try:
        for _ in range(10):
            await asyncio.sleep(0)
        with pytest.raises(QuotaExceeded, match=f"max_waiting_plans={WAITING}, current={WAITING}"):
            await threads.run("busy", lambda: None)
    finally:
        release.set()
        await asyncio.gather(*waiting)
