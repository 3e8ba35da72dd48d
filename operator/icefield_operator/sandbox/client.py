"""The client of one sandbox: sends the workload, waits for the outcome, and acknowledges it."""

from __future__ import annotations

import json
from typing import Any

import aiohttp

from icefield_crds.wire.outcome import WorkloadOutcome
from icefield_crds.wire.workload import Workload
from icefield_kube.bodies import BodyTooLongError, read_body

CONNECT_TIMEOUT = 2.0
CALL_TIMEOUT = 10.0
"""Seconds that a call may take that waits for nothing."""
WAIT_SECONDS = 30
"""For how long one call waits for the outcome."""

_LONGEST_ANSWER = 256 * 1024


class SandboxUnreachableError(Exception):
    """No answer, or a temporary error: retry while the pod exists."""


class SandboxRefusedError(Exception):
    """The sandbox rejects the workload permanently."""


class SandboxClient:
    """Calls the sandbox at one address."""

    def __init__(self, session: aiohttp.ClientSession, address: str, token: str) -> None:
        """Make a client of the sandbox at this base URL, with its token."""
        self._session = session
        self._address = address
        self._headers = {"Authorization": f"Bearer {token}"}

    async def put(self, workload: Workload) -> None:
        """Send the workload; sending the same one again has no effect.

        Raises:
            SandboxUnreachableError: no answer.
            SandboxRefusedError: it refuses.
        """
        status, text = await self._call("PUT", "/workload", body=workload.to_json())
        if status not in (200, 202):
            raise _error(status, text)

    async def outcome(self) -> WorkloadOutcome | None:
        """Wait a while for the outcome; None when there is none yet.

        Raises:
            SandboxUnreachableError: no answer.
            SandboxRefusedError: its answer is invalid.
        """
        status, text = await self._call("GET", f"/outcome?wait={WAIT_SECONDS}", timeout=WAIT_SECONDS + CALL_TIMEOUT)
        if status == 202:
            return None
        if status != 200:
            raise _error(status, text)
        try:
            return WorkloadOutcome.from_json(json.loads(text))
        except (ValueError, RecursionError) as error:
            raise SandboxRefusedError(f"its outcome cannot be understood: {error}") from error

    async def acknowledge(self) -> None:
        """Acknowledge that the outcome is recorded; the sandbox ends.

        Raises:
            SandboxUnreachableError: no answer; it may have ended already.
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
        body: dict[str, Any] | None = None,
        timeout: float = CALL_TIMEOUT,  # noqa: ASYNC109 - handed to aiohttp, which enforces it
    ) -> tuple[int, bytes]:
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=CONNECT_TIMEOUT)
        try:
            async with self._session.request(
                method, self._address + path, json=body, headers=self._headers, timeout=limits, allow_redirects=False
            ) as response:
                return response.status, await read_body(response, _LONGEST_ANSWER)
        except BodyTooLongError as error:
            raise SandboxRefusedError(f"its answer cannot be read: {error}") from error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise SandboxUnreachableError(str(error) or type(error).__name__) from error


def _error(status: int, text: bytes) -> Exception:
    try:
        message = str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        message = f"HTTP {status}"
    if status >= 500 or status == 429:
        return SandboxUnreachableError(message)
    return SandboxRefusedError(message)
