"""Which manager a workspace's catalog has: the one the platform was installed with, or an external one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from icefield_crds import Catalog, CatalogProvider

from .calls import Calls
from .embedded import EmbeddedCatalog
from .lakekeeper import Lakekeeper
from .provider import CatalogManager, CatalogMissingError, Storage
from .rest import ReadSecret, RestCatalog


@dataclass(frozen=True)
class CatalogConfig:
    """The catalog that the platform was installed with."""

    provider: CatalogProvider | None
    """None without one: each workspace names its own."""
    uri: str
    """Base of the Iceberg REST protocol, as pods reach it."""
    management_uri: str
    admin_token: str = field(repr=False)


class Catalogs:
    """The managers of all workspaces' catalogs."""

    def __init__(self, config: CatalogConfig, managed: CatalogManager | None) -> None:
        """Initialize; `managed` is None when the platform creates no catalogs."""
        self._config = config
        self._managed = managed

    def provider_of(self, catalog: Catalog) -> CatalogProvider:
        """Return the provider of a workspace's catalog, by its spec.catalog.

        Raises:
            CatalogMissingError: none is configured.
        """
        installed, wanted = self._config.provider, catalog.provider or self._config.provider
        if wanted is None:
            raise CatalogMissingError(
                "Icefield was installed without a catalog: name one in spec.catalog (provider rest)"
            )
        if wanted not in (installed, CatalogProvider.REST):
            raise CatalogMissingError(
                f"spec.catalog asks for provider {wanted}, but Icefield was installed with {installed or 'none'}"
            )
        return wanted

    def manager_of(self, slug: str, catalog: Catalog, read_secret: ReadSecret) -> CatalogManager:
        """Return the manager of a workspace's catalog.

        Args:
            slug: of the workspace.
            catalog: its spec.catalog.
            read_secret: reads Secrets that the platform team supplies.

        Raises:
            CatalogMissingError: none is configured.
        """
        provider = self.provider_of(catalog)
        if provider is not CatalogProvider.REST and self._managed is not None:
            return self._managed
        if catalog.uri is not None:
            return RestCatalog(catalog.uri, catalog.warehouse or "", catalog.credentials_secret, read_secret)
        # The platform's own token stays with the operator: it would open every workspace's catalog to each of them.
        return RestCatalog(self._config.uri, slug, None, read_secret)

    async def remove(self, slug: str, storage: Storage) -> None:
        """Drop the workspace's catalog from the platform's manager, even if the workspace uses another one by now.

        Raises:
            CatalogError: the catalog is unavailable or refuses.
        """
        if self._managed is not None:
            await self._managed.remove(slug, storage)


@asynccontextmanager
async def open_catalogs(config: CatalogConfig) -> AsyncIterator[Catalogs]:
    """Open the manager of catalogs for the configured provider."""
    if config.provider in (None, CatalogProvider.REST):
        yield Catalogs(config, None)
        return
    calls = Calls(config.management_uri, config.admin_token)
    try:
        if config.provider is CatalogProvider.EMBEDDED:
            yield Catalogs(config, EmbeddedCatalog(calls, config.uri))
        else:
            yield Catalogs(config, Lakekeeper(calls, config.uri))
    finally:
        await calls.aclose()
