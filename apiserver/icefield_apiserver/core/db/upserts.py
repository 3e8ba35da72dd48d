"""INSERT … ON CONFLICT, which both databases have in a dialect of their own."""

from __future__ import annotations

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine

from .base import Base

Upsert = postgresql.Insert | sqlite.Insert


def insert_into(engine: AsyncEngine, model: type[Base]) -> Upsert:
    """Return an INSERT into a table that can be given what happens on a conflict."""
    return postgresql.insert(model) if engine.dialect.name == "postgresql" else sqlite.insert(model)
