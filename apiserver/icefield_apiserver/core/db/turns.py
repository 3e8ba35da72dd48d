"""Work that one replica does at a time.

On Postgres a turn is a session's advisory lock: it ends with its connection, so a replica that dies frees it at once.
SQLite is used by one process only, whose turns exclude each other all the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakKeyDictionary

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from .session import Database

_in_process: WeakKeyDictionary[Database, set[int]] = WeakKeyDictionary()


class Turn:
    """A turn that this process has.

    Args:
        connection: the session that holds the lock; None where the database has no such locks.
    """

    def __init__(self, connection: AsyncConnection | None) -> None:
        self._connection = connection

    async def is_held(self) -> bool:
        """Return whether it was this process's turn without a break: the session that took it still answers."""
        if self._connection is None:
            return True
        try:
            await self._connection.execute(text("SELECT 1"))
        except (DBAPIError, OSError):
            return False
        return not self._connection.invalidated


@asynccontextmanager
async def taking_turns(db: Database, number: int) -> AsyncIterator[Turn | None]:
    """Give the turn for as long as the context lasts; None while another process or task has it.

    Args:
        db: the database of all replicas.
        number: what the turn is for; the same in all replicas.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is unavailable.
    """
    if db.engine.dialect.name != "postgresql":
        taken = _in_process.setdefault(db, set())
        if number in taken:
            yield None
            return
        taken.add(number)
        try:
            yield Turn(None)
        finally:
            taken.discard(number)
        return
    async with db.engine.connect() as pooled:
        connection = await pooled.execution_options(isolation_level="AUTOCOMMIT")
        key = {"key": number}
        if not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), key):
            yield None
            return
        try:
            yield Turn(connection)
        finally:
            await asyncio.shield(_release(connection, number))


async def _release(connection: AsyncConnection, number: int) -> None:
    """Give the turn back; where that fails the connection goes, and the turn with it."""
    try:
        await connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": number})
    except (DBAPIError, OSError):
        await connection.invalidate()
