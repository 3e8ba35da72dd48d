"""Calls of the catalog: each has a timeout, and what was not sent, or only read, is tried again.

PyIceberg sets neither, and the API server in front of the catalog may be starting anew at any moment. It also opens a
session for its first call and another for the rest: one adapter keeps the connection, and what it trusts.
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
# About a minute in all: as long as Kubernetes lets a container wait that ended a second time.
_RETRIES = Retry(
    total=9,
    backoff_factor=0.2,
    backoff_max=20.0,
    backoff_jitter=0.2,
    allowed_methods={"GET", "HEAD"},  # but a connection that was refused is tried again for all
    status_forcelist={502, 503, 504},
    raise_on_status=False,
)


@cache
def trusted() -> ssl.SSLContext:
    """Return who is believed to be a server: read once, as a system's bundle takes some 30 ms to read."""
    return ssl.create_default_context(cafile=os.environ.get("REQUESTS_CA_BUNDLE"))


class _Adapter(HTTPAdapter):
    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Trust what was read before."""
        super().init_poolmanager(*args, **options, ssl_context=trusted())

    def build_connection_pool_key_attributes(
        self, request: requests.PreparedRequest, *args: Any, **options: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """Leave out the file of authorities, which would be read again for every connection."""
        host, pool = super().build_connection_pool_key_attributes(request, *args, **options)
        pool.pop("ca_certs", None)
        return host, pool

    def cert_verify(self, conn: Any, *_: Any) -> None:
        """Verify with what is trusted already."""
        conn.cert_reqs = "CERT_REQUIRED"

    def close(self) -> None:
        """Keep the connections: the next session has the same."""

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request, with a timeout when it has none."""
        if options.get("timeout") is None:
            options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return super().send(request, *args, **options)


@cache
def adapter() -> HTTPAdapter:
    """Return what all calls of this process go through."""
    return _Adapter(max_retries=_RETRIES)


class PatientCatalog(RestCatalog):
    """PyIceberg's catalog over such calls."""

    def _create_session(self) -> requests.Session:
        session: requests.Session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, adapter())
        return session
