"""What opens a table's files: the workspace's keys of the object store, by the caller's role."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from icefield_apiserver.identity.principal import Principal
from icefield_apiserver.kube.secrets import ObjectStoreKeys, WorkspaceSecrets
from icefield_crds import Role

_REPLACED = ("s3.", "client.", "token", "header.")
"""What a catalog may say of access is replaced as a whole: parts of two ways to sign in open nothing."""


class FileAccess:
    """Says how a caller reaches the files of tables.

    Args:
        secrets: the workspaces' keys.
        external_endpoint: URL of the object store as clients outside the cluster reach it; None where that is no other.
    """

    def __init__(self, secrets: WorkspaceSecrets, external_endpoint: str | None) -> None:
        self._secrets = secrets
        self._external_endpoint = external_endpoint

    async def properties(self, principal: Principal) -> dict[str, str]:
        """Return the properties of Iceberg's S3 clients for a caller: who may only read gets keys that only read."""
        own = await self._secrets.object_store(principal.workspace)
        keys = own if principal.may(Role.EDITOR) else await self._secrets.object_store_reader(principal.workspace)
        is_inside = principal.kind == "run"
        endpoint = own.endpoint if is_inside else self._external_endpoint or own.endpoint
        return {
            "s3.endpoint": endpoint,
            "s3.region": own.region,
            "client.region": own.region,
            "s3.path-style-access": "true",
            **(_credentials(keys) if keys else {}),
        }


def with_access(result: dict[str, Any], properties: Mapping[str, str]) -> dict[str, Any]:
    """Return a LoadTableResult in which only these properties say how the table's files are reached."""
    kept = {key: value for key, value in (result.get("config") or {}).items() if not key.startswith(_REPLACED)}
    rest = {key: value for key, value in result.items() if key != "storage-credentials"}
    return {**rest, "config": {**kept, **properties}}


def tag_of(properties: Mapping[str, str]) -> str:
    """Return what stands for properties in an ETag: another role, or new keys, make another answer."""
    return hashlib.sha256(json.dumps(sorted(properties.items())).encode()).hexdigest()[:12]


def with_tag(etag: str, tag: str) -> str:
    """Return the ETag of an answer that was made of another one.

    Args:
        etag: the other answer's.
        tag: what stands for what was added.
    """
    return f'{etag.removesuffix(chr(34))}.{tag}"'


def without_tag(condition: str, tag: str) -> str | None:
    """Return the condition to pass on for an If-None-Match of ours; None where what was added is not the same now."""
    opened = [each.strip() for each in condition.split(",")]
    ending = f'.{tag}"'
    matching = [f'{each.removesuffix(ending)}"' for each in opened if each.endswith(ending)]
    return ", ".join(matching) or None


def _credentials(keys: ObjectStoreKeys) -> dict[str, str]:
    return {"s3.access-key-id": keys.access_key_id, "s3.secret-access-key": keys.secret_access_key}
