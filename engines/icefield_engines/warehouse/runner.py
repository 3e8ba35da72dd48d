"""Takes a statement through its engine to its result."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from .engine import Engine, Execution
from .errors import Code, EngineError, Scrubber
from .protocol import EngineName
from .results.ipc import ResultStream
from .results.upload import Bucket, Upload
from .statement import Statement

log = logging.getLogger(__name__)

INTERRUPT_AGAIN = 0.2
"""Seconds: an interrupt that comes between two steps of an engine is lost, so it is repeated."""
HEEDED_WITHIN = 30.0
"""Seconds until a statement whose engine does not stop is given up; its thread keeps its turn."""


class _Lane:
    """An engine, the threads that its statements run in, and the queue before it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.turns = asyncio.Semaphore(engine.statements_at_once)
        self.pool = ThreadPoolExecutor(engine.statements_at_once, thread_name_prefix=engine.name)


class Runner:
    """Runs each statement on the engine that it names, so many at once as the engine takes."""

    def __init__(self, engines: Mapping[EngineName, Engine], bucket: Bucket, scrub: Scrubber) -> None:
        """Use these engines, and this bucket for results; what engines say is scrubbed."""
        self._lanes = {name: _Lane(engine) for name, engine in engines.items()}
        self._bucket = bucket
        self._scrub = scrub

    async def run(self, statement: Statement) -> None:
        """Take a statement to its end; raise nothing."""
        lane = self._lanes.get(statement.request.engine)
        if lane is None:
            statement.fail(Code.SPARK_UNAVAILABLE, f"This warehouse has no {statement.request.engine}.")
            return
        try:
            if await _unless_stopped(_turn(lane), statement):
                await self._execute(lane, statement)
            else:
                statement.fail(Code.CANCELLED, "The statement was cancelled.")
        except EngineError as error:
            statement.fail(error.code, self._scrub(error.message))
        except Exception:
            log.exception("%s failed for a reason of ours", statement.id)
            statement.fail(Code.INTERNAL_ERROR, "The warehouse could not run the statement.")

    def close(self) -> None:
        """Wait for no statement any more."""
        for lane in self._lanes.values():
            lane.pool.shutdown(wait=False, cancel_futures=True)

    async def _execute(self, lane: _Lane, statement: Statement) -> None:
        """Run a statement that has its turn, and give the turn back when its thread is through."""
        request = statement.request
        upload = Upload(self._bucket, request.result_key) if request.result_key else None
        stream = ResultStream(
            _shipping(upload, statement) if upload else None,
            row_limit=request.row_limit,
            inline_rows=request.inline_rows,
            inline_bytes=request.inline_bytes,
        )
        execution = lane.engine.execution(statement.id, request.sql, is_write=request.is_write)
        statement.begin()
        work = asyncio.get_running_loop().run_in_executor(lane.pool, _produce, execution, stream, statement)
        work.add_done_callback(lambda _: lane.turns.release())
        try:
            rest = await _until_through(work, execution, statement)
            if upload and stream.schema is not None:
                await upload.finish(rest)
        except BaseException:
            if upload:
                await self._abort(upload)
            raise
        statement.succeed(stream)

    async def _abort(self, upload: Upload) -> None:
        try:
            await upload.abort()
        except EngineError as error:
            log.warning("Parts of a result stay behind: %s", self._scrub(error.message))


async def _turn(lane: _Lane) -> None:
    """Wait for a turn on an engine that is ready."""
    await lane.turns.acquire()
    try:
        await lane.engine.wait_until_ready()
    except BaseException:
        lane.turns.release()
        raise


async def _unless_stopped(turn: Coroutine[Any, Any, None], statement: Statement) -> bool:
    """Wait for a turn; return whether it came before the statement was stopped."""
    waiting = asyncio.ensure_future(turn)
    stopped = asyncio.ensure_future(statement.stop.wait())
    try:
        await asyncio.wait([waiting, stopped], return_when=asyncio.FIRST_COMPLETED)
    finally:
        stopped.cancel()
        if not waiting.done():
            waiting.cancel()
    await asyncio.wait({waiting})
    if waiting.cancelled():
        return False
    waiting.result()
    return True


async def _until_through(work: asyncio.Future[bytes], execution: Execution, statement: Statement) -> bytes:
    """Wait for the thread of a statement; have the engine stop when the statement is to stop, or its time is over.

    Raises:
        EngineError: it failed, was stopped, or does not heed that it was.
    """
    loop = asyncio.get_running_loop()
    seconds = statement.request.timeout_seconds
    timer = loop.call_later(seconds, statement.time_out) if seconds else None
    stopped = asyncio.ensure_future(statement.stop.wait())
    try:
        either: list[asyncio.Future[Any]] = [work, stopped]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        give_up = loop.time() + HEEDED_WITHIN
        interrupting: asyncio.Future[None] | None = None
        while not work.done():
            if loop.time() > give_up:
                raise EngineError(Code.ENGINE_LOST, "The engine does not stop.")
            if interrupting is None or interrupting.done():
                interrupting = loop.run_in_executor(None, execution.interrupt)
            await asyncio.wait([work], timeout=INTERRUPT_AGAIN)
    finally:
        stopped.cancel()
        if timer:
            timer.cancel()
    return work.result()


def _produce(execution: Execution, stream: ResultStream, statement: Statement) -> bytes:
    """Run a statement in a thread; return what of its result was not shipped.

    Raises:
        EngineError: it failed.
    """
    try:
        with closing(execution):
            rows = execution.start()
            if len(rows.schema) == 0:
                for _ in rows.batches:
                    pass
                return b""
            stream.begin(rows.schema)
            for batch in rows.batches:
                if statement.stop.is_set():
                    raise EngineError(Code.CANCELLED, "The statement was stopped.")
                if not stream.add(batch):
                    break
            return stream.end()
    except EngineError:
        raise
    except Exception as error:
        code, message = execution.problem(error)
        raise EngineError(code, message) from error


def _shipping(upload: Upload, statement: Statement) -> Callable[[bytes], None]:
    """Return what hands parts of a result from a statement's thread to the event loop, and waits for room."""
    loop = asyncio.get_running_loop()

    def ship(part: bytes) -> None:
        sending = asyncio.run_coroutine_threadsafe(upload.part(part), loop)
        while True:
            try:
                return sending.result(timeout=INTERRUPT_AGAIN)
            except TimeoutError:
                if statement.stop.is_set():
                    sending.cancel()
                    raise EngineError(Code.CANCELLED, "The statement was stopped.") from None

    return ship
