"""Whether a column has one of many values: as one array where the database has arrays.

A parameter for each value takes longer to write, and for the server to plan, than the rows take to read. The array is
read as rows, which Postgres hashes: with `= ANY (array)` a plan that it keeps compares each row with each value.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, String, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.orm import InstrumentedAttribute


def one_of(engine: AsyncEngine, column: InstrumentedAttribute[str], values: Sequence[str]) -> ColumnElement[bool]:
    """Return the condition that a text column has one of these values."""
    if engine.dialect.name != "postgresql":
        return column.in_(values)
    return column.in_(select(func.unnest(literal(list(values), ARRAY(String)))))
