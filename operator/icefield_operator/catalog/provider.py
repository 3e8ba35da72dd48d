"""What every keeper of catalogs can do, and what it needs for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from icefield_crds import object_store
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig


class CatalogError(Exception):
    """The catalog did not do what it was asked; trying again later may help. The text is fit for a condition."""


class CatalogMissingError(CatalogError):
    """There is no catalog to ask, or nobody supplied what it takes. Somebody has to act."""


@dataclass(frozen=True)
class Storage:
    """Where a workspace's tables lie."""

    bucket: str
    key_prefix: str
    """Without a slash at its end."""
    endpoint: str
    region: str

    @classmethod
    def of(cls, config: ObjectStoreConfig, slug: str) -> Storage:
        """Return where the tables of the workspace with this slug lie in the platform's bucket."""
        return cls(config.bucket, object_store.tables_prefix(slug), config.endpoint, config.region)


@dataclass(frozen=True)
class CatalogAccess:
    """How a workspace's pods reach its catalog."""

    uri: str
    """Base of the Iceberg REST protocol: what comes before /v1/config."""
    warehouse: str
    """What to ask /v1/config for; may be empty for a catalog of one warehouse."""
    token: str = field(default="", repr=False)
    """Bearer token; empty for a catalog that takes none."""


class Provider(Protocol):
    """Keeps a catalog per workspace."""

    async def ensure(
        self, slug: str, storage: Storage, credentials: Credentials, held_token: str | None, *, is_told: bool
    ) -> CatalogAccess:
        """Make the workspace's catalog, or see that it is there and knows what it has to know.

        Args:
            slug: of the workspace.
            storage: where its tables lie.
            credentials: what opens that, for reading and writing.
            held_token: the token that the workspace already holds; it stays valid.
            is_told: whether the catalog was told exactly this before (it may have forgotten).

        Raises:
            CatalogError: the catalog is away or refuses.
        """
        ...

    async def remove(self, slug: str, storage: Storage) -> None:
        """Drop the workspace's catalog and what is in it, but no files; without effect when there is none.

        Raises:
            CatalogError: the catalog is away or refuses.
        """
        ...
