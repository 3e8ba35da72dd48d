"""Users: the people who can log in. Platform administrators manage them."""

from __future__ import annotations

from fastapi import APIRouter

from icefield_apiserver.db import models as tables
from icefield_apiserver.db.pages import after_text, page_of_rows
from icefield_apiserver.identity import users
from icefield_apiserver.identity.login import set_password
from icefield_apiserver.identity.principal import PlatformAdmin
from icefield_apiserver.pagination import CurrentWindow, Page
from icefield_apiserver.schemas.identity import NewUser, User, UserChange
from icefield_apiserver.state import CurrentDatabase, CurrentPasswords

router = APIRouter(prefix="/users", tags=["Users"])


@router.get("", summary="List users")
async def list_users(_: PlatformAdmin, db: CurrentDatabase, window: CurrentWindow) -> Page[User]:
    """By e-mail address."""
    async with db.session() as session:
        rows = await users.page(session, after=after_text(window), limit=window.limit + 1)
    return page_of_rows(rows, window, lambda row: row.email, _view)


@router.post("", status_code=201, summary="Create a user")
async def create_user(body: NewUser, _: PlatformAdmin, db: CurrentDatabase, passwords: CurrentPasswords) -> User:
    """A user enters the workspaces whose members name the e-mail address."""
    digest = await passwords.hash(body.password)
    async with db.session() as session:
        user = await users.create(
            session,
            email=body.email,
            name=body.name or body.email,
            password_hash=digest,
            is_platform_admin=body.is_platform_admin,
        )
    return _view(user)


@router.get("/{user}", summary="Read a user")
async def read_user(user: str, _: PlatformAdmin, db: CurrentDatabase) -> User:
    """The user is named by id or e-mail address."""
    async with db.session() as session:
        return _view(await users.find(session, user))


@router.patch("/{user}", summary="Change a user")
async def update_user(
    user: str, body: UserChange, _: PlatformAdmin, db: CurrentDatabase, passwords: CurrentPasswords
) -> User:
    """A new password, and taking away `is_active`, end the person's sessions at once."""
    digest = await passwords.hash(body.password) if body.password else None
    async with db.session() as session:
        row = await users.find(session, user, lock=True)
        if body.is_platform_admin is False or body.is_active is False:
            await users.refuse_to_lose_the_last_administrator(session, row)
        if body.name is not None:
            row.name = body.name
        if digest is not None:
            set_password(row, digest)
        if body.is_platform_admin is not None:
            row.is_platform_admin = body.is_platform_admin
        if body.is_active is not None:
            row.is_active = body.is_active
    return _view(row)


@router.delete("/{user}", status_code=204, summary="Delete a user")
async def delete_user(user: str, _: PlatformAdmin, db: CurrentDatabase) -> None:
    """The person's sessions and API keys end at once; memberships are the workspaces' own and stay."""
    async with db.session() as session:
        row = await users.find(session, user, lock=True)
        await users.refuse_to_lose_the_last_administrator(session, row)
        await session.delete(row)


def _view(row: tables.User) -> User:
    return User.model_validate({name: getattr(row, name) for name in User.model_fields})
