"""Asks the gateways of running warehouses what they are doing."""

from __future__ import annotations

import asyncio
import base64
import logging
import time

import aiohttp
from pydantic import AwareDatetime, BaseModel, Field, ValidationError

from icefield_crds.names import WAREHOUSE_TOKEN_SECRET
from icefield_operator.cluster import Cluster

from .build import TOKEN_KEY

log = logging.getLogger(__name__)

TIMEOUT = 3.0
"""Seconds that one question may take."""

TOKEN_SECONDS = 300.0
"""For how long a workspace's token is kept; one that is refused is read again at once."""

_LONGEST_ANSWER = 64 * 1024


class Answer(BaseModel):
    """What `GET /status` of a gateway says."""

    spark: bool
    """Whether statements that write are served."""
    running: int = Field(ge=0)
    """How many statements run, or wait to."""
    last_activity: AwareDatetime
    """When the last one ended; the start of the gateway before the first."""


class Gateways:
    """The gateways of all warehouses; one that does not answer is not known to be idle."""

    def __init__(self, cluster: Cluster) -> None:
        """Read tokens from this cluster; nothing is asked yet."""
        self._cluster = cluster
        self._tokens: dict[str, tuple[float, str]] = {}
        self._opened: aiohttp.ClientSession | None = None

    async def run(self) -> None:
        """Wait until cancelled, then close the connections."""
        try:
            await asyncio.Event().wait()
        finally:
            if self._opened is not None:
                await self._opened.close()

    async def ask(self, namespace: str, endpoint: str) -> Answer | None:
        """Return what the gateway at this URL says, or None when it says nothing that can be understood.

        Raises:
            KubernetesError: the workspace's token cannot be read for now.
        """
        token = await self._token(namespace)
        if token is None:
            return None
        try:
            async with self._session.get(
                f"{endpoint}/status", headers={"Authorization": f"Bearer {token}"}, allow_redirects=False
            ) as response:
                if response.status == 401:
                    del self._tokens[namespace]
                response.raise_for_status()
                return Answer.model_validate_json(await response.content.read(_LONGEST_ANSWER))
        except (aiohttp.ClientError, TimeoutError, OSError, ValidationError) as error:
            log.info("The gateway at %s does not say how it is: %s", endpoint, error or type(error).__name__)
            return None

    @property
    def _session(self) -> aiohttp.ClientSession:
        if self._opened is None:
            self._opened = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        return self._opened

    async def _token(self, namespace: str) -> str | None:
        read, token = self._tokens.get(namespace, (float("-inf"), ""))
        if time.monotonic() - read < TOKEN_SECONDS:
            return token
        secret = await self._cluster.get("Secret", namespace, WAREHOUSE_TOKEN_SECRET)
        encoded = ((secret or {}).get("data") or {}).get(TOKEN_KEY)
        if encoded is None:
            return None
        token = base64.b64decode(encoded).decode()
        self._tokens[namespace] = (time.monotonic(), token)
        return token
