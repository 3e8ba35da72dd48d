"""The work queue's promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

from icefield_operator.queue import Key, WorkQueue

A, B = Key("Run", "x", "a"), Key("Run", "x", "b")


@asynccontextmanager
async def _running(queue: WorkQueue) -> AsyncIterator[None]:
    task = asyncio.create_task(queue.run())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _until(check: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not check():  # noqa: ASYNC110 - polls plain values
            await asyncio.sleep(0.005)


async def test_a_key_that_waits_is_not_added_twice() -> None:
    seen: list[Key] = []

    async def reconcile(key: Key) -> None:
        seen.append(key)

    queue = WorkQueue(reconcile, workers=1)
    for key in (A, A, B, A):
        queue.add(key)
    async with _running(queue):
        await _until(lambda: len(queue) == 0)
    assert seen == [A, B]


async def test_a_key_is_never_worked_on_twice_at_once_and_no_change_is_missed() -> None:
    at_once, most, passes = 0, 0, 0
    gate = asyncio.Event()

    async def reconcile(_: Key) -> None:
        nonlocal at_once, most, passes
        at_once, passes = at_once + 1, passes + 1
        most = max(most, at_once)
        await gate.wait()
        at_once -= 1

    queue = WorkQueue(reconcile, workers=4)
    queue.add(A)
    async with _running(queue):
        await _until(lambda: passes == 1)
        for _ in range(5):
            queue.add(A)
        gate.set()
        await _until(lambda: len(queue) == 0)
    assert (most, passes) == (1, 2)


async def test_different_keys_are_worked_on_side_by_side() -> None:
    together = asyncio.Barrier(2)

    async def reconcile(_: Key) -> None:
        await together.wait()

    queue = WorkQueue(reconcile, workers=2)
    queue.add(A)
    queue.add(B)
    async with _running(queue):
        await _until(lambda: len(queue) == 0)


async def test_a_failure_comes_back_and_other_keys_go_on() -> None:
    tries: list[Key] = []

    async def reconcile(key: Key) -> None:
        tries.append(key)
        if key == A and tries.count(A) < 3:
            raise RuntimeError("not yet")

    queue = WorkQueue(reconcile, workers=1)
    queue.add(A)
    queue.add(B)
    async with _running(queue):
        await _until(lambda: tries.count(A) == 3)
    assert tries == [A, B, A, A]


async def test_the_earliest_of_several_delays_counts_and_only_once() -> None:
    seen: list[Key] = []

    async def reconcile(key: Key) -> None:
        seen.append(key)

    queue = WorkQueue(reconcile)
    async with _running(queue):
        queue.add_after(A, timedelta(seconds=30))
        queue.add_after(A, timedelta(seconds=0.02))
        queue.add_after(A, timedelta(seconds=20))
        await _until(lambda: seen == [A])
        await asyncio.sleep(0.05)
    assert seen == [A]


async def test_what_a_reconcile_returns_is_when_it_is_called_again() -> None:
    passes = 0

    async def reconcile(_: Key) -> timedelta | None:
        nonlocal passes
        passes += 1
        return timedelta(seconds=0.01) if passes < 3 else None

    queue = WorkQueue(reconcile)
    queue.add(A)
    async with _running(queue):
        await _until(lambda: passes == 3)
        await asyncio.sleep(0.05)
    assert passes == 3


async def test_the_queue_is_bounded() -> None:
    async def reconcile(_: Key) -> None:
        return None

    queue = WorkQueue(reconcile, capacity=1)
    queue.add(A)
    queue.add(B)
    assert len(queue) == 1


async def test_what_was_planned_and_became_due_earlier_takes_no_room() -> None:
    passes = 0

    async def reconcile(_: Key) -> timedelta | None:
        nonlocal passes
        passes += 1
        if passes < 2000:
            queue.add_after(A, timedelta(days=1))
            return timedelta(0)
        return timedelta(days=1)

    queue = WorkQueue(reconcile, workers=1)
    queue.add_after(B, timedelta(days=1))
    queue.add(A)
    async with _running(queue):
        await _until(lambda: passes == 2000)
    assert len(queue._delayed) < 200
    assert {key for _, key in queue._delayed} == {A, B}


async def test_what_is_in_progress_ends_and_nothing_more_begins() -> None:
    gate, begun, ended = asyncio.Event(), list[Key](), list[Key]()

    async def reconcile(key: Key) -> None:
        begun.append(key)
        await gate.wait()
        ended.append(key)

    queue = WorkQueue(reconcile, workers=1)
    queue.add(A)
    queue.add(B)
    async with _running(queue):
        await _until(lambda: begun == [A])
        queue.add(A)
        finishing = asyncio.create_task(queue.finish(10))
        await asyncio.sleep(0.02)
        assert not finishing.done()
        gate.set()
        await finishing
        queue.add(B)
        await asyncio.sleep(0.02)
    assert (begun, ended) == ([A], [A])


async def test_what_does_not_end_is_not_waited_for() -> None:
    async def reconcile(_: Key) -> None:
        await asyncio.Event().wait()

    queue = WorkQueue(reconcile, workers=1)
    queue.add(A)
    async with _running(queue):
        await _until(lambda: not queue._ready and bool(queue._working))
        async with asyncio.timeout(5):
            await queue.finish(0.05)


async def test_it_ends_when_it_is_cancelled_while_something_is_planned() -> None:
    async def reconcile(_: Key) -> None:
        """Nothing to do."""

    for turns in range(6):
        queue = WorkQueue(reconcile, workers=1)
        queue.add_after(B, timedelta(hours=2))
        running = asyncio.create_task(queue.run())
        await asyncio.sleep(0.01)
        queue.add_after(A, timedelta(hours=1))
        for _ in range(turns):
            await asyncio.sleep(0)
        running.cancel()
        ended, _ = await asyncio.wait([running], timeout=5)
        assert ended, turns
