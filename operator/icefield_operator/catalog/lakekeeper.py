"""Lakekeeper: one of its warehouses per workspace, made through its management API.

Source: its OpenAPI documents (version 0.13), and how a running 0.13.1 answers where they are silent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar
from urllib.parse import quote

from icefield_operator.objectstore.config import Credentials

from .calls import Calls, RefusedError
from .provider import CatalogAccess, CatalogError, Storage

BOOTSTRAP = "/management/v1/bootstrap"
INFO = "/management/v1/info"
WAREHOUSES = "/management/v1/warehouse"

_BOOTSTRAPPED = frozenset({"CatalogAlreadyBootstrapped", "ConcurrentBootstrap"})
_TAKEN = frozenset({"CreateWarehouseStorageProfileOverlap", "WarehouseAlreadyExists"})
_NO_PROJECT = "ProjectNotFound"
_PROJECT_DELAYS = (0.2, 0.4, 0.8, 1.6)
"""Seconds between attempts while the project that bootstrapping makes is not to be seen yet."""

T = TypeVar("T")
Warehouse = dict[str, Any]
"""GetWarehouseResponse of the management API."""


class Lakekeeper:
    """Keeps catalogs in a Lakekeeper that the platform team runs, which takes everybody behind its door as admin."""

    def __init__(self, calls: Calls, uri: str) -> None:
        """Manage through `calls`; pods reach the catalogs at `uri`."""
        self._calls = calls
        self._uri = uri
        self._is_bootstrapped = False
        # Its check for overlapping locations is racy, so warehouses are made one at a time.
        self._lock = asyncio.Lock()

    async def ensure(
        self, slug: str, storage: Storage, credentials: Credentials, held_token: str | None, *, is_told: bool
    ) -> CatalogAccess:
        """See that there is a warehouse of the workspace's name over its storage, with its keys.

        Raises:
            CatalogError: Lakekeeper is away or refuses, or the name is taken by a warehouse over other storage.
        """
        del held_token  # Lakekeeper makes no tokens: it is reached through our own API, or not at all.
        found = await self._find(slug)
        if found is None:
            async with self._lock:
                found = await self._find(slug)
                if found is None:
                    found, is_told = await self._create(slug, storage, credentials)
        _check(found, slug, storage)
        if not is_told:
            await self._update(found, storage, credentials)
        return CatalogAccess(self._uri, slug)

    async def remove(self, slug: str, storage: Storage) -> None:
        """Drop the workspace's warehouse; one of the same name over other storage is not ours and stays.

        Raises:
            CatalogError: Lakekeeper is away or refuses, for one because it still works on the warehouse.
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
        """Return the warehouse, and whether it was made just now, with these keys."""
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
                raise CatalogError(f"Lakekeeper makes no warehouse for the workspace: {error}") from error
            # The very same call again is told to overlap: an earlier one of ours may have come through unheard.
            found = await self._find(slug)
            if found is None:
                raise CatalogError(
                    f"Lakekeeper has another warehouse over {storage.key_prefix}, or a deactivated one called {slug}"
                ) from error
            return found, False

    async def _update(self, found: Warehouse, storage: Storage, credentials: Credentials) -> None:
        """Storage profile and keys go together: what is not sent with the profile is forgotten."""
        body = {"storage-profile": _profile(storage), "storage-credential": _credential(credentials)}
        try:
            await self._calls.json("POST", f"{WAREHOUSES}/{found['warehouse-id']}/storage", body)
        except RefusedError as error:
            raise CatalogError(f"Lakekeeper does not take the workspace's storage and keys: {error}") from error

    async def _empty(self, warehouse_id: str) -> None:
        """Drop everything in a warehouse: one that holds anything cannot be deleted."""
        namespaces = f"/catalog/v1/{warehouse_id}/namespaces"
        # The files go with the bucket's prefix. Purging them here would leave tasks, which also keep a warehouse.
        flags = {"recursive": "true", "force": "true", "purge": "false"}
        while listed := (await self._gone(self._calls.json("GET", namespaces))).get("namespaces"):
            for levels in listed:
                # A listing from the top shows top levels only.
                await self._gone(self._calls.json("DELETE", f"{namespaces}/{_quoted(levels)}", query=flags))

    async def _in_project(self, call: Callable[[], Awaitable[T]]) -> T:
        """Make a call that needs the default project, which comes with bootstrapping and, then, not at once."""
        for delay in _PROJECT_DELAYS:
            await self._bootstrap()
            try:
                return await call()
            except RefusedError as error:
                if error.type != _NO_PROJECT:
                    raise
                # It may also have lost its database, and with it what we know of it.
                self._is_bootstrapped = False
                await asyncio.sleep(delay)
        return await call()

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
        """Take it as done when what a call is about is not there any more."""
        try:
            return await call
        except RefusedError as error:
            if error.status != 404:
                raise
            return {}


def _check(found: Warehouse, slug: str, storage: Storage) -> None:
    if not _is_over(found, storage):
        raise CatalogError(
            f"Lakekeeper already has a warehouse called {slug} that is not over s3://{storage.bucket}/"
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
        # Clients bring keys of their own. With signing on, DuckDB fails and PyIceberg falls back to a slower client.
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
