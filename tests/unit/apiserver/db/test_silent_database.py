"""A Postgres that is reached and does not answer: every call ends, with one sentence for the caller."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import select, text, update
from sqlalchemy.exc import OperationalError
from tests.tcp_server import listening

from icefield_apiserver.core.db import Database, session
from icefield_apiserver.core.db.turns import taking_turns
from icefield_apiserver.core.errors import UNAVAILABLE, install_error_handlers
from icefield_apiserver.identity.models import User

ENCRYPTION_REQUESTS = (80877103, 80877104)
PATIENCE_SECONDS = 8
"""Two attempts, each with the least time that libpq takes for connecting (2 s) or the limit of an answer (1 s)."""


class SilentPostgres:
    """Accepts connections, and lets clients log in where it is told to; it answers nothing else."""

    def __init__(self, *, lets_in: bool) -> None:
        self._lets_in = lets_in
        self.port = 0

    @asynccontextmanager
    async def running(self) -> AsyncIterator[SilentPostgres]:
        """Listen for as long as the context lasts."""
        async with listening(self._accept) as self.port:
            yield self

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if self._lets_in:
                await self._log_in(reader, writer)
            while await reader.read(4096):
                pass
        writer.close()

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack("!i", await reader.readexactly(4))
            (code,) = struct.unpack("!i", (await reader.readexactly(length - 4))[:4])
            if code not in ENCRYPTION_REQUESTS:
                break
            writer.write(b"N")
        parameters = {"server_version": "15.0", "client_encoding": "UTF8", "standard_conforming_strings": "on"}
        writer.write(_message(b"R", struct.pack("!i", 0)))
        for name, value in parameters.items():
            writer.write(_message(b"S", f"{name}\0{value}\0".encode()))
        writer.write(_message(b"K", struct.pack("!ii", 1, 1)) + _message(b"Z", b"I"))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


@asynccontextmanager
async def silent_database(*, lets_in: bool) -> AsyncIterator[Database]:
    """Provide a database that does not answer."""
    async with SilentPostgres(lets_in=lets_in).running() as postgres:
        url = f"postgresql+psycopg://someone@127.0.0.1:{postgres.port}/icefield"
        engine = session.create_engine(url, statement_seconds=1)
        single = session.create_engine(url, statement_seconds=1, is_single=True)
        yield Database(engine, single)
        await engine.dispose()
        await single.dispose()


@pytest.fixture(autouse=True)
def short_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(session, "ANSWER_MARGIN_SECONDS", 0)


async def _transaction(db: Database) -> None:
    async with db.session() as transaction:
        await transaction.execute(text("SELECT 1"))


async def _turn(db: Database) -> None:
    async with taking_turns(db, 1):
        pass


CALLS: dict[str, Callable[[Database], Awaitable[object]]] = {
    "transaction": _transaction,
    "statement": lambda db: db.execute(update(User).values(name="x")),
    "row": lambda db: db.one_row(select(User.id)),
    "ping": lambda db: db.ping(),
    "turn": _turn,
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("lets_in", [False, True], ids=["silent from the start", "silent after the log-in"])
async def test_every_call_ends(lets_in: bool, call: str) -> None:
    async with silent_database(lets_in=lets_in) as db:
        with pytest.raises(OperationalError, match="no answer within 1 s" if lets_in else "timeout expired"):
            await asyncio.wait_for(CALLS[call](db), PATIENCE_SECONDS)


async def test_the_caller_is_told_to_try_again() -> None:
    app = FastAPI()
    install_error_handlers(app)
    async with silent_database(lets_in=True) as db:

        @app.get("/transaction")
        async def transaction() -> None:
            await _transaction(db)

        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            answer = await asyncio.wait_for(client.get("/transaction"), PATIENCE_SECONDS)
    assert (answer.status_code, answer.json()) == (503, {"error": UNAVAILABLE})
    assert int(answer.headers["Retry-After"]) > 0
