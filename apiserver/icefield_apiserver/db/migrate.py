"""Brings the schema to the newest version; replicas that start together take turns."""

from __future__ import annotations

import logging

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text

from .session import create_engine

log = logging.getLogger(__name__)

ADVISORY_LOCK = 0x1CEF1E1D
"""Any number will do, as long as all replicas take the same one."""

LOCK_WAIT = "5min"


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for our migrations, on a connection."""
    config = Config()
    config.set_main_option("script_location", "icefield_apiserver:db/migrations")
    config.attributes["connection"] = connection
    return config


async def upgrade(url: str) -> None:
    """Migrate the database to the newest version, in one transaction.

    On Postgres the transaction holds an advisory lock, so a second replica waits and then finds nothing to do.

    Args:
        url: SQLAlchemy's URL.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or the lock was not free in five minutes.
    """
    engine = create_engine(url, pool_size=1, statement_milliseconds=0)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "head"))
    finally:
        await engine.dispose()
    log.info("the database is at the newest version")
