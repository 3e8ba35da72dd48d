"""`python -m icefield_apiserver`, as Kubernetes runs it: TLS, migrations, an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.controlplane import ControlPlane

pytestmark = pytest.mark.integration

ADMIN = {"email": "admin@icefield.local", "password": "correct horse battery"}


def _openssl(directory: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=directory, check=True, capture_output=True, timeout=60)


def _environment(directory: Path, kubeconfig: Path, port: int) -> dict[str, str]:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    _openssl(directory, "req", "-x509", "-days", "1", *key, "-keyout", "tls.key", "-out", "tls.crt", *subject)
    _openssl(directory, "req", "-x509", "-days", "1", *key, "-keyout", "new.key", "-out", "new.crt", *subject)
    _openssl(directory, "genpkey", "-algorithm", "ed25519", "-out", "private.pem")
    _openssl(directory, "pkey", "-in", "private.pem", "-pubout", "-out", "public.pem")
    return {
        "PATH": os.environ["PATH"],
        "KUBECONFIG": str(kubeconfig),
        "ICEFIELD_BIND": f"127.0.0.1:{port}",
        "ICEFIELD_DATABASE_URL": f"sqlite+aiosqlite:///{directory}/icefield.db",
        "ICEFIELD_SESSION_KEY": "k" * 43,
        "ICEFIELD_RUN_TOKEN_PUBLIC_KEY_FILE": f"{directory}/public.pem",
        "ICEFIELD_DRAIN_SECONDS": "1",
        "ICEFIELD_TLS_CERT_FILE": f"{directory}/tls.crt",
        "ICEFIELD_TLS_KEY_FILE": f"{directory}/tls.key",
        "ICEFIELD_ADMIN_EMAIL": ADMIN["email"],
        "ICEFIELD_ADMIN_PASSWORD": ADMIN["password"],
        "ICEFIELD_OBJECT_STORE_ENDPOINT": "http://127.0.0.1:9",
        "ICEFIELD_OBJECT_STORE_BUCKET": "icefield",
        "ICEFIELD_OBJECT_STORE_ACCESS_KEY_ID": "icefield",
        "ICEFIELD_OBJECT_STORE_SECRET_ACCESS_KEY": "icefield",
    }


async def _until_ready(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(180):
        while True:
            assert process.returncode is None
            try:
                if (await client.get("/readyz")).status_code == 200:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.1)


async def _drains(client: httpx.AsyncClient, process: asyncio.subprocess.Process) -> None:
    """From SIGTERM to the end every request on an open or a new connection is answered, and connections end."""
    process.send_signal(signal.SIGTERM)
    served = 0
    async with asyncio.timeout(90):
        while True:
            try:
                answer = await client.get("/readyz")
            except httpx.ConnectError:
                break
            except httpx.RemoteProtocolError:
                # Connected in the last moment: by then nobody listens.
                with pytest.raises(httpx.ConnectError):
                    await client.get("/readyz")
                break
            assert answer.status_code == 200
            served += answer.headers.get("connection") == "close"
        assert await process.wait() in (0, -signal.SIGTERM)
    assert served > 1


async def test_serves_tls_renews_its_certificate_and_ends_in_order(control_plane: ControlPlane, tmp_path: Path) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    environment = _environment(tmp_path, control_plane.kubeconfig, port)
    log = (tmp_path / "log").open("wb")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "icefield_apiserver", env=environment, stdout=log, stderr=log, cwd=tmp_path
    )
    try:
        trust = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
        async with httpx.AsyncClient(verify=trust, base_url=f"https://localhost:{port}") as client:
            await _until_ready(client, process)
            answer = await client.post("/api/v1/auth/login", json=ADMIN)
            assert answer.status_code == 200, answer.text
            assert "server" not in answer.headers
        for name in ("tls.key", "tls.crt"):
            (tmp_path / name.replace("tls", "new")).replace(tmp_path / name)
        renewed = ssl.create_default_context(cafile=str(tmp_path / "tls.crt"))
        async with httpx.AsyncClient(verify=renewed, base_url=f"https://localhost:{port}") as client:
            with pytest.raises(httpx.ConnectError):
                await client.get("/livez")
            assert (await client.get("/livez")).status_code == 200
            await _drains(client, process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    written = (tmp_path / "log").read_text()
    assert "Application shutdown complete" in written
    assert "Traceback" not in written
    assert ADMIN["password"] not in written
