"""Which manager a workspace's catalog has, and the configuration of the platform's own."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from icefield_crds import Catalog, CatalogProvider
from icefield_operator.catalog.access import CatalogConfig, Catalogs, open_catalogs
from icefield_operator.catalog.embedded import EmbeddedCatalog
from icefield_operator.catalog.lakekeeper import Lakekeeper
from icefield_operator.catalog.provider import CatalogAccess, CatalogMissingError
from icefield_operator.settings import CatalogSettings

from .conftest import KEYS, STORAGE

OURS, THEIRS = "http://catalog:8181/catalog", "https://theirs.example/catalog"
SECRETS = {"theirs": {"token": "t0k3n"}, "empty": {"token": ""}}


async def read_secret(name: str) -> dict[str, str] | None:
    """Read a Secret of icefield-system."""
    return SECRETS.get(name)


def installed(provider: CatalogProvider | None) -> CatalogConfig:
    """Return how the platform was installed."""
    return CatalogConfig(provider, OURS, "http://catalog:8181", "s3cr3t")


async def access_of(catalogs: Catalogs, catalog: Catalog) -> CatalogAccess:
    """Return what workspace demo is given."""
    manager = catalogs.manager_of("demo", catalog, read_secret)
    return await manager.ensure("demo", STORAGE, KEYS, "held", is_configured=False)


@pytest.mark.parametrize(
    ("provider", "manager"), [(CatalogProvider.EMBEDDED, EmbeddedCatalog), (CatalogProvider.LAKEKEEPER, Lakekeeper)]
)
async def test_the_platforms_own_keeper_is_the_default(provider: CatalogProvider, manager: type) -> None:
    async with open_catalogs(installed(provider)) as catalogs:
        for catalog in (Catalog(), Catalog(provider=provider)):
            assert catalogs.provider_of(catalog) is provider
            assert isinstance(catalogs.manager_of("demo", catalog, read_secret), manager)


@pytest.mark.parametrize("provider", [None, *CatalogProvider])
async def test_a_workspace_may_bring_a_catalog_of_its_own(provider: CatalogProvider | None) -> None:
    async with open_catalogs(installed(provider)) as catalogs:
        theirs = Catalog(provider=CatalogProvider.REST, uri=THEIRS, warehouse="w", credentials_secret="theirs")
        assert await access_of(catalogs, theirs) == CatalogAccess(THEIRS, "w", "t0k3n")
        bare = Catalog(provider=CatalogProvider.REST, uri=THEIRS)
        assert await access_of(catalogs, bare) == CatalogAccess(THEIRS, "", "")


async def test_the_platforms_token_is_given_to_no_workspace() -> None:
    async with open_catalogs(installed(CatalogProvider.REST)) as catalogs:
        assert await access_of(catalogs, Catalog()) == CatalogAccess(OURS, "demo", "")
        await catalogs.remove("demo", STORAGE)


@pytest.mark.parametrize(
    ("provider", "catalog", "message"),
    [
        (None, Catalog(), "installed without a catalog"),
        (CatalogProvider.EMBEDDED, Catalog(provider=CatalogProvider.LAKEKEEPER), "was installed with embedded"),
        (
            None,
            Catalog(provider=CatalogProvider.REST, uri=THEIRS, credentials_secret="nowhere"),
            "no Secret nowhere in icefield-system",
        ),
        (None, Catalog(provider=CatalogProvider.REST, uri=THEIRS, credentials_secret="empty"), "empty .* lacks token"),
    ],
)
async def test_what_a_user_has_to_supply(provider: CatalogProvider | None, catalog: Catalog, message: str) -> None:
    async with open_catalogs(installed(provider)) as catalogs:
        with pytest.raises(CatalogMissingError, match=message):
            await access_of(catalogs, catalog)


def test_the_environment_configures_the_platforms_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    assert CatalogSettings().config() == CatalogConfig(None, "", "", "")
    monkeypatch.setenv("ICEFIELD_CATALOG_PROVIDER", "embedded")
    with pytest.raises(ValidationError, match="needs ICEFIELD_CATALOG_URI"):
        CatalogSettings()
    monkeypatch.setenv("ICEFIELD_CATALOG_URI", f"{OURS}/")
    with pytest.raises(ValidationError, match="needs ICEFIELD_CATALOG_MANAGEMENT_URI"):
        CatalogSettings()
    monkeypatch.setenv("ICEFIELD_CATALOG_MANAGEMENT_URI", "http://catalog:8181/")
    monkeypatch.setenv("ICEFIELD_CATALOG_ADMIN_TOKEN", "s3cr3t")
    settings = CatalogSettings()
    assert settings.config() == installed(CatalogProvider.EMBEDDED)
    assert "s3cr3t" not in repr(settings) + repr(settings.config())
