"""Access to tables' files: the workspace's object store keys that match the caller's role."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from icefield_apiserver.core.kube.secrets import ObjectStoreKeys, WorkspaceSecrets
from icefield_apiserver.core.locations import StoreRoot
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Role
from icefield_crds.wire.member_keys import MemberKeys

_REPLACED = ("s3.", "client.", "token", "header.")
"""Access properties of the catalog are replaced as a whole: a mix of two configurations would not authenticate."""


class FileAccess:
    """Returns the object store configuration of a caller.

    Args:
        secrets: the workspaces' keys.
        external_endpoint: URL of the object store for clients outside the cluster; None where it is the same.
    """

    def __init__(self, secrets: WorkspaceSecrets, external_endpoint: str | None) -> None:
        self._secrets = secrets
        self._external_endpoint = external_endpoint

    async def root(self, workspace: str) -> StoreRoot:
        """Return the workspace's part of the object store, where all its tables' files are."""
        return (await self._secrets.object_store(workspace)).root

    async def properties(self, principal: Principal) -> dict[str, str]:
        """Return the properties of Iceberg's S3FileIO for a caller; viewers get read-only keys.

        A run gets the keys that its pods have. A person gets keys that are replaced as soon as anybody's membership
        ends, and twice a day; where the store's users are not Icefield's, the workspace's.

        Raises:
            Unavailable: the operator has not made the keys yet.
        """
        own = await self._secrets.object_store(principal.workspace)
        keys = await self._keys(principal, own)
        is_inside = principal.kind == "run"
        endpoint = own.endpoint if is_inside else self._external_endpoint or own.endpoint
        return {
            "s3.endpoint": endpoint,
            "s3.region": own.region,
            "client.region": own.region,
            "s3.path-style-access": "true",
            **(_credentials(keys) if keys else {}),
        }

    async def _keys(self, principal: Principal, own: ObjectStoreKeys) -> ObjectStoreKeys | MemberKeys | None:
        if principal.kind == "run":
            return own
        if of_members := await self._secrets.member_keys(principal.workspace, principal.role):
            return of_members
        return own if principal.may(Role.EDITOR) else await self._secrets.object_store_reader(principal.workspace)


def with_access(result: dict[str, Any], properties: Mapping[str, str]) -> dict[str, Any]:
    """Return a LoadTableResult whose access to the table's files is defined by these properties only."""
    kept = {key: value for key, value in (result.get("config") or {}).items() if not key.startswith(_REPLACED)}
    rest = {key: value for key, value in result.items() if key != "storage-credentials"}
    return {**rest, "config": {**kept, **properties}}


def tag_of(properties: Mapping[str, str]) -> str:
    """Return a hash of properties for use in an ETag: another role or new keys change the response."""
    return hashlib.sha256(json.dumps(sorted(properties.items())).encode()).hexdigest()[:12]


def with_tag(etag: str, tag: str) -> str:
    """Return the ETag of a response to which properties were added.

    Args:
        etag: ETag of the catalog's response.
        tag: hash of the properties.
    """
    return f'{etag.removesuffix(chr(34))}.{tag}"'


def without_tag(condition: str, tag: str) -> str | None:
    """Return the If-None-Match to forward for one of our ETags; None where the properties have changed."""
    tags = [each.strip() for each in condition.split(",")]
    ending = f'.{tag}"'
    matching = [f'{each.removesuffix(ending)}"' for each in tags if each.endswith(ending)]
    return ", ".join(matching) or None


def _credentials(keys: ObjectStoreKeys | MemberKeys) -> dict[str, str]:
    return {"s3.access-key-id": keys.access_key_id, "s3.secret-access-key": keys.secret_access_key}
