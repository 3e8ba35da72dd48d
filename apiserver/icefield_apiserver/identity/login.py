"""Logging in: credentials in, a token out."""

from __future__ import annotations

import time

from sqlalchemy.ext.asyncio import AsyncSession

from icefield_apiserver.db import Database
from icefield_apiserver.db.models import User
from icefield_apiserver.errors import Forbidden, Unauthorized

from . import passwords, users
from .failures import FailedLogins
from .passwords import Passwords
from .session_tokens import Session, SessionTokens

WRONG = "The e-mail address or the password is wrong."


class Logins:
    """Exchanges credentials for tokens.

    Args:
        db: the users.
        tokens: issues log-in tokens.
        hashing: verifies passwords.
        renewable_seconds: how long after the log-in a token may still be refreshed.
    """

    def __init__(self, db: Database, tokens: SessionTokens, hashing: Passwords, renewable_seconds: int) -> None:
        self._db = db
        self._tokens = tokens
        self._passwords = hashing
        self._renewable_seconds = renewable_seconds
        self._failures = FailedLogins()

    async def login(self, email: str, password: str, address: str) -> str:
        """Return a token for the person with this password.

        Args:
            email: who it is, in whichever case.
            password: the password.
            address: where the request comes from.

        Raises:
            Unauthorized: no such person, not this password, or not active; which of them is not told.
            QuotaExceeded: too many failures.
        """
        user = await self._verified(email.strip().lower(), password, address)
        if user is None:
            raise Unauthorized(WRONG)
        return self._tokens.issue(user.id, user.session_epoch)

    def refresh(self, session: Session) -> str:
        """Return a fresh token for a session.

        Raises:
            Unauthorized: the log-in was too long ago.
        """
        if time.time() - session.started > self._renewable_seconds:
            raise Unauthorized("The log-in was too long ago to be refreshed; log in again.")
        return self._tokens.issue(session.user_id, session.epoch, session.started)

    async def change_password(self, email: str, current: str, new: str, address: str) -> str:
        """Set a person's password, end all of their sessions, and return a token for a new one.

        Raises:
            Forbidden: the current password is not that one.
            QuotaExceeded: too many failures.
        """
        if (verified := await self._verified(email, current, address)) is None:
            raise Forbidden("The current password is wrong.")
        digest = await self._passwords.hash(new)
        async with self._db.session() as session:
            user = await users.find(session, verified.id, lock=True)
            if user.password_hash != verified.password_hash:
                raise Forbidden("The password was changed by someone else in the meantime.")
            set_password(user, digest)
        return self._tokens.issue(user.id, user.session_epoch)

    async def _verified(self, email: str, password: str, address: str) -> User | None:
        self._failures.attempt(email, address)
        async with self._db.session() as session:
            user = await users.by_email(session, email)
        is_right = await self._passwords.verify(user.password_hash if user else None, password)
        if user is None or not user.is_active or not is_right:
            return None
        self._failures.succeeded(email, address)
        if passwords.is_outdated(user.password_hash):
            digest = await self._passwords.hash(password)
            async with self._db.session() as session:
                user = await _rehash(session, user, digest)
        return user


def set_password(user: User, digest: str) -> None:
    """Give a user a new password; the sessions so far end with the old one."""
    user.password_hash = digest
    user.session_epoch += 1


async def _rehash(session: AsyncSession, verified: User, digest: str) -> User:
    """Store the same password under today's parameters, unless it was changed meanwhile."""
    user = await users.find(session, verified.id, lock=True)
    if user.password_hash == verified.password_hash:
        user.password_hash = digest
    return user
