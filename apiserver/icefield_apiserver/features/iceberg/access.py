"""Access to tables' files: object store keys that match the caller's role."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from icefield_apiserver.core.kube.secrets import ObjectStoreKeys, WorkspaceSecrets
from icefield_apiserver.core.locations import StoreRoot
from icefield_apiserver.identity.principal import Principal
from icefield_crds import Role
from icefield_crds.wire.member_keys import MemberKeys

from .session_policy import READ, READ_WRITE, table_prefix
from .sessions import SessionKeys, Sessions

log = logging.getLogger(__name__)

_REPLACED = ("s3.", "client.", "token", "header.")
"""Access properties of the catalog are replaced as a whole: a mix of two configurations would not authenticate."""


@dataclass(frozen=True)
class Access:
    """What opens tables' files to a caller, as properties of Iceberg's S3FileIO.

    Attributes:
        properties: those that are the same for every table.
        session: returns those with keys of one table, given its location; None where `properties` has keys.
    """

    properties: Mapping[str, str]
    session: Callable[[str], Awaitable[dict[str, str]]] | None = None

    @property
    def tag(self) -> str | None:
        """A hash for use in an ETag: another role or new keys change the response; None where its keys soon end."""
        if self.session:
            return None
        return hashlib.sha256(json.dumps(sorted(self.properties.items())).encode()).hexdigest()[:12]

    async def of_table(self, location: str, refreshed_at: str) -> dict[str, str]:
        """Return the properties for a table; without keys where those of a session cannot open it.

        Args:
            location: the table's, a URL.
            refreshed_at: where clients ask for new keys (`operations.credentials_path`).

        Raises:
            Unavailable: the object store gives out no keys.
        """
        if self.session is None or not (keys := await self.session(location)):
            return dict(self.properties)
        return {**self.properties, **keys, "client.refresh-credentials-endpoint": refreshed_at}


class FileAccess:
    """Returns the object store configuration of a caller.

    Args:
        secrets: the workspaces' keys.
        external_endpoint: URL of the object store for clients outside the cluster; None where it is the same.
        sessions: keys that end by themselves; None where the object store has no STS.
    """

    def __init__(self, secrets: WorkspaceSecrets, external_endpoint: str | None, sessions: Sessions | None) -> None:
        self._secrets = secrets
        self._external_endpoint = external_endpoint
        self._sessions = sessions

    @property
    def has_sessions(self) -> bool:
        """Whether people's keys are those of sessions, so that clients may ask for new ones."""
        return self._sessions is not None

    async def root(self, workspace: str) -> StoreRoot:
        """Return the workspace's part of the object store, where all its tables' files are."""
        return (await self._secrets.object_store(workspace)).root

    async def of(self, principal: Principal) -> Access:
        """Return what opens tables' files to a caller; viewers get read-only keys.

        A run gets the keys that its pods have. A person gets those of a session for each table; where the store has no
        STS, keys that are replaced as soon as anybody's membership ends, and twice a day; where the store's users are
        not Icefield's either, the workspace's.

        Raises:
            Unavailable: the operator has not made the keys yet.
        """
        own = await self._secrets.object_store(principal.workspace)
        is_inside = principal.kind == "run"
        endpoint = own.endpoint if is_inside else self._external_endpoint or own.endpoint
        properties = {
            "s3.endpoint": endpoint,
            "s3.region": own.region,
            "client.region": own.region,
            "s3.path-style-access": "true",
        }
        if self._sessions and not is_inside:
            actions = READ_WRITE if principal.may(Role.EDITOR) else READ
            return Access(properties, partial(_session, self._sessions, own, actions))
        keys = await self._keys(principal, own)
        return Access({**properties, **(_credentials(keys) if keys else {})})

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


async def _session(sessions: Sessions, own: ObjectStoreKeys, actions: Sequence[str], location: str) -> dict[str, str]:
    prefix = table_prefix(location, own.root)
    if prefix is None:
        log.warning("no keys for a table that is not plainly below %s: %s", own.root, location)
        return {}
    keys = await sessions.keys(own, prefix, actions)
    return {
        **_credentials(keys),
        "s3.session-token": keys.session_token,
        "s3.session-token-expires-at-ms": str(int(keys.expires_at.timestamp() * 1000)),
    }


def _credentials(keys: ObjectStoreKeys | MemberKeys | SessionKeys) -> dict[str, str]:
    return {"s3.access-key-id": keys.access_key_id, "s3.secret-access-key": keys.secret_access_key}
