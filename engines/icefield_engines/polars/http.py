"""Calls of the catalog: each has a timeout, and what was not sent, or only read, is tried again.

PyIceberg sets neither, and the API server in front of the catalog may be starting anew at any moment.
"""

from __future__ import annotations

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


class _Adapter(HTTPAdapter):
    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        """Send a request, with a timeout when it has none."""
        if options.get("timeout") is None:
            options["timeout"] = (CONNECT_SECONDS, READ_SECONDS)
        return super().send(request, *args, **options)


class PatientCatalog(RestCatalog):
    """PyIceberg's catalog over such calls."""

    def _create_session(self) -> requests.Session:
        session: requests.Session = super()._create_session()
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(max_retries=_RETRIES))
        return session
