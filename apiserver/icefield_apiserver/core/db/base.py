"""The declarative base of all tables, times in UTC, and the metadata of every table."""

from __future__ import annotations

import pkgutil
from datetime import UTC, datetime
from importlib import import_module
from importlib.util import find_spec

from sqlalchemy import DateTime, Dialect, MetaData, TypeDecorator
from sqlalchemy.orm import DeclarativeBase

_NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC with its time zone; SQLite alone would drop the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def now() -> datetime:
    """Return the current time in UTC."""
    return datetime.now(UTC)


class Base(DeclarativeBase):
    """The declarative base of all tables."""

    metadata = MetaData(naming_convention=_NAMING)


def complete_metadata() -> MetaData:
    """Return the metadata of all tables: imports the `models` module of identity and of each feature that has one."""
    features = import_module("icefield_apiserver.features")
    packages = [f"{features.__name__}.{module.name}" for module in pkgutil.iter_modules(features.__path__)]
    for package in ("icefield_apiserver.identity", *packages):
        if find_spec(f"{package}.models"):
            import_module(f"{package}.models")
    return Base.metadata
