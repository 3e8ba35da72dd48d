"""Calls of the catalog: each has a timeout; requests that only read, or were not sent, are retried.

PyIceberg sets neither, and the API server in front of the catalog may restart at any moment. It also opens a session
for its first call and another for the rest: one adapter keeps the connection and the trusted authorities.
"""

from __future__ import annotations

import os
import ssl
from functools import cache
from typing import Any

import requests
from pyiceberg.catalog.rest import RestCatalog
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

CONNECT_SECONDS = 5.0
READ_SECONDS = 120.0
# About a minute in all: as long as the back-off of a container that ended twice.
_RETRIES = Retry(
    total=9,
    backoff_factor=0.2,
    backoff_max=20.0,
    backoff_jitter=0.2,
    allowed_methods={"GET", "HEAD"},  # refused connections are retried for every method
    status_forcelist={502, 503, 504},
    raise_on_status=False,
)


@cache
def trusted_authorities() -> ssl.SSLContext:
    """Return the trusted certificate authorities: read once, as a system's bundle takes some 30 ms to read."""
    return ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE"))


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Use the authorities that were read before."""
        super().init_poolmanager(*args, **options, ssl_context=trusted_authorities())

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Leave out the file of authorities, which would be read again for every connection."""
        host, pool = super().build_connection_pool_key_attributes(request, *args, **options)
        pool.pop("ca_certs", None)
        return host, pool

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """Verify against the authorities that were read before."""
        conn.cert_reqs = "CERT_REQUIRED"

    def close(self) -> None:
        """Keep the connections for the next session."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request, with a timeout when it has none."""
        if options.get("timeout") is None:
            options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return super().send(request, *args, **options)


@cache
def adapter() -> HTTPAdapter:
    """Return the adapter of all calls of this process."""
    return _Adapter(max_retries=_RETRIES)


class RetryingCatalog(RestCatalog):
    """PyIceberg's REST catalog with timeouts and retries."""

    def _create_session(self) -> requests.Session:
        session: requests.Session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter())
        return session
