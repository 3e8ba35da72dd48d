"""Runs statements on their engines, and stores their results."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from icefield_crds.wire.gateway import EngineName

from .engine import Engine, Execution
from .errors import Code, EngineError, Scrubber
from .results.ipc import ResultStream
from .results.upload import Bucket, Upload
from .statement import Statement

log = logging.getLogger(__name__)

INTERRUPT_INTERVAL = 0.2
"""Seconds: an interrupt between two steps of an engine is lost, so it is repeated."""
INTERRUPT_TIMEOUT = 30.0
"""Seconds after which a statement whose engine does not stop fails; its thread keeps its slot."""


class _EnginePool:
    """An engine, the threads that its statements run in, and the queue before it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.slots = asyncio.Semaphore(engine.statements_at_once)
        self.threads = ThreadPoolExecutor(engine.statements_at_once, thread_name_prefix=engine.name)

    @property
    def is_free(self) -> bool:
        """Whether a statement would start at once."""
        return self.engine.is_ready and not self.slots.locked()


class Runner:
    """Runs each statement on the engine that it names, up to the engine's limit at once."""

    def __init__(self, engines: Mapping[EngineName, Engine], bucket: Bucket, scrub: Scrubber) -> None:
        """Use these engines, and this bucket for results; secrets are removed from messages of engines."""
        self._pools = {name: _EnginePool(engine) for name, engine in engines.items()}
        self._bucket = bucket
        self._scrub = scrub

    async def run(self, statement: Statement) -> None:
        """Run a statement to its end; raise nothing."""
        pool = self._pools.get(statement.request.engine)
        if pool is None:
            statement.fail(Code.SPARK_UNAVAILABLE, f"This warehouse has no {statement.request.engine}.")
            return
        try:
            if await _acquire_slot(pool, statement):
                await self._execute(pool, statement)
            else:
                statement.fail(Code.CANCELLED, "The statement was cancelled.")
        except EngineError as error:
            statement.fail(error.code, self._scrub(error.message))
        except Exception:
            log.exception("%s failed because of an internal error", statement.id)
            statement.fail(Code.INTERNAL_ERROR, "The warehouse could not run the statement.")

    async def store(self, statement: Statement) -> None:
        """Store the result of a statement, unless that is done.

        Raises:
            EngineError: RESULT_NOT_STORED.
        """
        key, content = statement.request.result_key, statement.content
        if not key or content is None:
            return
        try:
            await self._bucket.put(key, content)
        except EngineError as error:
            raise EngineError(error.code, self._scrub(error.message)) from error
        statement.result_stored()

    def close(self) -> None:
        """Stop without waiting for statements."""
        for pool in self._pools.values():
            pool.threads.shutdown(wait=False, cancel_futures=True)

    async def _execute(self, pool: _EnginePool, statement: Statement) -> None:
        """Run a statement that has a slot, and release the slot when its thread ends."""
        request = statement.request
        upload = Upload(self._bucket, request.result_key) if request.result_key else None
        stream = ResultStream(
            _shipping(upload, statement) if upload else None,
            row_limit=request.row_limit,
            inline_rows=request.inline_rows,
            inline_bytes=request.inline_bytes,
        )
        execution = pool.engine.execution(statement.id, request)
        statement.start()
        work = asyncio.get_running_loop().run_in_executor(pool.threads, _produce, execution, stream, statement)
        work.add_done_callback(lambda _: pool.slots.release())
        try:
            rest = await _wait_for_thread(work, execution, statement)
            content = None
            if upload and stream.schema is not None:
                content = await _deliver(upload, rest, request.content_bytes)
        except BaseException:
            if upload:
                await self._abort(upload)
            raise
        statement.succeed(stream, content, execution.appended)

    async def _abort(self, upload: Upload) -> None:
        try:
            await upload.abort()
        except EngineError as error:
            log.warning("Parts of a result remain: %s", self._scrub(error.message))


async def _deliver(upload: Upload, rest: bytes, content_bytes: int) -> bytes | None:
    """Store what of a result was not shipped; return a short one instead, which its caller keeps.

    Raises:
        EngineError: RESULT_NOT_STORED.
    """
    if not upload.has_begun and len(rest) <= content_bytes:
        return rest
    await upload.finish(rest)
    return None


async def _ready_slot(pool: _EnginePool) -> None:
    """Wait for a slot on an engine that is ready."""
    await pool.slots.acquire()
    try:
        await pool.engine.wait_until_ready()
    except BaseException:
        pool.slots.release()
        raise


async def _acquire_slot(pool: _EnginePool, statement: Statement) -> bool:
    """Wait for a slot; return whether it was free before the statement was stopped."""
    if pool.is_free and not statement.stop.is_set():
        await pool.slots.acquire()  # does not wait, so that a short statement costs no further task
        return True
    waiting = asyncio.ensure_future(_ready_slot(pool))
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


async def _wait_for_thread(work: asyncio.Future[bytes], execution: Execution, statement: Statement) -> bytes:
    """Wait for the thread of a statement; have the engine stop when the statement is to stop, or its time is over.

    Raises:
        EngineError: it failed, was stopped, or does not stop.
    """
    loop = asyncio.get_running_loop()
    seconds = statement.request.timeout_seconds
    timer = loop.call_later(seconds, statement.time_out) if seconds else None
    stopped = asyncio.ensure_future(statement.stop.wait())
    try:
        either: list[asyncio.Future[Any]] = [work, stopped]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        deadline = loop.time() + INTERRUPT_TIMEOUT
        interrupting: asyncio.Future[None] | None = None
        while not work.done():
            if loop.time() > deadline:
                raise EngineError(Code.ENGINE_LOST, "The engine does not stop.")
            if interrupting is None or interrupting.done():
                interrupting = loop.run_in_executor(None, execution.interrupt)
            await asyncio.wait([work], timeout=INTERRUPT_INTERVAL)
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
            stream.start(rows.schema)
            for batch in rows.batches:
                if statement.stop.is_set():
                    raise EngineError(Code.CANCELLED, "The statement was stopped.")
                if not stream.add(batch):
                    break
            return stream.end()
    except EngineError:
        raise
    except Exception as error:
        code, message = execution.describe_error(error)
        raise EngineError(code, message) from error
    except BaseException as error:  # a panic of a library in Rust is no Exception, and would end the statement's task
        raise EngineError(Code.INTERNAL_ERROR, f"A library of the warehouse failed: {error}") from error


def _shipping(upload: Upload, statement: Statement) -> Callable[[bytes], None]:
    """Return the function by which a statement's thread uploads parts of its result in the event loop."""
    loop = asyncio.get_running_loop()

    def ship(part: bytes) -> None:
        sending = asyncio.run_coroutine_threadsafe(upload.part(part), loop)
        while True:
            try:
                return sending.result(timeout=INTERRUPT_INTERVAL)
            except TimeoutError:
                if statement.stop.is_set():
                    sending.cancel()
                    raise EngineError(Code.CANCELLED, "The statement was stopped.") from None

    return ship
