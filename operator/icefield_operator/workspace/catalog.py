"""The Iceberg catalog of a Workspace: made by its keeper, and handed to the namespace as a Secret."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict

from icefield_crds import CatalogProvider, Workspace
from icefield_operator.catalog.access import Catalogs
from icefield_operator.catalog.provider import CatalogAccess, CatalogError, Storage
from icefield_operator.cluster import Cluster
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig

from . import build, resolve

ASK_AGAIN = 900.0
"""Seconds for which a catalog that was just seen to be there, and to know its keys, is taken to stay so.

Each pass decides from what there is: what the keeper was told last stands in the Secret, and a pass that finds
something else there tells it anew, at once. What the keeper itself has forgotten (a database restored from an older
copy) no Secret shows, so it is asked now and then as well. Not on every pass: a catalog that restarts would take away
the readiness of every workspace.
"""

LIMIT = 40.0
"""Seconds for all calls of one pass, less than the work queue gives it: so the status can still say what is slow."""


class WorkspaceCatalogs:
    """Keeps the catalogs of Workspaces and the Secrets that open them."""

    def __init__(
        self,
        cluster: Cluster,
        catalogs: Catalogs,
        store: ObjectStoreConfig,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make one.

        Args:
            cluster: where the Secrets go.
            catalogs: the keepers.
            store: where tables lie.
            clock: returns seconds, for `ASK_AGAIN`.
        """
        self._cluster = cluster
        self._catalogs = catalogs
        self._store = store
        self._clock = clock
        self._seen: dict[str, tuple[float, str, CatalogAccess]] = {}

    async def settle(self, workspace: Workspace, keys: Credentials) -> None:
        """See that a workspace has its catalog, and its namespace the Secret that opens it.

        Args:
            workspace: whose.
            keys: what opens its part of the object store for reading and writing.

        Raises:
            CatalogError: the catalog is away or refuses, or there is none.
        """
        slug, spec = workspace.metadata.name, workspace.spec.catalog
        provider = self._catalogs.provider_of(spec)
        storage = Storage.of(self._store, slug)
        told = f"{provider}/{_digest(spec.to_api() | {'aliases': None}, asdict(storage), asdict(keys))}"
        held = await resolve.held_catalog(workspace, self._cluster)
        # What the platform team supplies is read each time: reading it asks no catalog.
        if held and provider is not CatalogProvider.REST and self._was_seen(slug, told, held):
            access = held.access
        else:
            access = await self._ask(workspace, storage, keys, told, held)
            self._seen[slug] = (self._clock(), told, access)
        await self._cluster.apply(build.catalog_secret(workspace, access, told))

    async def _ask(
        self, workspace: Workspace, storage: Storage, keys: Credentials, told: str, held: resolve.HeldCatalog | None
    ) -> CatalogAccess:
        slug = workspace.metadata.name
        keeper = self._catalogs.keeper(slug, workspace.spec.catalog, resolve.system_secrets(self._cluster))
        # What another keeper gave is no token of this one's.
        token = held.access.token if held and held.told.partition("/")[0] == told.partition("/")[0] else None
        is_told = held is not None and held.told == told
        try:
            async with asyncio.timeout(LIMIT):
                return await keeper.ensure(slug, storage, keys, token, is_told=is_told)
        except TimeoutError as error:
            raise CatalogError(f"the catalog did not do what it was asked within {LIMIT:.0f} s") from error

    async def remove(self, workspace: Workspace) -> None:
        """Drop the catalog of a deleted workspace.

        Raises:
            CatalogError: the catalog is away or refuses.
        """
        slug = workspace.metadata.name
        self._seen.pop(slug, None)
        try:
            async with asyncio.timeout(LIMIT):
                await self._catalogs.remove(slug, Storage.of(self._store, slug))
        except TimeoutError as error:
            raise CatalogError(f"the catalog did not drop everything within {LIMIT:.0f} s") from error

    def _was_seen(self, slug: str, told: str, held: resolve.HeldCatalog) -> bool:
        seen, *known = self._seen.get(slug, (float("-inf"), "", None))
        return self._clock() - seen < ASK_AGAIN and held.told == told and known == [told, held.access]


def _digest(*parts: object) -> str:
    """Of what holds keys of many random bytes: it does not give them away."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
