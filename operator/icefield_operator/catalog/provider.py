"""The interface of catalog managers, and its arguments."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from icefield_crds import object_store
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig


class CatalogError(Exception):
    """The catalog failed; a retry later may succeed. The message can be shown in a condition."""


class CatalogMissingError(CatalogError):
    """There is no catalog, or its credentials were not supplied: a user has to act."""


@dataclass(frozen=True)
class Storage:
    """Where a workspace's tables are stored."""

    bucket: str
    key_prefix: str
    """Without a slash at its end."""
    endpoint: str
    region: str

    @classmethod
    def of(cls, config: ObjectStoreConfig, slug: str) -> Storage:
        """Return where the tables of the workspace with this slug are stored in the platform's bucket."""
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


class CatalogManager(Protocol):
    """Manages a catalog per workspace."""

    async def ensure(
        self, slug: str, storage: Storage, credentials: Credentials, held_token: str | None, *, is_configured: bool
    ) -> CatalogAccess:
        """Create the workspace's catalog, or ensure that it exists with this configuration.

        Args:
            slug: of the workspace.
            storage: where its tables are stored.
            credentials: read and write access to that storage.
            held_token: the token that the workspace already holds; it stays valid.
            is_configured: whether this very configuration was sent before (the catalog may have lost it).

        Raises:
            CatalogError: the catalog is unavailable or refuses.
        """
        ...

    async def remove(self, slug: str, storage: Storage) -> None:
        """Drop the workspace's catalog and what is in it, but no files; without effect when there is none.

        Raises:
            CatalogError: the catalog is unavailable or refuses.
        """
        ...
