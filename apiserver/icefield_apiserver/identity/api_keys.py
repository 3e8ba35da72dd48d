"""API keys: they act for a person in one workspace. Only their sha256 is stored; 256 random bits need no slow hash."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from icefield_apiserver.db.models import ApiKey, User, now
from icefield_apiserver.errors import NotFound
from icefield_crds import Workspace

PREFIX = "icf_"
USE_RECORDED_EVERY = timedelta(minutes=5)
_FORM = re.compile(r"^icf_([0-9a-f]{8})_[A-Za-z0-9_-]{43}$")


async def create(
    session: AsyncSession, *, user_id: str, name: str, workspace: Workspace, expires_at: datetime | None
) -> tuple[ApiKey, str]:
    """Store a new key; return its record and the key itself, which nobody can ever show again."""
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


async def verify(session: AsyncSession, key: str) -> tuple[ApiKey, User] | None:
    """Return the record of a key and whose it is; None when it is not good (now)."""
    if not (form := _FORM.match(key)):
        return None
    query = select(ApiKey, User).join(User, User.id == ApiKey.user_id).where(ApiKey.id == form[1])
    found = (await session.execute(query)).one_or_none()
    if found is None or not hmac.compare_digest(found[0].digest, _digest(key)):
        return None
    record, user = found
    if not user.is_active or (record.expires_at and record.expires_at <= now()):
        return None
    if record.last_used_at is None or now() - record.last_used_at > USE_RECORDED_EVERY:
        record.last_used_at = now()
    return record, user


async def page(session: AsyncSession, user_id: str, *, after: str | None, limit: int) -> list[ApiKey]:
    """Return up to `limit` of a person's keys by id, from the one behind `after` on."""
    query = select(ApiKey).where(ApiKey.user_id == user_id).order_by(ApiKey.id).limit(limit)
    if after is not None:
        query = query.where(ApiKey.id > after)
    return list(await session.scalars(query))


async def revoke(session: AsyncSession, user_id: str, key_id: str) -> None:
    """Delete one of a person's keys; it is refused from now on.

    Raises:
        NotFound: the person has no such key.
    """
    record = await session.get(ApiKey, key_id)
    if record is None or record.user_id != user_id:
        raise NotFound(f"You have no key {key_id}.")
    await session.delete(record)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()
