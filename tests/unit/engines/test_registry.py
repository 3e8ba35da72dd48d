"""The statements of a gateway: started once, bounded, remembered, drained."""

from __future__ import annotations

import asyncio

import pytest

from icefield_crds.wire.gateway import EngineName, StatementPhase, StatementRequest
from icefield_engines.warehouse import registry as registry_module
from icefield_engines.warehouse.registry import RefusedError, Registry
from icefield_engines.warehouse.results.ipc import ResultStream
from icefield_engines.warehouse.statement import Statement

READ = StatementRequest(engine=EngineName.DUCKDB, sql="SELECT 1", timeout_seconds=60)
WRITE = StatementRequest(engine=EngineName.SPARK, sql="INSERT", is_write=True)


class Engines:
    """Statements that run until they are let go, or asked to stop."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.runs: list[str] = []
        self.now = 0.0

    async def run(self, statement: Statement) -> None:
        self.runs.append(statement.id)
        statement.start()
        waits = [asyncio.ensure_future(self.go.wait()), asyncio.ensure_future(statement.stop.wait())]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if statement.stop.is_set():
            statement.fail("INTERRUPT_ERROR", "Interrupted!")
        else:
            statement.succeed(ResultStream(None))

    def registry(self, most: int = 10) -> Registry:
        return Registry(self.run, most, clock=lambda: self.now)


async def test_an_id_is_run_once() -> None:
    engines = Engines()
    registry = engines.registry()
    first = registry.start("a", READ)
    assert registry.start("a", READ) is first
    engines.go.set()
    await first.ended.wait()
    assert registry.start("a", READ) is first
    assert engines.runs == ["a"]
    assert first.phase is StatementPhase.SUCCEEDED


async def test_too_many_are_refused_and_nothing_is_started() -> None:
    engines = Engines()
    registry = engines.registry(most=2)
    registry.start("a", READ)
    registry.start("b", READ)
    with pytest.raises(RefusedError, match="2 statements"):
        registry.start("c", READ)
    assert registry.find("c") is None
    assert registry.start("a", READ).id == "a"
    engines.go.set()


async def test_ended_statements_are_forgotten_after_a_while() -> None:
    engines = Engines()
    engines.go.set()
    registry = engines.registry()
    statement = registry.start("a", READ)
    await statement.ended.wait()
    await asyncio.sleep(0)
    engines.now = registry_module.REMEMBERED_SECONDS - 1
    assert registry.find("a") is statement
    engines.now += 2
    assert registry.find("a") is None


async def test_memory_of_ended_statements_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry_module, "REMEMBERED_STATEMENTS", 3)
    engines = Engines()
    engines.go.set()
    registry = engines.registry()
    for number in range(5):
        await registry.start(str(number), READ).ended.wait()
        await asyncio.sleep(0)
    assert [number for number in range(5) if registry.find(str(number))] == [2, 3, 4]


async def test_cancelling_stops_the_engine_and_is_what_counts() -> None:
    engines = Engines()
    registry = engines.registry()
    statement = registry.start("a", READ)
    await asyncio.sleep(0)
    statement.cancel()
    statement.time_out()
    await statement.ended.wait()
    state = statement.state()
    assert (state.status, state.error_code) == (StatementPhase.CANCELLED, "CANCELLED")


async def test_draining_lets_statements_end_and_takes_the_rest_from_their_engine() -> None:
    engines = Engines()
    registry = engines.registry()
    read, write = registry.start("r", READ), registry.start("w", WRITE)
    await asyncio.sleep(0)
    await registry.drain(0.05)
    assert registry.running == 0
    assert read.error
    assert write.error
    assert read.error[0] == write.error[0] == "ENGINE_LOST"
    assert read.error[1] == write.error[1] == "The warehouse was shut down before the statement ended."
    with pytest.raises(RefusedError, match="takes no new statements"):
        registry.start("x", READ)
    assert registry.start("r", READ) is read
