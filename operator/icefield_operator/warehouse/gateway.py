"""The client of the gateways of running warehouses."""

from __future__ import annotations

import asyncio
import base64
import json
import logging

import aiohttp
from cachetools import TTLCache

from icefield_crds.names import WAREHOUSE_TOKEN_SECRET
from icefield_crds.wire.gateway import GatewayStatus
from icefield_kube.bodies import read_body
from icefield_operator.cluster import Cluster

from .build import TOKEN_KEY

log = logging.getLogger(__name__)

TIMEOUT = 3.0
"""Timeout of one call, in seconds."""

MAX_TOKENS = 10_000
TOKEN_SECONDS = 300.0
"""For how long a workspace's token is kept; one that is refused is read again at once."""

_LONGEST_ANSWER = 64 * 1024


class GatewayClients:
    """Calls the gateways of all warehouses; one that does not answer is not known to be idle."""

    def __init__(self, cluster: Cluster) -> None:
        """Read tokens from this cluster; nothing is called yet."""
        self._cluster = cluster
        self._tokens: TTLCache[str, str] = TTLCache(MAX_TOKENS, TOKEN_SECONDS)
        self._opened: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Wait until cancelled, then close the connections."""
        try:
            await asyncio.Event().wait()
        finally:
            if self._opened is not None:
                await self._opened.close()

    async def query(self, namespace: str, endpoint: str) -> GatewayStatus | None:
        """Return the status of the gateway at this URL, or None without a valid answer.

        Raises:
            KubernetesError: the workspace's token cannot be read for now.
        """
        return await self._call("GET", namespace, f"{endpoint}/status")

    async def drain(self, namespace: str, endpoint: str) -> GatewayStatus | None:
        """Have the gateway at this URL start no more statements; return its status, or None without a valid answer.

        Raises:
            KubernetesError: the workspace's token cannot be read for now.
        """
        answer = await self._call("POST", namespace, f"{endpoint}/drain")
        # One of an older version does not know how; it is still asked what it runs.
        return answer or await self.query(namespace, endpoint)

    async def _call(self, method: str, namespace: str, url: str) -> GatewayStatus | None:
        token = await self._token(namespace)
        if token is None:
            return None
        try:
            async with self._session.request(
                method, url, headers={"Authorization": f"Bearer {token}"}, allow_redirects=False
            ) as response:
                if response.status == 401:
                    self._tokens.pop(namespace, None)
                response.raise_for_status()
                return GatewayStatus.from_json(json.loads(await read_body(response, _LONGEST_ANSWER)))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.info("A gateway did not answer %s %s: %s", method, url, error or type(error).__name__)
            return None

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        return self._opened

    async def _token(self, namespace: str) -> str | None:
        if cached := self._tokens.get(namespace):
            return cached
        secret = await self._cluster.get("Secret", namespace, WAREHOUSE_TOKEN_SECRET)
        encoded = ((secret or {}).get("data") or {}).get(TOKEN_KEY)
        if encoded is None:
            return None
        token = base64.b64decode(encoded).decode()
        self._tokens[namespace] = token
        return token
