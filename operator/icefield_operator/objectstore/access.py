"""Where a workspace's object store credentials come from: the operator (versitygw) or the platform team (static)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from . import member_users
from .config import Access, Credentials, CredentialsMissingError, ObjectStoreConfig, Provider
from .member_users import Issued
from .policy import bucket_policy, user_of
from .store import ObjectStore
from .versitygw import VersityAdmin

ACCESS_KEY_ID = "accessKeyId"
SECRET_ACCESS_KEY = "secretAccessKey"  # noqa: S105 - the key of a Secret, not a secret

ReadSecret = Callable[[str], Awaitable[Mapping[str, str] | None]]
"""Reads a Secret of icefield-system by name: its decoded keys, or None when there is none."""


@dataclass(frozen=True)
class IssuedKeys:
    """The keys that a workspace's members have, by what they open, and how they were issued."""

    issued: Issued
    keys: Mapping[Access, Credentials]


class Users(Protocol):
    """Manages the object store's users: those of each workspace's pods, and those that its members share."""

    async def ensure(self, workspace: str, access: Access, held: Credentials | None) -> Credentials:
        """Return the credentials that give a workspace this access; what it already has stays valid."""
        ...

    async def ensure_members(
        self, workspace: str, members: Mapping[str, Access], issued: Issued | None, now: datetime
    ) -> IssuedKeys | None:
        """Return the keys that members have now, and revoke those that ended; None where members have none."""
        ...

    async def settle(self, workspaces: Callable[[], Iterable[str]]) -> None:
        """Grant each of the workspaces access to its own prefix, and no other access."""
        ...

    async def remove(self, workspace: str) -> None:
        """Revoke all credentials of a workspace; without effect when there are none."""
        ...


class VersityUsers:
    """Users that the operator creates itself, and the bucket policy that grants them their prefixes."""

    def __init__(self, admin: VersityAdmin, store: ObjectStore) -> None:
        """Manage users through `admin`, and the policy of the bucket of `store`."""
        self._admin = admin
        self._store = store
        # Users and policy are one state: a policy computed before another user was created would revoke its access.
        self._lock = asyncio.Lock()

    async def ensure(self, workspace: str, access: Access, held: Credentials | None) -> Credentials:
        """Create the workspace's user, or reset its secret to the one that the workspace has.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        user = user_of(workspace, access)
        wanted = held.secret_access_key if held and held.access_key_id == user else None
        async with self._lock:
            known = (await self._admin.users()).get(user)
            credentials = Credentials(user, wanted or known or secrets.token_urlsafe(30))
            if known is None:
                await self._admin.create_user(credentials)
            elif known != credentials.secret_access_key:
                await self._admin.set_secret(credentials)
        return credentials

    async def ensure_members(
        self, workspace: str, members: Mapping[str, Access], issued: Issued | None, now: datetime
    ) -> IssuedKeys:
        """Create the members' users that are missing, and delete those that are outdated.

        Args:
            workspace: slug.
            members: `member_users.accesses` of the workspace.
            issued: what was issued before; None where that is not known.
            now: the time.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        async with self._lock:
            users = dict(await self._admin.users())
            changes = member_users.changes(workspace, members, issued, users, now)
            for name in changes.outdated:
                await self._admin.delete_user(name)
            for name in changes.missing:
                users[name] = secrets.token_urlsafe(30)
                await self._admin.create_user(Credentials(name, users[name]))
        names = member_users.current_users(workspace, changes.issued)
        return IssuedKeys(changes.issued, {access: Credentials(name, users[name]) for access, name in names.items()})

    async def settle(self, workspaces: Callable[[], Iterable[str]]) -> None:
        """Write the bucket's policy unless it already is the one for these workspaces.

        Args:
            workspaces: returns the current slugs; called once it is this call's turn.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        async with self._lock:
            users = await self._admin.users()
            wanted = bucket_policy(self._store.config.bucket, workspaces(), users)
            if await self._store.policy() != wanted:
                await self._store.put_policy(wanted)

    async def remove(self, workspace: str) -> None:
        """Delete the workspace's users.

        Raises:
            ObjectStoreError: the store is unavailable or refuses.
        """
        async with self._lock:
            members = filter(None, map(member_users.parse, await self._admin.users()))
            own = [user_of(workspace, access) for access in Access]
            for name in [*own, *(user.name for user in members if user.workspace == workspace)]:
                await self._admin.delete_user(name)


class StaticUsers:
    """Users that the store's administrators create and supply as Secrets."""

    async def ensure(self, workspace: str, access: Access, held: Credentials | None) -> Credentials:
        """Refuse: the operator does not manage this store's users.

        Raises:
            CredentialsMissingError: always.
        """
        raise CredentialsMissingError(
            "the users of this object store are not managed by Icefield: create one with access to only "
            f"workspaces/{workspace}/ and name its Secret in spec.objectStore.credentialsSecret"
        )

    async def ensure_members(
        self, workspace: str, members: Mapping[str, Access], issued: Issued | None, now: datetime
    ) -> None:
        """Do nothing: there are no users but those that the store's administrators make."""

    async def settle(self, workspaces: Callable[[], Iterable[str]]) -> None:
        """Do nothing: the store's administrators manage its policies."""

    async def remove(self, workspace: str) -> None:
        """Do nothing: the user belongs to the store's administrators."""


async def supplied_credentials(name: str, read_secret: ReadSecret) -> Credentials:
    """Return the credentials that the platform team supplied for a workspace.

    Args:
        name: of the Secret in icefield-system (credentialsSecret or readerCredentialsSecret of spec.objectStore).
        read_secret: reads it.

    Raises:
        CredentialsMissingError: there is no such Secret, or it lacks a key.
    """
    data = await read_secret(name)
    if data is None:
        raise CredentialsMissingError(f"there is no Secret {name} in icefield-system with object store credentials")
    if missing := [key for key in (ACCESS_KEY_ID, SECRET_ACCESS_KEY) if not data.get(key)]:
        raise CredentialsMissingError(f"Secret {name} in icefield-system lacks {' and '.join(missing)}")
    return Credentials(data[ACCESS_KEY_ID], data[SECRET_ACCESS_KEY])


@asynccontextmanager
async def open_users(config: ObjectStoreConfig, store: ObjectStore) -> AsyncIterator[Users]:
    """Open the manager of users for the configured provider."""
    if config.provider is Provider.STATIC:
        yield StaticUsers()
        return
    admin = VersityAdmin(config)
    try:
        yield VersityUsers(admin, store)
    finally:
        await admin.aclose()
