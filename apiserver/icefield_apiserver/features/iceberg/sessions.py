"""Keys of the object store that end by themselves, each for one table: sessions of the store's STS.

(AWS Security Token Service API 2011-06-15, AssumeRole, which SeaweedFS, MinIO and Ceph answer too.) A workspace's own
keys ask for them, so that a session can never do more than the workspace itself.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import aiohttp
from aiobotocore.config import AioConfig
from botocore.exceptions import BotoCoreError, ClientError
from cachetools import TLRUCache

from icefield_apiserver.core.errors import Unavailable
from icefield_apiserver.core.kube.secrets import ObjectStoreKeys
from icefield_apiserver.core.objects.aws import create_client

from .session_policy import session_policy

log = logging.getLogger(__name__)

SESSION_SECONDS = 900
"""The shortest that STS has."""
LEFT_SECONDS = 600.0
"""How long keys are still valid when they are given out; Iceberg's Java client asks for others in their last 300 s."""
CONNECT_SECONDS = 3.0
READ_SECONDS = 10.0
ATTEMPTS = 2
CACHE_SIZE = 4096


@dataclass(frozen=True)
class SessionKeys:
    """Keys that open one table until they end."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str = field(repr=False)
    expires_at: datetime


class Sessions:
    """Asks the object store's STS for keys; each is given out for some minutes, and ends in 15.

    Args:
        endpoint: URL of the STS.
    """

    def __init__(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._cache: TLRUCache[tuple[ObjectStoreKeys, str, Sequence[str]], SessionKeys] = TLRUCache(
            CACHE_SIZE, ttu=_given_out_until, timer=time.time
        )

    async def keys(self, own: ObjectStoreKeys, prefix: str, actions: Sequence[str]) -> SessionKeys:
        """Return keys that open a table's prefix.

        Args:
            own: the workspace's keys.
            prefix: `session_policy.table_prefix` of the table.
            actions: `session_policy.READ` or `READ_WRITE`.

        Raises:
            Unavailable: the STS cannot be reached, or refuses.
        """
        key = own, prefix, actions
        if (kept := self._cache.get(key)) is None:
            kept = self._cache[key] = await self._assume_role(own, session_policy(own.bucket, prefix, actions))
        return kept

    async def _assume_role(self, own: ObjectStoreKeys, policy: str) -> SessionKeys:
        workspace = own.prefix.rpartition("/")[2]
        request = {
            "RoleSessionName": f"icefield-{workspace}"[:64],
            "Policy": policy,
            "DurationSeconds": SESSION_SECONDS,
        }
        try:
            async with _client(self._endpoint, own) as client:
                response = await client.assume_role(**request, **({"RoleArn": own.role_arn} if own.role_arn else {}))
        except (ClientError, BotoCoreError, aiohttp.ClientError, OSError, TimeoutError) as error:
            log.error("no session keys for workspace %s of %s: %s", workspace, self._endpoint, error)
            raise Unavailable(
                "The object store gives out no keys for the table at the moment; try again shortly."
            ) from error
        issued = response["Credentials"]
        return SessionKeys(
            issued["AccessKeyId"], issued["SecretAccessKey"], issued["SessionToken"], issued["Expiration"]
        )


def _given_out_until(_key: object, keys: SessionKeys, _now: float) -> float:
    return keys.expires_at.timestamp() - LEFT_SECONDS


def _client(endpoint: str, own: ObjectStoreKeys) -> Any:
    config = AioConfig(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=READ_SECONDS,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        # Stores without roles refuse the RoleArn that the description of STS demands.
        parameter_validation=False,
    )
    return create_client("sts", endpoint, own, config)
