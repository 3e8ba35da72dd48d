"""TLS with a certificate that may be renewed: cert-manager and the like rewrite the files while we serve."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable
from pathlib import Path

import uvicorn

log = logging.getLogger(__name__)


def renewing_context(config: uvicorn.Config, default: Callable[[], ssl.SSLContext]) -> ssl.SSLContext:
    """Return uvicorn's own TLS context, which takes up its files anew once they change.

    Whether they did is looked at when a client says hello; that client still gets the old certificate.

    Args:
        config: uvicorn's configuration, with ssl_certfile.
        default: makes the context of it.
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
        """Load the files if they are others than before; a pair that does not fit is tried again at the next hello."""
        try:
            version = self._read_version()
            if version == self._version:
                return
            # Tried elsewhere first: a pair that does not fit would leave the context without a key.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._certificate, self._key)
            context.load_cert_chain(self._certificate, self._key)
        except (OSError, ssl.SSLError) as error:
            log.error("the renewed certificate cannot be taken up: %s", error)
            return
        self._version = version
        log.info("took up the renewed certificate")

    def _read_version(self) -> list[tuple[int, int]]:
        states = [path.stat() for path in (self._certificate, self._key) if path]
        return [(state.st_ino, state.st_mtime_ns) for state in states]
