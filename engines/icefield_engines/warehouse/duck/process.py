"""DuckDB's process as the gateway sees it: started, started again when it ends, and connected to."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from icefield_engines.warehouse.errors import Code, EngineError

from .frames import READY, PeerGoneError

log = logging.getLogger(__name__)

MODULE = "icefield_engines.warehouse.duck"
START_SECONDS = 60.0
"""How long it may take to open the database, and how long a statement waits for that."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
"""Seconds before the next attempt, where it does not start."""
END_SECONDS = 5.0
"""How long the kernel may take to report its end after its connections have closed."""
_NOT_INHERITED = ("ICEFIELD_GATEWAY_TOKEN", "ICEFIELD_CATALOG_TOKEN")


class Generation:
    """One process, from its start to its end. Used by the threads of statements, but for `wait`."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        """Wrap a process that is ready."""
        self._process = process
        self._control = control
        self._lock = threading.Lock()
        self._idle: list[socket.socket] = []
        self._running: dict[object, str] = {}
        self._victims: tuple[str, ...] | None = None
        self._has_ended = threading.Event()
        self._end = "has ended"

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended, as far as is known."""
        return not self._has_ended.is_set()

    def connect(self) -> socket.socket:
        """Return a connection for a statement.

        Raises:
            PeerGoneError: it has ended.
        """
        with self._lock:
            if self._idle:
                return self._idle.pop()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._control, [b"C"], [theirs.fileno()])
        except OSError as error:
            ours.close()
            raise PeerGoneError from error
        return ours

    def disconnect(self, connection: socket.socket) -> None:
        """Keep the connection of a statement that was answered, for the next one."""
        with self._lock:
            if self.is_alive:
                self._idle.append(connection)
                return
        connection.close()

    def note_running(self, statement: object, digest: str) -> None:
        """Note that it is given a statement."""
        with self._lock:
            self._running[statement] = digest

    def note_ended(self, statement: object) -> None:
        """Note that it does not run a statement any more, or did not take it."""
        with self._lock:
            self._running.pop(statement, None)

    def victims(self, record: Callable[[tuple[str, ...]], None]) -> tuple[str, ...]:
        """Return the digests of the statements that ran when it ended; the first call records them.

        Args:
            record: called with them once.
        """
        with self._lock:
            if self._victims is None:
                self._victims = tuple(self._running.values())
                record(self._victims)
            return self._victims

    def describe_end(self) -> str:
        """Return how it ended, such as `was ended by SIGSEGV`; wait a moment until that is known."""
        self._has_ended.wait(END_SECONDS)
        return self._end

    def wait_for_end(self, seconds: float) -> None:
        """Wait up to so many seconds until it is known to have ended."""
        self._has_ended.wait(seconds)

    async def wait(self) -> None:
        """Wait for its end."""
        self._end = _how(await self._process.wait())
        self._control.close()
        with self._lock:
            self._has_ended.set()
            idle, self._idle = self._idle, []
        for connection in idle:
            connection.close()

    def kill(self) -> None:
        """End it."""
        with suppress(ProcessLookupError):
            self._process.kill()


class DuckDBProcess:
    """Keeps one process running."""

    def __init__(self) -> None:
        """Prepare; nothing is started."""
        self._current: Generation | None = None
        self._is_ready = asyncio.Event()

    @property
    def is_ready(self) -> bool:
        """Whether a statement would start at once."""
        return self._is_ready.is_set()

    @property
    def current(self) -> Generation | None:
        """The process; None while it is being started again."""
        return self._current if self._current and self._current.is_alive else None

    async def wait_until_ready(self) -> None:
        """Return when statements can run.

        Raises:
            EngineError: ENGINE_LOST; it does not start.
        """
        try:
            async with asyncio.timeout(START_SECONDS):
                await self._is_ready.wait()
        except TimeoutError:
            raise EngineError(Code.ENGINE_LOST, "DuckDB does not start.") from None

    async def start(self) -> None:
        """Start it, and wait until its database is open.

        Raises:
            RuntimeError: it does not start; its log has why.
        """
        control, theirs = socket.socketpair()
        try:
            with theirs:
                environment = {name: value for name, value in os.environ.items() if name not in _NOT_INHERITED}
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", MODULE, str(theirs.fileno())),
                    stdin=asyncio.subprocess.DEVNULL,
                    env=environment,
                    pass_fds=(theirs.fileno(),),
                    # The signal that ends the pod is for the gateway, which lets statements end first.
                    start_new_session=True,
                )
            control.setblocking(False)
            try:
                async with asyncio.timeout(START_SECONDS):
                    answer = await asyncio.get_running_loop().sock_recv(control, len(READY))
            except (TimeoutError, OSError):
                answer = b""
            if answer != READY:
                with suppress(ProcessLookupError):
                    process.kill()
                raise RuntimeError(f"DuckDB {_how(await process.wait())} before its database was open")
        except BaseException:
            control.close()
            raise
        control.setblocking(True)
        self._current = Generation(process, control)
        self._is_ready.set()

    async def keep(self) -> None:
        """Start it again whenever it ends, until cancelled; then end it."""
        pause = FIRST_PAUSE
        try:
            while True:
                if self._current and self._current.is_alive:
                    await self._current.wait()
                    self._is_ready.clear()
                    log.error("DuckDB %s; it is started again", self._current.describe_end())
                try:
                    await self.start()
                    pause = FIRST_PAUSE
                except (RuntimeError, OSError) as error:
                    log.error("%s; it is started again in %.0f s", error, pause)
                    await asyncio.sleep(pause)
                    pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            if self._current:
                self._current.kill()


def _how(code: int) -> str:
    """Return how a process ended, from its exit code, or the negative number of a signal."""
    if code >= 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"
