"""Fakes of an Iceberg catalog, an S3 server and a kube-apiserver: enough for clients to load their classes."""

from __future__ import annotations

import json
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

NAMESPACE, TABLE = "n", "t"
OBJECT = b"PAR1"
_REFUSED = {"error": {"message": "this is no catalog", "type": "BadRequestException", "code": 400}}
_TABLE_PATH = f"/v1/namespaces/{NAMESPACE}/tables/{TABLE}"


class Services:
    """All of them at one port, in threads of this process."""

    def __init__(self, table: Path) -> None:
        """Start them; `table` is the folder of the one table that the catalog knows."""

        class Handler(_Handler):
            metadata = table / "metadata"

        self._server = _Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Stop them."""
        self._server.shutdown()


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Stay silent: clients end their connections as they like."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    metadata: Path

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path == "/v1/config":
            self._send_json(200, {"defaults": {}, "overrides": {}})
        elif path == f"/v1/namespaces/{NAMESPACE}":
            self._send_json(200, {"namespace": [NAMESPACE], "properties": {}})
        elif path == "/v1/namespaces":
            self._send_json(200, {"namespaces": [[NAMESPACE]]})
        elif path == _TABLE_PATH:
            self._send_json(200, self._table())
        elif path.startswith("/api/"):
            self._send_json(200, {"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": []})
        elif path.startswith("/v1/"):
            self._send_json(404, {"error": {"message": "none", "type": "NoSuchTableException", "code": 404}})
        else:
            self._send(200, OBJECT)

    def do_HEAD(self) -> None:
        self._send(404 if self.path.startswith("/v1/") else 200, OBJECT)

    def do_POST(self) -> None:
        body = self._body()
        if self.path.startswith("/api/"):
            self._send(201, body, "application/json")
        else:
            self._send_json(400, _REFUSED)

    def do_PUT(self) -> None:
        self._body()
        self._send(200, b"")

    def _table(self) -> dict[str, object]:
        latest = max(self.metadata.glob("v*.metadata.json"), key=lambda path: path.stat().st_mtime_ns)
        metadata = json.loads(latest.read_text(encoding="utf-8"))
        return {"metadata-location": f"file://{latest}", "metadata": metadata, "config": {}}

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", "0")))

    def _send_json(self, status: int, value: object) -> None:
        self._send(status, json.dumps(value).encode(), "application/json")

    def _send(self, status: int, body: bytes, content_type: str = "application/octet-stream") -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", '"0"')
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Stay silent: a request is no news."""
