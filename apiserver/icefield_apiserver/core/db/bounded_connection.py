"""Connections to Postgres that do not wait for ever.

`statement_timeout` is the server's own: a server that hangs does not end a statement, and a peer that is gone cannot.
TCP's time-outs do not help against the first, as the kernel of a stopped process still acknowledges what it receives.
So each wait for an answer has a limit here, after which the connection is closed; the pool then opens another.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.rows import TupleRow

T = TypeVar("T")

Connect = Callable[..., Awaitable[psycopg.AsyncConnection[TupleRow]]]


class NoAnswer(psycopg.OperationalError):
    """The database did not answer in time; whether the statement was run is unknown."""


def connecting_with(answer_seconds: float) -> Connect:
    """Return what opens connections whose every wait for an answer ends after so many seconds with `NoAnswer`."""

    class BoundedConnection(psycopg.AsyncConnection[TupleRow]):
        async def wait(self, gen: PQGen[T], interval: float = 0.1, timeout: float | None = None) -> T:  # noqa: ASYNC109
            if timeout is not None:
                return await super().wait(gen, interval, timeout)
            try:
                return await super().wait(gen, interval, answer_seconds)
            except psycopg.errors._WaitTimeout as error:
                # The answer may still come, and would be taken for that of the next statement.
                self.pgconn.finish()
                raise NoAnswer(f"no answer within {answer_seconds:g} s") from error

    return BoundedConnection.connect
