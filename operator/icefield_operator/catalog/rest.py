"""An external Iceberg REST catalog: it is only referenced, nothing is created in it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from icefield_operator.objectstore.config import Credentials

from .provider import CatalogAccess, CatalogMissingError, Storage

TOKEN = "token"  # noqa: S105 - the key of a Secret, not a secret

ReadSecret = Callable[[str], Awaitable[Mapping[str, str] | None]]
"""Reads a Secret of icefield-system by name: its decoded keys, or None when there is none."""


class RestCatalog:
    """One workspace's reference to a catalog that the platform team runs elsewhere."""

    def __init__(self, uri: str, warehouse: str, secret: str | None, read_secret: ReadSecret) -> None:
        """Reference a catalog.

        Args:
            uri: base of its Iceberg REST protocol.
            warehouse: its `warehouse` parameter; may be empty.
            secret: name of the Secret in icefield-system with its token; None when it needs none.
            read_secret: reads that.
        """
        self._uri = uri
        self._warehouse = warehouse
        self._secret = secret
        self._read_secret = read_secret

    async def ensure(
        self, slug: str, storage: Storage, credentials: Credentials, held_token: str | None, *, is_configured: bool
    ) -> CatalogAccess:
        """Return its address, with the token that the platform team supplied.

        Raises:
            CatalogMissingError: there is no such Secret, or no token in it.
        """
        del slug, storage, credentials, held_token, is_configured
        return CatalogAccess(self._uri, self._warehouse, await self._token() if self._secret else "")

    async def remove(self, slug: str, storage: Storage) -> None:
        """Do nothing: nothing was created."""

    async def _token(self) -> str:
        data = await self._read_secret(str(self._secret))
        if data is None:
            raise CatalogMissingError(f"there is no Secret {self._secret} in icefield-system with the catalog's token")
        if not data.get(TOKEN):
            raise CatalogMissingError(f"Secret {self._secret} in icefield-system lacks {TOKEN}")
        return data[TOKEN]
