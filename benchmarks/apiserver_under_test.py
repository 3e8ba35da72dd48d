"""One process of the API server on a core of its own, with a real control plane, Postgres and object store beside it.

Nothing else of the platform runs: what is measured is the API server alone.
"""

from __future__ import annotations

import os
import secrets
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.controlplane import ControlPlane, running_control_plane
from tests.object_store import REGION, RunningObjectStore, start_object_store
from tests.postgres import start_postgres

from icefield_cluster import processes
from icefield_crds.names import namespace_of

SERVER_CORE, OTHER_CORE = 0, 1
START_SECONDS = 300
WORKSPACE = "bench"
_EMAIL, _PASSWORD = "bench@icefield.dev", "a password for the benchmark"


@dataclass(frozen=True)
class ServerUnderTest:
    """The running server.

    Attributes:
        url: its base URL.
        token: an API key of an administrator in the workspace `bench`.
        plane: the control plane that it watches.
        store: the object store.
        process: the server's process.
    """

    url: str
    token: str
    plane: ControlPlane
    store: RunningObjectStore
    process: psutil.Process

    @property
    def headers(self) -> dict[str, str]:
        """The headers of a call."""
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def namespace(self) -> str:
        """Namespace of the workspace."""
        return namespace_of(WORKSPACE)

    def cpu_seconds(self) -> float:
        """Return the CPU time that the server has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def memory_bytes(self) -> int:
        """Return the memory that is the server's own (USS)."""
        return int(self.process.memory_full_info().uss)


@contextmanager
def running_server() -> Iterator[ServerUnderTest]:
    """Start everything, and end it afterwards. The caller and all other programs are kept off the server's core."""
    os.sched_setaffinity(0, {OTHER_CORE})
    with tempfile.TemporaryDirectory(prefix="icefield-bench-") as name, running_control_plane() as plane:
        folder = Path(name)
        plane.apply_crds()
        (folder / "postgres").mkdir()
        (folder / "store").mkdir()
        postgres, store = start_postgres(folder / "postgres"), start_object_store(folder / "store")
        try:
            with _serving(folder, plane, postgres.url, store) as (url, process):
                yield ServerUnderTest(url, _sign_in(url, plane), plane, store, process)
        finally:
            store.stop()
            postgres.stop()


@contextmanager
def _serving(
    folder: Path, plane: ControlPlane, database_url: str, store: RunningObjectStore
) -> Iterator[tuple[str, psutil.Process]]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    public_key = folder / "public.pem"
    public_key.write_bytes(
        Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )
    env = {
        **os.environ,
        "KUBECONFIG": str(plane.kubeconfig),
        "ICEFIELD_BIND": f"127.0.0.1:{port}",
        "ICEFIELD_DATABASE_URL": database_url,
        "ICEFIELD_SESSION_KEY": secrets.token_urlsafe(32),
        "ICEFIELD_RUN_TOKEN_PUBLIC_KEY_FILE": str(public_key),
        "ICEFIELD_ADMIN_EMAIL": _EMAIL,
        "ICEFIELD_ADMIN_PASSWORD": _PASSWORD,
        "ICEFIELD_OBJECT_STORE_ENDPOINT": store.url,
        "ICEFIELD_OBJECT_STORE_BUCKET": "icefield",
        "ICEFIELD_OBJECT_STORE_REGION": REGION,
        "ICEFIELD_OBJECT_STORE_ACCESS_KEY_ID": store.access_key_id,
        "ICEFIELD_OBJECT_STORE_SECRET_ACCESS_KEY": store.secret_access_key,
    }
    argv = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "icefield_apiserver"]
    log = folder / "server.log"
    process = processes.spawn("apiserver", argv, log=log, env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        _wait_until_ready(url, log)
        yield url, psutil.Process(process.pid)
    finally:
        processes.stop_pids([process.pid], grace=5)


def _wait_until_ready(url: str, log: Path) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        try:
            if httpx.get(f"{url}/readyz").is_success:
                return
        except httpx.HTTPError:
            pass
        if time.monotonic() > give_up:
            raise TimeoutError(log.read_text())
        time.sleep(0.2)


def _sign_in(url: str, plane: ControlPlane) -> str:
    """Make the workspace as operator and administrator would, and return a key that opens it."""
    namespace: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": namespace_of(WORKSPACE)},
    }
    workspace = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Workspace",
        "metadata": {"name": WORKSPACE},
        "spec": {"displayName": "Benchmarks"},
    }
    plane.client.apply(namespace, workspace)
    with httpx.Client(base_url=f"{url}/api/v1", timeout=30) as client:
        login = {"email": _EMAIL, "password": _PASSWORD}
        client.headers["Authorization"] = f"Bearer {client.post('/auth/login', json=login).json()['access_token']}"
        give_up = time.monotonic() + START_SECONDS
        while (answer := client.post("/auth/keys", json={"name": "bench", "workspace": WORKSPACE})).is_error:
            if time.monotonic() > give_up:
                raise TimeoutError(answer.text)
            time.sleep(0.2)
        key: str = answer.json()["key"]
        return key
