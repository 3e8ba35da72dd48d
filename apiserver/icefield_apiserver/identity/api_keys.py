"""API keys: they act for a user in one workspace. Only their sha256 is stored; 256 random bits need no slow hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import bindparam, select, update
from sqlalchemy.ext.asyncio import AsyncSession

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import now
from icefield_apiserver.core.errors import NotFound
from icefield_crds import Workspace

from .models import ApiKey, User

PREFIX = "icf_"
USE_RECORDED_EVERY = timedelta(minutes=5)
_FORM = re.compile(r"^icf_([0-9a-f]{8})_[A-Za-z0-9_-]{43}$")


async def create(
    session: AsyncSession, *, user_id: str, name: str, workspace: Workspace, expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """Store a new key; return its record and the key itself, which is not stored."""
    while await session.get(ApiKey, key_id := secrets.token_hex(4)):
        continue
    key = f"{PREFIX}{key_id}_{secrets.token_urlsafe(32)}"
    record = ApiKey(
        id=key_id,
        user_id=user_id,
        name=name,
        digest=_digest(key),
        workspace=workspace.metadata.name,
        workspace_uid=workspace.metadata.uid,
        expires_at=expires_at,
        last_used_at=None,
    )
    session.add(record)
    await session.flush()
    return record, key


@dataclass(frozen=True)
class VerifiedKey:
    """A key that is valid now, and its user."""

    workspace: str
    workspace_uid: str
    user_id: str
    email: str
    name: str
    is_platform_admin: bool


_KEY_AND_USER = (
    select(
        ApiKey.digest,
        ApiKey.workspace,
        ApiKey.workspace_uid,
        ApiKey.expires_at,
        ApiKey.last_used_at,
        User.id.label("user_id"),
        User.email,
        User.name,
        User.is_active,
        User.is_platform_admin,
    )
    .join(User, User.id == ApiKey.user_id)
    .where(ApiKey.id == bindparam("key_id"))
)


async def verify(db: Database, key: str) -> VerifiedKey | None:
    """Return a key with its user; None when it is invalid, expired or revoked."""
    if not (form := _FORM.match(key)):
        return None
    found = await db.one_row(_KEY_AND_USER, {"key_id": form[1]})
    if found is None or not hmac.compare_digest(found.digest, _digest(key)):
        return None
    if not found.is_active or (found.expires_at and found.expires_at <= now()):
        return None
    if found.last_used_at is None or now() - found.last_used_at > USE_RECORDED_EVERY:
        await db.execute(update(ApiKey).where(ApiKey.id == form[1]).values(last_used_at=now()))
    return VerifiedKey(
        found.workspace, found.workspace_uid, found.user_id, found.email, found.name, found.is_platform_admin
    )


async def page(session: AsyncSession, user_id: str, *, after: str | None, limit: int) -> list[ApiKey]:
    """Return up to `limit` of a user's keys by id, starting after the id `after`."""
    query = select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id).limit(limit)
    if after is not None:
        query = query.where(ApiKey.id > after)
    return list(await session.scalars(query))


async def revoke(session: AsyncSession, user_id: str, key_id: str) -> None:
    """Delete one of a user's keys; it is refused from now on.

    Raises:
        NotFound: the user has no such key.
    """
    record = await session.get(ApiKey, key_id)
    if record is None or record.user_id != user_id:
        raise NotFound(f"You have no key {key_id}.")
    await session.delete(record)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
