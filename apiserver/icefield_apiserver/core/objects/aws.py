"""Clients of the services of object stores: one session for all, which keeps the services' descriptions."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, Protocol

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, get_session

CA_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
"""Environment variables that may name a CA bundle; the first one that is set is used."""


class Keys(Protocol):
    """Keys of an object store."""

    @property
    def region(self) -> str:
        """The store's region."""

    @property
    def access_key_id(self) -> str:
        """The public part."""

    @property
    def secret_access_key(self) -> str:
        """The secret part."""


def create_client(service: str, endpoint: str | None, keys: Keys, config: AioConfig) -> Any:
    """Return a client, a context manager.

    Args:
        service: s3 or sts.
        endpoint: URL of the service.
        keys: what requests are signed with.
        config: timeouts and retries.
    """
    return _session().create_client(
        service,
        endpoint_url=endpoint,
        region_name=keys.region,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        verify=ca_bundle(),
        config=config,
    )


def ca_bundle() -> str | None:
    """Return the file with the authorities that the object store's certificate is checked against, if one is named."""
    return next((path for name in CA_VARIABLES if (path := os.environ.get(name))), None)


@cache
def _session() -> AioSession:
    """Return the session of all clients: reading the description of a service takes longest."""
    return get_session()
