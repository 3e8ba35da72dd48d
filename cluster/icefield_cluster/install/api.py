"""The REST calls of an installation: its readiness, and an API key for the administrator."""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from pathlib import Path

import httpx
from tenacity import RetryCallState, Retrying, retry_if_result, stop_after_delay, wait_exponential

from icefield_cluster.errors import ClusterError


@dataclass(frozen=True)
class Api:
    """The API server of one installation.

    Args:
        url: its URL without /api/v1.
        ca_bundle: PEM file of the authorities to trust.
    """

    url: str
    ca_bundle: Path

    def client(self) -> httpx.Client:
        """Return a client of it, which trusts the bundle only."""
        trust = ssl.create_default_context(cafile=str(self.ca_bundle))
        # Proxies of the environment lead out of the machine, this server is on it.
        return httpx.Client(base_url=self.url, verify=trust, timeout=15, trust_env=False)

    def is_ready(self) -> bool:
        """Whether /readyz succeeds."""
        try:
            with self.client() as client:
                return client.get("/readyz").is_success
        except httpx.HTTPError:
            return False

    def accepts(self, key: str) -> bool:
        """Whether an API key is still valid."""
        with self.client() as client:
            return client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {key}"}).is_success

    def create_key(self, email: str, password: str, workspace: str, *, timeout: float = 60) -> str:
        """Log in and make an API key bound to a workspace.

        Args:
            email: the administrator's.
            password: the administrator's.
            workspace: slug; the server's cache may not have it yet, so 403 and 404 are retried.
            timeout: seconds after which the last answer counts.

        Raises:
            ClusterError: the server refused.
        """
        body = {"name": f"icefield-cli@{socket.gethostname()}", "workspace": workspace}
        attempts = Retrying(
            retry=retry_if_result(_may_pass),
            wait=wait_exponential(multiplier=0.2, exp_base=1.5, max=2),
            stop=stop_after_delay(timeout),
            retry_error_callback=_last_answer,
        )
        answer: httpx.Response = attempts(self._try_key, email, password, body)
        if not answer.is_success:
            raise ClusterError(f"the API server made no API key: {answer.status_code} {answer.text[:300]}")
        return str(answer.json()["key"])

    def _try_key(self, email: str, password: str, body: dict[str, str]) -> httpx.Response:
        try:
            with self.client() as client:
                login = client.post("/api/v1/auth/login", json={"email": email, "password": password})
                if not login.is_success:
                    return login
                headers = {
                    "Authorization": f"Bearer {login.json()['access_token']}",
                    "X-Workspace-Slug": body["workspace"],
                }
                return client.post("/api/v1/auth/keys", json=body, headers=headers)
        except httpx.HTTPError as error:
            return httpx.Response(503, text=str(error))


def _may_pass(answer: httpx.Response) -> bool:
    return not answer.is_success and answer.status_code not in (400, 401, 429)


def _last_answer(state: RetryCallState) -> httpx.Response:
    if state.outcome is None:
        raise RuntimeError("no attempt was made")
    answer: httpx.Response = state.outcome.result()
    return answer
