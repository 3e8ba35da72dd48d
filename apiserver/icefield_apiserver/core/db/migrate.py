"""Migrates the schema to the newest version; replicas that start together take turns."""

from __future__ import annotations

import logging

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_before_delay,
    wait_exponential,
)

from .session import create_engine

log = logging.getLogger(__name__)

ADVISORY_LOCK = 0x1CEF1E1D
"""Any number, the same in all replicas."""

LOCK_WAIT = "5min"
STATEMENT_SECONDS = 3600
"""How long one statement of a migration may take, as an index over a large table."""
FIRST_DELAY_SECONDS = 0.25
LONGEST_DELAY_SECONDS = 5.0


def configuration(connection: Connection) -> Config:
    """Return Alembic's configuration for our migrations, on a connection."""
    config = Config()
    config.set_main_option("script_location", "icefield_apiserver.core.db:migrations")
    config.attributes["connection"] = connection
    return config


async def upgrade(url: str, patience_seconds: float = 0.0) -> None:
    """Migrate the database to the newest version, in one transaction.

    On Postgres the transaction holds an advisory lock, so a second replica waits and then has nothing to do.

    Args:
        url: SQLAlchemy's URL.
        patience_seconds: how long to wait for an unreachable database: in a new cluster it starts at the same time.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database is unreachable, or the lock was not free within five minutes.
    """
    attempts = AsyncRetrying(
        retry=retry_if_exception_type(OperationalError),
        stop=stop_before_delay(patience_seconds),
        wait=wait_exponential(multiplier=FIRST_DELAY_SECONDS, max=LONGEST_DELAY_SECONDS),
        before_sleep=_warn,
        reraise=True,
    )
    await attempts(_upgrade, url)
    log.info("the database is at the newest version")


def _warn(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.warning("the database cannot be reached yet: %s", error.orig if isinstance(error, OperationalError) else error)


async def _upgrade(url: str) -> None:
    engine = create_engine(url, pool_size=1, statement_seconds=STATEMENT_SECONDS)
    try:
        async with engine.begin() as connection:
            if connection.dialect.name == "postgresql":
                await connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_WAIT}'"))
                await connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
            await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "head"))
    finally:
        await engine.dispose()
