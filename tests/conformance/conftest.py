"""The environment in which a user runs the published clients."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import polnor
import pytest
from oleander_sdk import Oleander
from polnor._client import Client, Config
from tests.statements import Sql


@pytest.fixture
def sdk(platform: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """The SDK as a user sets it up: base URL, token and CA bundle in the environment."""
    monkeypatch.setenv("POLNOR_API_URL", platform.api_url)
    monkeypatch.setenv("POLNOR_TOKEN", platform.api_key)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(platform.ca_bundle))
    polnor._client.reset_default_client()
    yield Client(Config.resolve())
    polnor._client.reset_default_client()


@pytest.fixture
def sql_sdk(sdk: Client, sql: Sql, monkeypatch: pytest.MonkeyPatch) -> Client:
    """The SDK with a warehouse in its environment as well."""
    monkeypatch.setenv("POLNOR_WAREHOUSE_ID", sql.warehouse)
    polnor._client.reset_default_client()
    return Client(Config.resolve())


@pytest.fixture
def oleander(platform: Any, monkeypatch: pytest.MonkeyPatch) -> Oleander:
    """oleander's client as a user sets it up: key and CA bundle in the environment."""
    monkeypatch.setenv("OLEANDER_API_KEY", platform.api_key)
    monkeypatch.setenv("SSL_CERT_FILE", str(platform.ca_bundle))
    return Oleander(base_url=platform.api_url)
