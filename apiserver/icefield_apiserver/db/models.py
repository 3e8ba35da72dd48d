"""The tables."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import DateTime, Dialect, ForeignKey, MetaData, String, TypeDecorator
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

_NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcDateTime(TypeDecorator[datetime]):
    """A time in UTC, aware on both sides; SQLite would drop the zone."""

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
    """What all tables share."""

    metadata = MetaData(naming_convention=_NAMING)


class User(Base):
    """A person who can log in.

    Attributes:
        email: lower case; what Workspace.spec.members calls the person.
        password_hash: argon2id.
        session_epoch: log-in tokens carry it; raising it ends all of the person's sessions.
    """

    __tablename__ = "users"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    email: Mapped[str] = mapped_column(String(253), unique=True)
    name: Mapped[str] = mapped_column(String(253))
    password_hash: Mapped[str] = mapped_column(String(255))
    is_platform_admin: Mapped[bool]
    is_active: Mapped[bool]
    session_epoch: Mapped[int]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now, onupdate=now)


class ApiKey(Base):
    """A key that acts for a person in one workspace.

    Attributes:
        id: the eight hex digits that stand in the key itself.
        digest: sha256 of the whole key, in hex.
        workspace: slug of the workspace that the key opens.
        workspace_uid: its metadata.uid: a later workspace of the same name is another one.
        last_used_at: to within some minutes.
    """

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(String(8), primary_key=True)
    user_id: Mapped[str] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(253))
    digest: Mapped[str] = mapped_column(String(64))
    workspace: Mapped[str] = mapped_column(String(63))
    workspace_uid: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime, default=now)
    expires_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
