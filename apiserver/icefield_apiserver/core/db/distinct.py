"""The distinct values of an indexed column."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute


async def distinct_values(
    session: AsyncSession, column: InstrumentedAttribute[Any], *where: ColumnElement[bool]
) -> list[str]:
    """Return the distinct values of a text column, without NULL: one look into the index for each, however many rows.

    Args:
        session: a transaction.
        column: the first column of an index, or the next after those that `where` fixes.
        where: which rows.
    """
    found: list[str] = []
    while (value := await session.scalar(select(func.min(column)).where(*where, *_beyond(column, found)))) is not None:
        found.append(value)
    return found


def _beyond(column: InstrumentedAttribute[Any], found: list[str]) -> list[ColumnElement[bool]]:
    return [column > found[-1]] if found else []
