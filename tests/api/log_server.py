"""Plays the one endpoint of a kubelet that logs come from: GET /containerLogs/<namespace>/<pod>/<container>.

The real kube-apiserver asks it, as it would a node; what it serves are the lines of a file that may have been rotated.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.controlplane import ControlPlane
from tests.kubernetes_client import NODES

NODE = "log-server"
Line = tuple[str, str]


@dataclass
class LogServer:
    """Logs by the name of the pod, as (timestamp, message)."""

    port: int = 0
    lines: dict[str, list[Line]] = field(default_factory=lambda: defaultdict(list))
    ended: set[str] = field(default_factory=set)
    rotated: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    asked: list[str] = field(default_factory=list)
    followers: int = 0
    _changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def write(self, pod: str, lines: list[Line]) -> None:
        """Let a container write lines."""
        async with self._changed:
            self.lines[pod] += lines
            self._changed.notify_all()

    async def end(self, pod: str) -> None:
        """Let a container end."""
        async with self._changed:
            self.ended.add(pod)
            self._changed.notify_all()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer as the kubelet does with timestamps."""
        pod = request.match_info["pod"]
        since, follow = request.query.get("sinceTime", ""), request.query.get("follow") == "true"
        self.asked.append(pod)
        answer = web.StreamResponse()
        sent = self.rotated[pod]
        self.followers += follow
        try:
            while True:
                for timestamp, message in self.lines[pod][sent:]:
                    if timestamp[:19] >= since[:19]:
                        await answer.prepare(request)  # the kubelet sends no head before the first line either
                        await answer.write(f"{timestamp} {message}\n".encode())
                sent = len(self.lines[pod])
                async with self._changed:
                    if not follow or (pod in self.ended and sent == len(self.lines[pod])):
                        await answer.prepare(request)
                        return answer
                    if sent == len(self.lines[pod]):
                        with contextlib.suppress(TimeoutError):
                            await asyncio.wait_for(self._changed.wait(), 0.2)
                if request.transport is None or request.transport.is_closing():
                    return answer
        finally:
            self.followers -= follow


@asynccontextmanager
async def serving_logs(plane: ControlPlane, folder: Path) -> AsyncIterator[LogServer]:
    """Serve logs on a free port, as the node that pods of this test are bound to."""
    server = LogServer()
    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", server.serve)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_certificate(folder))
    await site.start()
    server.port = runner.addresses[0][1]
    node: dict[str, Any] = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}}
    plane.client.apply(node)
    status = {
        "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": server.port}},
    }
    plane.client.patch(NODES, NODE, {"status": status}, subresource="status")
    try:
        yield server
    finally:
        await runner.cleanup()
        plane.client.delete(NODES, NODE)


def pod_on_node(namespace: str, name: str) -> dict[str, Any]:
    """Return a pod that is bound to the node served here."""
    container = {"name": "task", "image": "x"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"nodeName": NODE, "containers": [container], "terminationGracePeriodSeconds": 0},
    }


def _certificate(folder: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NODE)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    pem = folder / "kubelet.pem"
    pem.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    return context
