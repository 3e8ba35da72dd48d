"""A real versitygw for tests.

As a fixture (session-scoped, in tests/conftest.py), for tests marked `integration`:

    @pytest.mark.integration
    async def test_something(object_store: RunningObjectStore) -> None:
        bucket = object_store.url, object_store.access_key_id, object_store.secret_access_key

All workers of a run share it: give each test a bucket of its own. As a context manager, for a store that a test stops
and starts again: `with running_object_store() as store: store.stop(); store.start()`.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session

from icefield_cluster import processes
from icefield_cluster.programs import binaries
from icefield_cluster.programs.versions import VERSITYGW

REGION = "us-east-1"


@dataclass
class RunningObjectStore:
    """An S3 server on the loopback device and its root user."""

    folder: Path
    port: int
    access_key_id: str = "platform"
    secret_access_key: str = field(default="platform-secret", repr=False)
    _process: processes.Process | None = None

    @property
    def url(self) -> str:
        """Where it serves S3 and its admin API."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        argv: list[str | Path] = [binaries.find("versitygw"), "--port", f"127.0.0.1:{self.port}", "--region", REGION]
        argv += ["--iam-dir", self.folder / "iam", "--health", "/healthz", "--quiet"]
        argv += ["posix", "--sidecar", self.folder / "meta", self.folder / "buckets"]
        root = {"ROOT_ACCESS_KEY": self.access_key_id, "ROOT_SECRET_KEY": self.secret_access_key}
        self._process = processes.spawn("versitygw", argv, log=self.folder / "versitygw.log", env=root)
        give_up = time.monotonic() + 30
        while not self._is_healthy():
            if time.monotonic() > give_up:
                raise TimeoutError((self.folder / "versitygw.log").read_text())
            time.sleep(0.05)

    def stop(self) -> None:
        """Kill it; what it stored stays."""
        if self._process:
            processes.stop_pids([self._process.pid], grace=0)
            self._process = None

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/healthz", timeout=2, trust_env=False).is_success
        except httpx.HTTPError:
            return False


def s3_client(endpoint: str, access_key_id: str, secret_access_key: str) -> Any:
    """Return the context of an aiobotocore S3 client.

    Args:
        endpoint: URL of the object store.
        access_key_id: id of the key.
        secret_access_key: the key.
    """
    return get_session().create_client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
        config=AioConfig(s3={"addressing_style": "path"}),
    )


def start_object_store(root: Path) -> RunningObjectStore:
    """Start an object store on a free port.

    Args:
        root: an empty folder for all of its files.
    """
    binaries.ensure(VERSITYGW, root / "build.log")
    for name in ("iam", "meta", "buckets"):
        (root / name).mkdir()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    store = RunningObjectStore(root, port)
    try:
        store.start()
    except BaseException:
        store.stop()
        raise
    return store


@contextmanager
def running_object_store() -> Iterator[RunningObjectStore]:
    """Start an object store, and end it afterwards."""
    root = Path(tempfile.mkdtemp(prefix="icefield-s3-"))
    try:
        store = start_object_store(root)
        try:
            yield store
        finally:
            store.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)
