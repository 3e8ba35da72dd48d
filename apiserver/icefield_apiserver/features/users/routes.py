"""Users: the people who can log in. Platform administrators manage them."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends

from icefield_apiserver.core.feature import provided
from icefield_apiserver.core.pagination import CurrentWindow, Page
from icefield_apiserver.core.routes import Router
from icefield_apiserver.identity import models
from icefield_apiserver.identity.dependencies import PlatformAdmin

from .schemas import NewUser, User, UserChange
from .service import UserPatch, UserService

router = Router(prefix="/users", tags=["Users"])

Users = Annotated[UserService, Depends(provided(UserService))]


@router.get("", summary="List users")
async def list_users(_: PlatformAdmin, users: Users, window: CurrentWindow) -> Page[User]:
    """By e-mail address."""
    return await users.page(window, _view)


@router.post("", status_code=201, summary="Create a user")
async def create_user(body: NewUser, _: PlatformAdmin, users: Users) -> User:
    """A user enters the workspaces whose members name the e-mail address."""
    return _view(
        await users.create(body.email, body.name or body.email, body.password, is_platform_admin=body.is_platform_admin)
    )


@router.get("/{user}", summary="Read a user")
async def read_user(user: str, _: PlatformAdmin, users: Users) -> User:
    """The user is named by id or e-mail address."""
    return _view(await users.get(user))


@router.patch("/{user}", summary="Change a user")
async def update_user(user: str, body: UserChange, _: PlatformAdmin, users: Users) -> User:
    """A new password, and `is_active: false`, end the user's sessions at once."""
    patch = UserPatch(
        name=body.name,
        password=body.password,
        is_platform_admin=body.is_platform_admin,
        is_active=body.is_active,
    )
    return _view(await users.update(user, patch))


@router.delete("/{user}", status_code=204, summary="Delete a user")
async def delete_user(user: str, _: PlatformAdmin, users: Users) -> None:
    """The user's sessions and API keys end at once; memberships belong to the workspaces and stay."""
    await users.delete(user)


def _view(row: models.User) -> User:
    return User.model_validate({name: getattr(row, name) for name in User.model_fields})
