"""The people who can log in, in the database."""

from __future__ import annotations

import logging
import secrets

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.errors import Conflict, NotFound

from .models import User
from .passwords import Passwords

log = logging.getLogger(__name__)


async def create(
    session: AsyncSession, *, email: str, name: str, password_hash: str, is_platform_admin: bool = False
) -> User:
    """Store a new user and return it.

    Raises:
        Conflict: the e-mail address is taken.
    """
    user = User(
        id=f"usr_{secrets.token_hex(6)}",
        email=email.lower(),
        name=name,
        password_hash=password_hash,
        is_platform_admin=is_platform_admin,
        is_active=True,
        session_epoch=0,
    )
    session.add(user)
    try:
        await session.flush()
    except IntegrityError as error:
        raise Conflict(f"There already is a user with the e-mail address {email.lower()}.") from error
    return user


async def by_email(session: AsyncSession, email: str) -> User | None:
    """Return the user with this e-mail address, in any case, or None."""
    return (await session.scalars(select(User).where(User.email == email.lower()))).one_or_none()


async def find(session: AsyncSession, id_or_email: str, *, lock: bool = False) -> User:
    """Return the user with this id or e-mail address.

    Args:
        session: the transaction.
        id_or_email: `usr_...`, or an e-mail address.
        lock: whether to lock the row until the transaction ends.

    Raises:
        NotFound: there is none.
    """
    query = select(User).where((User.id == id_or_email) | (User.email == id_or_email.lower()))
    found = (await session.scalars(query.with_for_update() if lock else query)).one_or_none()
    if found is None:
        raise NotFound(f"There is no user {id_or_email}.")
    return found


async def page(session: AsyncSession, *, after: str | None, limit: int) -> list[User]:
    """Return up to `limit` users by e-mail address, starting after the address `after`."""
    query = select(User).order_by(User.email).limit(limit)
    if after is not None:
        query = query.where(User.email > after)
    return list(await session.scalars(query))


async def refuse_to_lose_the_last_administrator(session: AsyncSession, user: User) -> None:
    """Check that another user administers the platform before this one no longer does.

    The administrators' rows stay locked until the transaction ends, so that two cannot remove each other.

    Raises:
        Conflict: no other user does.
    """
    query = select(User.id).where(User.is_platform_admin, User.is_active).order_by(User.id).with_for_update()
    administrators = set(await session.scalars(query))
    if administrators <= {user.id}:
        raise Conflict(f"{user.email} is the only platform administrator; make someone else one first.")


async def ensure_first_administrator(db: Database, passwords: Passwords, email: str, password: str) -> None:
    """Create the platform's first administrator if it has none; when replicas race, one of them wins."""
    async with db.session() as session:
        query = select(func.count()).select_from(User).where(User.is_platform_admin, User.is_active)
        if await session.scalar(query):
            return
    digest = await passwords.hash(password)
    try:
        async with db.session() as session:
            if (user := await by_email(session, email)) is None:
                await create(session, email=email, name="Administrator", password_hash=digest, is_platform_admin=True)
            else:
                user.is_platform_admin = user.is_active = True
                user.password_hash = digest
    except Conflict:
        return
    log.info("created the first platform administrator, %s", email)
