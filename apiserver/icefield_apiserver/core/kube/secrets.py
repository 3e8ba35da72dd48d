"""The Secrets that the operator keeps in a workspace's namespace: access to its catalog, object store and warehouses.

Read as the API server itself, which may read exactly these Secrets by name (manifests/base/apiserver/rbac.yaml), and
cached for a minute: a rotated key is noticed within that time, and a statement costs no call to Kubernetes.
"""

from __future__ import annotations

import base64
import binascii
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from cachetools import TTLCache

from icefield_apiserver.core.errors import Unavailable
from icefield_apiserver.core.locations import StoreRoot
from icefield_crds import Role
from icefield_crds.names import (
    CATALOG_SECRET,
    OBJECT_STORE_MEMBERS_SECRET,
    OBJECT_STORE_READER_SECRET,
    OBJECT_STORE_SECRET,
    POLARS_CLOUD_SECRET,
    WAREHOUSE_TOKEN_SECRET,
    namespace_of,
)
from icefield_crds.wire.member_keys import READER, WRITER, MemberKeys
from icefield_kube.errors import KubernetesError, NotFound
from icefield_kube.paths import path_of

from .client import ResourceClient

log = logging.getLogger(__name__)

CACHE_SECONDS = 60.0
CACHE_SIZE = 4096


@dataclass(frozen=True)
class CatalogAccess:
    """How to reach a workspace's Iceberg catalog.

    Attributes:
        uri: base of the Iceberg REST protocol, as pods reach it, without a slash at its end and without `/v1`.
        warehouse: what to ask its `/v1/config` for; empty where the catalog has one warehouse only.
        token: bearer token; empty where the catalog asks for none.
    """

    uri: str
    warehouse: str
    token: str = field(repr=False)


@dataclass(frozen=True)
class ObjectStoreKeys:
    """Keys of the object store that open a workspace's prefix.

    Attributes:
        endpoint: URL as pods reach it.
        prefix: `workspaces/<slug>`, without a slash at its end.
        role_arn: of the role that the keys may assume; None for none.
    """

    endpoint: str
    region: str
    bucket: str
    prefix: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    role_arn: str | None = None

    @property
    def root(self) -> StoreRoot:
        """What they open."""
        return StoreRoot(self.bucket, self.prefix)


class WorkspaceSecrets:
    """Reads the Secrets of workspaces; each is cached for `CACHE_SECONDS`; a missing one is not.

    Args:
        client: the process's own identity.
    """

    def __init__(self, client: ResourceClient) -> None:
        self._client = client
        self._cache: TTLCache[tuple[str, str], dict[str, str]] = TTLCache(CACHE_SIZE, CACHE_SECONDS)

    async def catalog(self, workspace: str) -> CatalogAccess:
        """Return where the catalog of the workspace with this slug is.

        Raises:
            Unavailable: the operator has not made the Secret yet.
        """
        secret = await self._read(workspace, CATALOG_SECRET)
        if secret is None or not secret.get("ICEFIELD_CATALOG_URI"):
            raise _not_ready("catalog")
        return CatalogAccess(
            uri=secret["ICEFIELD_CATALOG_URI"].rstrip("/").removesuffix("/v1"),
            warehouse=secret.get("ICEFIELD_CATALOG_WAREHOUSE", ""),
            token=secret.get("ICEFIELD_CATALOG_TOKEN", ""),
        )

    async def object_store(self, workspace: str) -> ObjectStoreKeys:
        """Return the keys that open the workspace's prefix for reading and writing.

        Raises:
            Unavailable: the operator has not made the Secret yet.
        """
        return _keys(await self._read(workspace, OBJECT_STORE_SECRET))

    async def object_store_reader(self, workspace: str) -> ObjectStoreKeys | None:
        """Return the keys that open the workspace's prefix for reading only; None where the store has no such user."""
        secret = await self._read(workspace, OBJECT_STORE_READER_SECRET)
        return _keys(secret) if secret is not None else None

    async def member_keys(self, workspace: str, role: Role) -> MemberKeys | None:
        """Return the keys of the object store that members with a role share; None where the store has none for them.

        Raises:
            Unavailable: the Secret does not hold them.
        """
        secret = await self._read(workspace, OBJECT_STORE_MEMBERS_SECRET)
        if not secret:
            # That there is none is a property of the store, and rarely changes.
            self._cache[workspace, OBJECT_STORE_MEMBERS_SECRET] = {}
            return None
        try:
            return MemberKeys.from_json(json.loads(secret[READER if role is Role.VIEWER else WRITER]))
        except (KeyError, ValueError) as error:
            raise _not_ready("object store") from error

    async def warehouse_token(self, workspace: str) -> str:
        """Return the bearer token that the gateways of the workspace's warehouses ask for.

        Raises:
            Unavailable: the operator has not made the Secret yet.
        """
        secret = await self._read(workspace, WAREHOUSE_TOKEN_SECRET)
        if secret is None or not secret.get("token"):
            raise _not_ready("warehouse access")
        return secret["token"]

    async def polars_cloud(self, workspace: str) -> frozenset[str] | None:
        """Return the keys with a value of the Secret for Polars Cloud; None where there is no such Secret."""
        secret = await self._read(workspace, POLARS_CLOUD_SECRET)
        return None if secret is None else frozenset(key for key, value in secret.items() if value.strip())

    def forget(self, workspace: str) -> None:
        """Drop a workspace's Secrets from the cache, because one of them was refused."""
        for key in [key for key in self._cache if key[0] == workspace]:
            self._cache.pop(key, None)

    async def _read(self, workspace: str, name: str) -> dict[str, str] | None:
        key = workspace, name
        if (cached := self._cache.get(key)) is not None:
            return cached
        try:
            secret = await self._client.call("GET", path_of("Secret", namespace_of(workspace), name))
        except NotFound:
            return None
        except KubernetesError as error:
            log.error("Secret %s of workspace %s cannot be read: %s", name, workspace, error)
            raise Unavailable from error
        self._cache[key] = values = _decoded(secret.get("data") or {})
        return values


def _decoded(data: Mapping[str, str]) -> dict[str, str]:
    try:
        return {key: base64.b64decode(value).decode() for key, value in data.items()}
    except (binascii.Error, UnicodeDecodeError) as error:
        raise Unavailable("A Secret of the workspace holds something that is not text.") from error


def _keys(secret: Mapping[str, str] | None) -> ObjectStoreKeys:
    try:
        if secret is None:
            raise KeyError
        return ObjectStoreKeys(
            endpoint=secret["AWS_ENDPOINT_URL"].rstrip("/"),
            region=secret["AWS_REGION"],
            bucket=secret["ICEFIELD_BUCKET"],
            prefix=secret["ICEFIELD_PREFIX"].strip("/"),
            access_key_id=secret["AWS_ACCESS_KEY_ID"],
            secret_access_key=secret["AWS_SECRET_ACCESS_KEY"],
            role_arn=secret.get("ICEFIELD_ROLE_ARN"),
        )
    except KeyError as error:
        raise _not_ready("object store") from error


def _not_ready(what: str) -> Unavailable:
    return Unavailable(f"The workspace's {what} is not ready yet; try again shortly.")
