"""Lakekeeper: one of its warehouses per workspace, created through its management API.

Source: its OpenAPI documents (version 0.13), and the behaviour of 0.13.1 where they leave it open.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_exponential

from icefield_operator.objectstore.config import Credentials

from .calls import Calls, RefusedError
from .provider import CatalogAccess, CatalogError, Storage

BOOTSTRAP = "/management/v1/bootstrap"
INFO = "/management/v1/info"
WAREHOUSES = "/management/v1/warehouse"

_BOOTSTRAPPED = frozenset({"CatalogAlreadyBootstrapped", "ConcurrentBootstrap"})
_TAKEN = frozenset({"CreateWarehouseStorageProfileOverlap", "WarehouseAlreadyExists"})
_NO_PROJECT = "ProjectNotFound"
_PROJECT_ATTEMPTS = 5
_FIRST_PROJECT_DELAY = 0.2
"""Seconds until the second attempt while the project that bootstrapping makes is not visible yet; doubled each time."""

T = TypeVar("T")
Warehouse = dict[str, Any]
"""GetWarehouseResponse of the management API."""


class Lakekeeper:
    """Manages catalogs in a Lakekeeper that the platform team runs and that treats every caller as an admin."""

    def __init__(self, calls: Calls, uri: str) -> None:
        """Manage through `calls`; pods reach the catalogs at `uri`."""
        self._calls = calls
        self._uri = uri
        self._is_bootstrapped = False
        # Its check for overlapping locations is racy, so warehouses are created one at a time.
        self._lock = asyncio.Lock()

    async def ensure(
        self, slug: str, storage: Storage, credentials: Credentials, held_token: str | None, *, is_configured: bool
    ) -> CatalogAccess:
        """Ensure a warehouse of the workspace's name on its storage, with its keys.

        Raises:
            CatalogError: Lakekeeper is unavailable or refuses, or the name is taken by a warehouse on other storage.
        """
        del held_token  # Lakekeeper issues no tokens: it is only reached through our own API.
        found = await self._find(slug)
        if found is None:
            async with self._lock:
                found = await self._find(slug)
                if found is None:
                    found, is_configured = await self._create(slug, storage, credentials)
        _check(found, slug, storage)
        if not is_configured:
            await self._update(found, storage, credentials)
        return CatalogAccess(self._uri, slug)

    async def remove(self, slug: str, storage: Storage) -> None:
        """Drop the workspace's warehouse; one of the same name on other storage is not ours and is kept.

        Raises:
            CatalogError: Lakekeeper is unavailable or refuses, for example while tasks of the warehouse run.
        """
        found = await self._find(slug)
        if found is None or not _is_over(found, storage):
            return
        await self._empty(found["warehouse-id"])
        await self._gone(self._calls.json("DELETE", f"{WAREHOUSES}/{found['warehouse-id']}"))

    async def _find(self, slug: str) -> Warehouse | None:
        """Names are unique in a project, whatever the case of their letters."""
        listed = await self._in_project(lambda: self._calls.json("GET", WAREHOUSES))
        return next((w for w in listed.get("warehouses", []) if w["name"].casefold() == slug.casefold()), None)

    async def _create(self, slug: str, storage: Storage, credentials: Credentials) -> tuple[Warehouse, bool]:
        """Return the warehouse, and whether it was created by this call, with these keys."""
        body = {
            "warehouse-name": slug,
            "storage-profile": _profile(storage),
            "storage-credential": _credential(credentials),
            "delete-profile": {"type": "hard"},
        }
        try:
            return await self._in_project(lambda: self._calls.json("POST", WAREHOUSES, body)), True
        except RefusedError as error:
            if error.type not in _TAKEN:
                raise CatalogError(f"Lakekeeper does not create a warehouse for the workspace: {error}") from error
            # A repeated call is refused as overlapping: an earlier one may have succeeded unnoticed.
            found = await self._find(slug)
            if found is None:
                raise CatalogError(
                    f"Lakekeeper has another warehouse on {storage.key_prefix}, or a deactivated one named {slug}"
                ) from error
            return found, False

    async def _update(self, found: Warehouse, storage: Storage, credentials: Credentials) -> None:
        """Storage profile and keys go together: what is not sent with the profile is removed."""
        body = {"storage-profile": _profile(storage), "storage-credential": _credential(credentials)}
        try:
            await self._calls.json("POST", f"{WAREHOUSES}/{found['warehouse-id']}/storage", body)
        except RefusedError as error:
            raise CatalogError(f"Lakekeeper does not accept the workspace's storage and keys: {error}") from error

    async def _empty(self, warehouse_id: str) -> None:
        """Drop everything in a warehouse: one that holds anything cannot be deleted."""
        namespaces = f"/catalog/v1/{warehouse_id}/namespaces"
        # The files go with the bucket's prefix. Purging them here would leave tasks, which block its deletion.
        flags = {"recursive": "true", "force": "true", "purge": "false"}
        while listed := (await self._gone(self._calls.json("GET", namespaces))).get("namespaces"):
            for levels in listed:
                # A listing from the top shows top levels only.
                await self._gone(self._calls.json("DELETE", f"{namespaces}/{_quoted(levels)}", query=flags))

    async def _in_project(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call that needs the default project, which bootstrapping creates, but with a delay."""

        def bootstrap_again(_: RetryCallState) -> None:
            # It may also have lost its database, and with it its bootstrap.
            self._is_bootstrapped = False

        async def attempt() -> T:
            await self._bootstrap()
            return await call()

        retrying = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, RefusedError) and error.type == _NO_PROJECT),
            stop=stop_after_attempt(_PROJECT_ATTEMPTS),
            wait=wait_exponential(multiplier=_FIRST_PROJECT_DELAY),
            before_sleep=bootstrap_again,
            reraise=True,
        )
        return await retrying(attempt)

    async def _bootstrap(self) -> None:
        if self._is_bootstrapped:
            return
        if not (await self._calls.json("GET", INFO)).get("bootstrapped"):
            try:
                await self._calls.json("POST", BOOTSTRAP, {"accept-terms-of-use": True, "is-operator": True})
            except RefusedError as error:
                if error.type not in _BOOTSTRAPPED:
                    raise
        self._is_bootstrapped = True

    @staticmethod
    async def _gone(call: Awaitable[dict[str, Any]]) -> dict[str, Any]:
        """Treat a call about something that no longer exists as done."""
        try:
            return await call
        except RefusedError as error:
            if error.status != 404:
                raise
            return {}


def _check(found: Warehouse, slug: str, storage: Storage) -> None:
    if not _is_over(found, storage):
        raise CatalogError(
            f"Lakekeeper already has a warehouse named {slug} that is not on s3://{storage.bucket}/"
            f"{storage.key_prefix}; it is left alone"
        )


def _is_over(found: Warehouse, storage: Storage) -> bool:
    profile = found["storage-profile"]
    prefix = (profile.get("key-prefix") or "").strip("/")
    return (profile.get("bucket"), prefix) == (storage.bucket, storage.key_prefix)


def _profile(storage: Storage) -> dict[str, Any]:
    return {
        "type": "s3",
        "bucket": storage.bucket,
        "key-prefix": storage.key_prefix,
        "endpoint": storage.endpoint,
        "region": storage.region,
        "path-style-access": True,
        "flavor": "s3-compat",
        # Clients use keys of their own. With signing on, DuckDB fails and PyIceberg falls back to a slower client.
        "sts-enabled": False,
        "remote-signing-enabled": False,
    }


def _credential(credentials: Credentials) -> dict[str, str]:
    return {
        "type": "s3",
        "credential-type": "access-key",
        "access-key-id": credentials.access_key_id,
        "secret-access-key": credentials.secret_access_key,
    }


def _quoted(levels: list[str]) -> str:
    return quote("\x1f".join(levels), safe="")
