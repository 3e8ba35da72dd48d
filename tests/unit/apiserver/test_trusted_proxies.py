"""From where a request comes says the connection, or a proxy that the settings name."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from pydantic import ValidationError

from icefield_apiserver.core.middleware import install_middleware
from icefield_apiserver.core.settings import ObjectStoreSettings, Settings
from icefield_apiserver.core.shutdown import Shutdown


def settings_with(monkeypatch: pytest.MonkeyPatch, proxies: str | None) -> Settings:
    """Return settings with what the environment says of proxies."""
    if proxies is not None:
        monkeypatch.setenv("ICEFIELD_TRUSTED_PROXIES", proxies)
    store = ObjectStoreSettings(endpoint="http://127.0.0.1:9", bucket="b", access_key_id="a", secret_access_key="s")
    return Settings(
        database_url="sqlite+aiosqlite://",
        session_key="k" * 43,
        run_token_public_key_file=Path("public.pem"),
        object_store=store,
    )


async def address_of(app: FastAPI, peer: str, forwarded: str | None) -> str:
    """Return the address that a route sees of a request."""
    seen: list[str] = []

    @app.get("/address")
    async def read_address(request: Request) -> None:
        assert request.client
        seen.append(request.client.host)

    headers = {} if forwarded is None else {"X-Forwarded-For": forwarded}
    transport = httpx.ASGITransport(app, client=(peer, 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://icefield") as client:
        await client.get("/address", headers=headers)
    return seen[0]


@pytest.mark.parametrize(
    ("proxies", "peer", "forwarded", "address"),
    [
        (None, "127.0.0.1", "192.0.2.1", "127.0.0.1"),
        ("", "10.0.0.1", "192.0.2.1", "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", None, "10.0.0.1"),
        ("10.0.0.0/8", "10.0.0.1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.0/8", "192.0.2.9", "192.0.2.1", "192.0.2.9"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.7, 192.0.2.1", "192.0.2.1"),
        ("10.0.0.0/8", "10.0.0.1", "198.51.100.7, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        ("10.0.0.1, fd00::/8", "fd00::1", "192.0.2.1", "192.0.2.1"),
        ("10.0.0.1, fd00::/8", "10.0.0.2", "192.0.2.1", "10.0.0.2"),
    ],
)
async def test_from_where_a_request_comes(
    monkeypatch: pytest.MonkeyPatch, proxies: str | None, peer: str, forwarded: str | None, address: str
) -> None:
    app = FastAPI()
    install_middleware(app, settings_with(monkeypatch, proxies).trusted_proxies, Shutdown())
    assert await address_of(app, peer, forwarded) == address


@pytest.mark.parametrize("proxies", ["ingress", "10.0.0.1/8", "*"])
def test_what_is_no_network_does_not_start(monkeypatch: pytest.MonkeyPatch, proxies: str) -> None:
    with pytest.raises(ValidationError):
        settings_with(monkeypatch, proxies)
