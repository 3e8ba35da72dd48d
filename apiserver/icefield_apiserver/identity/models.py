"""The tables of users and their API keys."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from icefield_apiserver.core.db.base import Base, UtcDateTime, now


class User(Base):
    """A person who can log in.

    Attributes:
        email: lower case; the name of the user in Workspace.spec.members.
        password_hash: argon2id.
        session_epoch: part of log-in tokens; increasing it ends all of the user's sessions.
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
    """A key that acts for a user in one workspace.

    Attributes:
        id: eight hex digits, part of the key itself.
        digest: sha256 of the whole key, in hex.
        workspace: slug of the workspace in which the key is valid.
        workspace_uid: its metadata.uid: a later workspace of the same name is another one.
        last_used_at: accurate to five minutes.
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
