"""The Iceberg catalog of a Workspace: created by its manager, and its access as a Secret of the namespace."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict

from cachetools import TTLCache

from icefield_crds import CatalogProvider, Workspace
from icefield_operator.catalog.access import Catalogs
from icefield_operator.catalog.provider import CatalogAccess, CatalogError, Storage
from icefield_operator.cluster import Cluster
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig

from . import build, resolve

MAX_CONFIRMED = 10_000
CONFIRMED_SECONDS = 900.0
"""Seconds for which a catalog that was just confirmed to exist, and to have its keys, is assumed to be unchanged.

The configuration that the catalog server was last sent is recorded in the Secret, and a pass that finds another one
there sends it again, at once. What the server itself has lost (a database restored from an older copy) no Secret
shows, so it is also asked now and then. Not on every pass: a catalog that restarts would make every workspace unready.
"""

LIMIT = 40.0
"""Seconds for all calls of one pass, less than the work queue gives it: so the status can still report what is slow."""


class WorkspaceCatalogs:
    """Creates the catalogs of Workspaces and the Secrets with their access."""

    def __init__(
        self,
        cluster: Cluster,
        catalogs: Catalogs,
        store: ObjectStoreConfig,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Initialize.

        Args:
            cluster: where the Secrets go.
            catalogs: the managers.
            store: where tables are stored.
            clock: returns seconds, for CONFIRMED_SECONDS.
        """
        self._cluster = cluster
        self._catalogs = catalogs
        self._store = store
        self._confirmed: TTLCache[str, tuple[str, CatalogAccess]] = TTLCache(MAX_CONFIRMED, CONFIRMED_SECONDS, clock)
        """By workspace: the configuration that its catalog is known to have, and how to reach it."""

    async def apply(self, workspace: Workspace, keys: Credentials) -> None:
        """Ensure that a workspace has its catalog, and its namespace the Secret with the access to it.

        Args:
            workspace: whose.
            keys: read and write access to its part of the object store.

        Raises:
            CatalogError: the catalog is unavailable or refuses, or there is none.
        """
        slug, spec = workspace.metadata.name, workspace.spec.catalog
        provider = self._catalogs.provider_of(spec)
        storage = Storage.of(self._store, slug)
        configuration = f"{provider}/{_digest(spec.to_api() | {'aliases': None}, asdict(storage), asdict(keys))}"
        held = await resolve.held_catalog(workspace, self._cluster)
        # What the platform team supplies is read each time: reading it asks no catalog.
        if held and provider is not CatalogProvider.REST and self._is_confirmed(slug, configuration, held):
            access = held.access
        else:
            access = await self._ask(workspace, storage, keys, configuration, held)
            self._confirmed[slug] = (configuration, access)
        await self._cluster.apply(build.catalog_secret(workspace, access, configuration))

    async def _ask(
        self,
        workspace: Workspace,
        storage: Storage,
        keys: Credentials,
        configuration: str,
        held: resolve.HeldCatalog | None,
    ) -> CatalogAccess:
        slug = workspace.metadata.name
        manager = self._catalogs.manager_of(slug, workspace.spec.catalog, resolve.system_secrets(self._cluster))
        # A token of another manager is not valid for this one.
        token = (
            held.access.token
            if held and held.configuration.partition("/")[0] == configuration.partition("/")[0]
            else None
        )
        is_configured = held is not None and held.configuration == configuration
        try:
            async with asyncio.timeout(LIMIT):
                return await manager.ensure(slug, storage, keys, token, is_configured=is_configured)
        except TimeoutError as error:
            raise CatalogError(f"the catalog did not answer within {LIMIT:.0f} s") from error

    async def remove(self, workspace: Workspace) -> None:
        """Drop the catalog of a deleted workspace.

        Raises:
            CatalogError: the catalog is unavailable or refuses.
        """
        slug = workspace.metadata.name
        self._confirmed.pop(slug, None)
        try:
            async with asyncio.timeout(LIMIT):
                await self._catalogs.remove(slug, Storage.of(self._store, slug))
        except TimeoutError as error:
            raise CatalogError(f"the catalog did not drop everything within {LIMIT:.0f} s") from error

    def _is_confirmed(self, slug: str, configuration: str, held: resolve.HeldCatalog) -> bool:
        return held.configuration == configuration and self._confirmed.get(slug) == (configuration, held.access)


def _digest(*parts: object) -> str:
    """Of what holds keys of many random bytes: it does not give them away."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
