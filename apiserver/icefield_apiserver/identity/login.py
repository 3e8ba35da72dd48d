"""Log-in: exchanges credentials for a token."""

from __future__ import annotations

import time

from sqlalchemy.ext.asyncio import AsyncSession

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.errors import Forbidden, Unauthorized

from . import passwords, users
from .failures import FailedLogins
from .models import User
from .passwords import Passwords
from .session_tokens import Session, SessionTokens

WRONG = "The e-mail address or the password is wrong."


class Logins:
    """Exchanges credentials for tokens.

    Args:
        db: the database, for users.
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

    @property
    def lifetime_seconds(self) -> int:
        """How long an issued token is valid."""
        return self._tokens.lifetime_seconds

    async def login(self, email: str, password: str, address: str) -> str:
        """Return a token for the person with this password.

        Args:
            email: e-mail address, in any case.
            password: the password.
            address: IP address of the client.

        Raises:
            Unauthorized: no such user, a wrong password, or not active; the message does not state which.
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
            Forbidden: the current password is wrong.
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
    """Set a user's password, and end all of the user's sessions."""
    user.password_hash = digest
    user.session_epoch += 1


async def _rehash(session: AsyncSession, verified: User, digest: str) -> User:
    """Store the hash of the same password with the current parameters, unless it was changed meanwhile."""
    user = await users.find(session, verified.id, lock=True)
    if user.password_hash == verified.password_hash:
        user.password_hash = digest
    return user
