"""Connections to the database."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from sqlalchemy import Delete, Insert, Update, event, make_url, text
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

CONNECT_SECONDS = 5
STATEMENT_MILLISECONDS = 10_000
POOL_WAIT_SECONDS = 10


class Database:
    """The pool of connections; `session` is how everything is read and written.

    Args:
        engine: what `create_engine` returned.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self._sessions = async_sessionmaker(engine, expire_on_commit=False)
        self._alone = engine.execution_options(isolation_level="AUTOCOMMIT")

    @classmethod
    @asynccontextmanager
    async def open(cls, url: str, pool_size: int = 10) -> AsyncIterator[Database]:
        """Open the pool for as long as the context lasts; connections are made when first needed."""
        engine = create_engine(url, pool_size=pool_size)
        try:
            yield cls(engine)
        finally:
            await engine.dispose()

    @asynccontextmanager
    async def session(self) -> AsyncIterator[AsyncSession]:
        """Run one transaction: committed when the block ends, rolled back when it raises."""
        async with self._sessions.begin() as session:
            yield session

    async def execute(self, statement: Insert | Update | Delete) -> int:
        """Run one statement as a transaction of its own, and return how many rows it touched.

        A single statement needs no BEGIN and no COMMIT: that spares two round trips where milliseconds count.
        """
        async with self._alone.connect() as connection:
            return (await connection.execute(statement)).rowcount

    async def ping(self) -> None:
        """Ask the database for a sign of life.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: it gave none.
        """
        async with self.engine.connect() as connection:
            await connection.execute(text("SELECT 1"))


def create_engine(
    url: str, *, pool_size: int = 10, statement_milliseconds: int = STATEMENT_MILLISECONDS
) -> AsyncEngine:
    """Return an engine whose every call ends in time.

    Args:
        url: SQLAlchemy's URL, `postgresql+psycopg://...` or `sqlite+aiosqlite:///...`.
        pool_size: most connections at once.
        statement_milliseconds: longest time of one statement; 0 is without end.
    """
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_async_engine(url, connect_args={"timeout": CONNECT_SECONDS})
        event.listen(engine.sync_engine, "connect", _enforce_foreign_keys)
        return engine
    return create_async_engine(
        url,
        pool_size=pool_size,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        pool_recycle=1800,
        pool_pre_ping=True,
        connect_args={
            "connect_timeout": CONNECT_SECONDS,
            "options": f"-c statement_timeout={statement_milliseconds}",
        },
    )


def _enforce_foreign_keys(connection: Any, record: Any) -> None:
    """SQLite leaves foreign keys unchecked unless each connection asks for it."""
    connection.execute("PRAGMA foreign_keys=ON")
