"""The catalog server of the standalone overlay: one call creates or updates a workspace's catalog."""

from __future__ import annotations

import secrets
from urllib.parse import quote

from icefield_operator.objectstore.config import Credentials

from .calls import Calls
from .provider import CatalogAccess, Storage


class EmbeddedCatalog:
    """Manages catalogs in our own server (engines/embedded_catalog), each with a token of its own."""

    def __init__(self, calls: Calls, uri: str) -> None:
        """Manage through `calls`; pods reach the catalogs at `uri`."""
        self._calls = calls
        self._uri = uri

    async def ensure(
        self, slug: str, storage: Storage, credentials: Credentials, held_token: str | None, *, is_configured: bool
    ) -> CatalogAccess:
        """Configure where the tables are stored, with which keys, and which token grants access to the catalog."""
        del is_configured  # The same call either way: it is idempotent.
        token = held_token or secrets.token_urlsafe(32)
        body = {
            "token": token,
            "bucket": storage.bucket,
            "key-prefix": storage.key_prefix,
            "endpoint": storage.endpoint,
            "region": storage.region,
            "access-key-id": credentials.access_key_id,
            "secret-access-key": credentials.secret_access_key,
        }
        await self._calls.json("PUT", _path(slug), body)
        return CatalogAccess(self._uri, slug, token)

    async def remove(self, slug: str, storage: Storage) -> None:
        """Drop the workspace's catalog."""
        del storage
        await self._calls.json("DELETE", _path(slug))


def _path(slug: str) -> str:
    return f"/management/v1/warehouses/{quote(slug, safe='')}"
