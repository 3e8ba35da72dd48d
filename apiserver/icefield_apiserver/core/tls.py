"""TLS with a certificate that is renewed at run time: cert-manager and others rewrite the files."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn

log = logging.getLogger(__name__)


def renewing_context(config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return uvicorn's TLS context, extended to reload its files when they change.

    Changes are detected at a client's hello; that client still gets the old certificate.

    Args:
        config: uvicorn's configuration, with ssl_certfile.
        default: creates the context.
    """
    context = default()
    certificate = Path(str(config.ssl_certfile))
    key = Path(config.ssl_keyfile) if config.ssl_keyfile else None
    context.sni_callback = _Renewal(certificate, key).on_hello
    return context


class _Renewal:
    def __init__(self, certificate: Path, key: Path | None) -> None:
        self._certificate = certificate
        self._key = key
        self._version = self._read_version()

    def on_hello(self, connection: ssl.SSLObject, server_name: str | None, context: ssl.SSLContext) -> None:
        """Load the files if they changed; a mismatched pair is retried at the next hello."""
        try:
            version = self._read_version()
            if version == self._version:
                return
            # Tried in another context first: a mismatched pair would leave this one without a key.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key)
            context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            log.error("the renewed certificate cannot be loaded: %s", error)
            return
        self._version = version
        log.info("loaded the renewed certificate")

    def _read_version(self) -> list[tuple[int, int]]:
        states = [path.stat() for path in (self._certificate, self._key) if path]
        return [(state.st_ino, state.st_mtime_ns) for state in states]
