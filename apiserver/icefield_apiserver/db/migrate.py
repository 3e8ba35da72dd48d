"""Brings the schema to the newest version; replicas that start together take turns."""

from __future__ import annotations

import asyncio
import logging
import time

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from .session import create_engine

log = logging.getLogger(__name__)

ADVISORY_LOCK = 0x1CEF1E1D
"""Any number will do, as long as all replicas take the same one."""

LOCK_WAIT = "5min"
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 5.0


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for our migrations, on a connection."""
    config = Config()
    config.set_main_option("script_location", "icefield_apiserver:db/migrations")
    config.attributes["connection"] = connection
    return config


async def upgrade(url: str, patience_seconds: float = 0.0) -> None:
    """Migrate the database to the newest version, in one transaction.

    On Postgres the transaction holds an advisory lock, so a second replica waits and then finds nothing to do.

    Args:
        url: SQLAlchemy's URL.
        patience_seconds: how long to wait for a database that cannot be reached: on a fresh cluster it starts with us.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or the lock was not free in five minutes.
    """
    deadline = time.monotonic() + patience_seconds
    delay = FIRST_DELAY_SECONDS
    while True:
        try:
            await _upgrade(url)
            log.info("the database is at the newest version")
            return
        except OperationalError as error:
            if time.monotonic() + delay > deadline:
                raise
            log.warning("the database cannot be reached yet: %s", error.orig)
        await asyncio.sleep(delay)
        delay = min(2 * delay, LONGEST_DELAY_SECONDS)


async def _upgrade(url: str) -> None:
    engine = create_engine(url, pool_size=1, statement_milliseconds=0)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "head"))
    finally:
        await engine.dispose()
