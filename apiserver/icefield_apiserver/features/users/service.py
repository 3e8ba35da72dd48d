"""The platform's users."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.pages import after_text, page_of_rows
from icefield_apiserver.core.pagination import Page, Window
from icefield_apiserver.identity import users
from icefield_apiserver.identity.login import set_password
from icefield_apiserver.identity.models import User
from icefield_apiserver.identity.passwords import Passwords

T = TypeVar("T")


@dataclass(frozen=True)
class UserPatch:
    """Changes of a user; None leaves a field unchanged."""

    name: str | None = None
    password: str | None = None
    is_platform_admin: bool | None = None
    is_active: bool | None = None

    @property
    def may_remove_administrator(self) -> bool:
        """Whether the user may not be a platform administrator afterwards."""
        return self.is_platform_admin is False or self.is_active is False


class UserService:
    """Finds, creates, changes and deletes users.

    Args:
        db: the database.
        passwords: hashes passwords.
    """

    def __init__(self, db: Database, passwords: Passwords) -> None:
        self._db = db
        self._passwords = passwords

    async def page(self, window: Window, shape: Callable[[User], T]) -> Page[T]:
        """Return a page of users by e-mail address."""
        async with self._db.session() as session:
            rows = await users.page(session, after=after_text(window), limit=window.limit + 1)
        return page_of_rows(rows, window, lambda row: row.email, shape)

    async def get(self, id_or_email: str) -> User:
        """Return the user with this id or e-mail address.

        Raises:
            NotFound: there is none.
        """
        async with self._db.session() as session:
            return await users.find(session, id_or_email)

    async def create(self, email: str, name: str, password: str, *, is_platform_admin: bool) -> User:
        """Create a user.

        Raises:
            Conflict: the e-mail address is taken.
        """
        digest = await self._passwords.hash(password)
        async with self._db.session() as session:
            return await users.create(
                session, email=email, name=name, password_hash=digest, is_platform_admin=is_platform_admin
            )

    async def update(self, id_or_email: str, patch: UserPatch) -> User:
        """Change a user; a new password ends the user's sessions.

        Raises:
            NotFound: there is none.
            Conflict: nobody would administer the platform any more.
        """
        digest = await self._passwords.hash(patch.password) if patch.password else None
        async with self._db.session() as session:
            user = await users.find(session, id_or_email, lock=True)
            if patch.may_remove_administrator:
                await users.refuse_to_lose_the_last_administrator(session, user)
            if patch.name is not None:
                user.name = patch.name
            if digest is not None:
                set_password(user, digest)
            if patch.is_platform_admin is not None:
                user.is_platform_admin = patch.is_platform_admin
            if patch.is_active is not None:
                user.is_active = patch.is_active
        return user

    async def delete(self, id_or_email: str) -> None:
        """Delete a user, and with it the user's API keys.

        Raises:
            NotFound: there is none.
            Conflict: nobody would administer the platform any more.
        """
        async with self._db.session() as session:
            user = await users.find(session, id_or_email, lock=True)
            await users.refuse_to_lose_the_last_administrator(session, user)
            await session.delete(user)
