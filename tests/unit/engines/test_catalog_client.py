"""The connection to the catalog: kept from one session to the next, and only to a server of an authority we trust."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import requests

from icefield_cluster.install import certificates
from icefield_engines import catalog_client

ISSUED = certificates.issue(["127.0.0.1"])


class Handler(BaseHTTPRequestHandler):
    """Answers with the port of its caller, which is the same for one connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        body = str(self.client_address[1]).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture
def url(tmp_path: Path) -> Iterator[str]:
    """A server with a certificate of ISSUED's authority."""
    (tmp_path / "server.pem").write_text(ISSUED.certificate + ISSUED.key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "server.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def sessions(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, authority: str) -> Iterator[requests.Session]:
    """Sessions as the catalog has them, in a sandbox that is given an authority."""
    (tmp_path / "ca.pem").write_text(authority)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "ca.pem"))
    catalog_client.trusted_authorities.cache_clear()
    catalog_client.adapter.cache_clear()
    monkeypatch.setattr(catalog_client, "_RETRIES", 0)
    while True:
        session = requests.Session()
        session.mount("https://", catalog_client.adapter())
        yield session


def test_one_connection_serves_every_session(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = sessions(monkeypatch, tmp_path, ISSUED.ca)
    with next(made) as first:
        port = first.get(url).text
    assert next(made).get(url).text == port


def test_a_server_of_another_authority_is_refused(url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    made = sessions(monkeypatch, tmp_path, certificates.issue(["127.0.0.1"]).ca)
    with pytest.raises(requests.exceptions.SSLError, match="CERTIFICATE_VERIFY_FAILED"):
        next(made).get(url)
