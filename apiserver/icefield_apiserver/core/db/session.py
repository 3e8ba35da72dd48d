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

from .bounded_connection import connecting_with

CONNECT_SECONDS = 5
STATEMENT_SECONDS = 10
ANSWER_MARGIN_SECONDS = 5
"""How much longer than a statement may take its answer is waited for, before the connection counts as lost."""
POOL_WAIT_SECONDS = 10
_SERVER_KEEPALIVE = "-c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3"
"""By default a server keeps the locks of a client whose node is lost for two hours."""

T = TypeVar("T")


class Database:
    """The connection pool; `session` runs a transaction.

    Args:
        engine: from `create_engine`.
        single: another engine of the same database, for single statements in autocommit mode.
    """

    def __init__(self, engine: AsyncEngine, single: AsyncEngine) -> None:
        self.engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        self._single = single

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, pool_size: int = 10) -> AsyncIterator[Database]:
        """Open the pool for as long as the context lasts; connections are opened on first use."""
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
        """Run one statement as a transaction of its own, and return the number of affected rows.

        A single statement needs no BEGIN, no COMMIT and no check of the connection: that saves three round trips where
        milliseconds count. When the connection was broken, the statement is retried once, so it must be idempotent.
        """
        return await self._alone(statement, values, lambda result: result.rowcount)

    async def one_row(
        self, query: Select[*tuple[Any, ...]], values: Mapping[str, Any] | None = None
    ) -> Row[*tuple[Any, ...]] | None:
        """Return the one row of a query, or None, in autocommit mode as `execute`."""
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
        """Check that the database answers.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it does not.
        """
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


def create_engine(
    url: str,
    *,
    pool_size: int = 10,
    statement_seconds: int = STATEMENT_SECONDS,
    is_single: bool = False,
) -> AsyncEngine:
    """Return an engine whose calls all have timeouts.

    Args:
        url: SQLAlchemy's URL, `postgresql+psycopg://...` or `sqlite+aiosqlite:///...`.
        pool_size: maximum number of connections.
        statement_seconds: timeout of one statement.
        is_single: autocommit mode, without a check when a connection is taken from the pool.
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
            "options": f"-c statement_timeout={statement_seconds}s {_SERVER_KEEPALIVE}",
            "async_creator_fn": connecting_with(statement_seconds + ANSWER_MARGIN_SECONDS),
        },
        **level,
    )


def _enforce_foreign_keys(connection: Any, record: Any) -> None:
    """Enable foreign keys, which SQLite checks only on connections that request it."""
    connection.execute("PRAGMA foreign_keys=ON")
