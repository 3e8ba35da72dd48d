"""Connections to the database."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from sqlalchemy import (
    CursorResult,
    Delete,
    Executable,
    Insert,
    Row,
    Select,
    Update,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 10_000
POOL_WAIT_SECONDS = 10

T = TypeVar("T")


class Database:
    """The pool of connections; `session` is how everything is read and written.

    Args:
        engine: what `create_engine` returned.
        single: another of the same database for statements that are transactions of their own.
    """

    def __init__(self, engine: AsyncEngine, single: AsyncEngine) -> None:
        self.engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        self._single = single

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, pool_size: int = 10) -> AsyncIterator[Database]:
        """Open the pool for as long as the context lasts; connections are made when first needed."""
        half = max(1, pool_size // 2)
        engine = create_engine(url, pool_size=max(1, pool_size - half))
        single = create_engine(url, pool_size=half, is_single=True)
        try:
            yield cls(engine, single)
        finally:
            await engine.dispose()
            await single.dispose()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Run one transaction: committed when the block ends, rolled back when it raises."""
        async with self._sessions.begin() as session:
            yield session

    async def execute(self, statement: Insert | Update | Delete, values: Mapping[str, Any] | None = None) -> int:
        """Run one statement as a transaction of its own, and return how many rows it touched.

        A single statement needs no BEGIN, no COMMIT, and no question first whether the connection is good: that spares
        three round trips where milliseconds count. Where the connection was not good, the statement is run once more;
        so it must be one that may be run twice.
        """
        return await self._alone(statement, values, lambda result: result.rowcount)

    async def one_row(
        self, query: Select[*tuple[Any, ...]], values: Mapping[str, Any] | None = None
    ) -> Row[*tuple[Any, ...]] | None:
        """Return the one row of a query, or None, as fast as `execute` runs a statement."""
        return await self._alone(query, values, lambda result: result.one_or_none())

    async def _alone(
        self,
        statement: Executable,
        values: Mapping[str, Any] | None,
        read: Callable[[CursorResult[*tuple[Any, ...]]], T],
    ) -> T:
        for attempt in range(2):
            try:
                async with self._single.connect() as connection:
                    return read(await connection.execute(statement, dict(values) if values else None))
            except DBAPIError as error:
                if attempt or not error.connection_invalidated:
                    raise
        raise AssertionError("unreachable")

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it gave none.
        """
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


def create_engine(
    url: str,
    *,
    pool_size: int = 10,
    statement_milliseconds: int = STATEMENT_MILLISECONDS,
    is_single: bool = False,
) -> AsyncEngine:
    """Return an engine whose every call ends in time.

    Args:
        url: SQLAlchemy's URL, `postgresql+psycopg://...` or `sqlite+aiosqlite:///...`.
        pool_size: most connections at once.
        statement_milliseconds: longest time of one statement; 0 is without end.
        is_single: each statement is a transaction of its own, and connections are handed out as they are.
    """
    level: dict[str, Any] = {"isolation_level": "AUTOCOMMIT"} if is_single else {}
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": CONNECT_SECONDS}, **level)
        event.listen(engine.sync_engine, "connect", _enforce_foreign_keys)
        return engine
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_recycle=1800,
        pool_pre_ping=not is_single,
        pool_reset_on_return=None if is_single else "rollback",
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={statement_milliseconds}",
        },
        **level,
    )


def _enforce_foreign_keys(connection: Any, record: Any) -> None:
    """SQLite leaves foreign keys unchecked unless each connection asks for it."""
    connection.execute("PRAGMA foreign_keys=ON")
