"""Calls one sandbox: brings its workload, waits for what comes of it, and lets it go."""

from __future__ import annotations

import json

import aiohttp
from pydantic import ValidationError

from icefield_operator.world import Manifest

from .outcome import Outcome

CONNECT_TIMEOUT = 2.0
CALL_TIMEOUT = 10.0
"""Seconds that a call may take that waits for nothing."""
WAIT_SECONDS = 30
"""For how long one call waits for the outcome."""

_LONGEST_ANSWER = 256 * 1024


class SandboxUnreachableError(Exception):
    """No answer, or none that settles anything: try again while the pod lives."""


class SandboxRefusedError(Exception):
    """The sandbox will not take the workload, now or ever."""


class SandboxClient:
    """Calls the sandbox at one address."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str) -> None:
        """Make a client of the sandbox at this base URL, which opens with this token."""
        self._session = session
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}

    async def put(self, workload: Manifest) -> None:
        """Bring the workload; bringing the same one again changes nothing.

        Raises:
            SandboxUnreachableError: nobody answered.
            SandboxRefusedError: it refuses.
        """
        status, text = await self._call("PUT", "/workload", body=workload)
        if status not in (200, 202):
            raise _error(status, text)

    async def outcome(self) -> Outcome | None:
        """Wait a while for the outcome; None when there is none yet.

        Raises:
            SandboxUnreachableError: nobody answered.
            SandboxRefusedError: it answers what nobody understands.
        """
        status, text = await self._call("GET", f"/outcome?wait={WAIT_SECONDS}", timeout=WAIT_SECONDS + CALL_TIMEOUT)
        if status == 202:
            return None
        if status != 200:
            raise _error(status, text)
        try:
            return Outcome.model_validate_json(text)
        except ValidationError as error:
            raise SandboxRefusedError(f"its outcome cannot be understood ({error.error_count()} errors)") from error

    async def acknowledge(self) -> None:
        """Say that the outcome is written down; the sandbox ends.

        Raises:
            SandboxUnreachableError: nobody answered; it may have ended already.
            SandboxRefusedError: it refuses.
        """
        status, text = await self._call("POST", "/acknowledge")
        if status != 204:
            raise _error(status, text)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Manifest | None = None,
        timeout: float = CALL_TIMEOUT,  # noqa: ASYNC109 - handed to aiohttp, which enforces it
    ) -> tuple[int, bytes]:
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._session.request(
                method, self._address + path, json=body, headers=self._headers, timeout=limits, allow_redirects=False
            ) as response:
                return response.status, await response.content.read(_LONGEST_ANSWER)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SandboxUnreachableError(str(error) or type(error).__name__) from error


def _error(status: int, text: bytes) -> Exception:
    try:
        said = str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        said = f"HTTP {status}"
    if status >= 500 or status == 429:
        return SandboxUnreachableError(said)
    return SandboxRefusedError(said)
