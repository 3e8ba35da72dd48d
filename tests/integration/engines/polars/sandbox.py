"""A sandbox without Kubernetes: the real program as the first process of a PID namespace of its own."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import httpx
import psutil
import pyarrow as pa

from icefield_crds import object_store
from icefield_crds.wire.workload import CatalogAccess, Mode, ObjectStoreAccess, SaveMode, Workload
from tests.catalog import RunningCatalog, Site

TOKEN = "token-of-the-sandbox"
MIB = 1024 * 1024
_IN_NAMESPACE = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
_CGROUPS = Path("/sys/fs/cgroup")
_IN_CGROUPS = """
for controller in pids memory; do echo $$ > /sys/fs/cgroup/$controller/$0/cgroup.procs || exit 9; done
exec unshare --mount --pid --fork --mount-proc --kill-child sh -c '
    mount --bind /sys/fs/cgroup/memory/$0 /sys/fs/cgroup/memory && exec "$@"' "$0" "$@"
"""


@dataclass
class Sandbox:
    """One sandbox: it takes one workload."""

    folder: Path
    catalog: RunningCatalog
    site: Site
    settings: dict[str, str] = field(default_factory=dict)
    memory_limit_bytes: int | None = None
    """With one, it runs in cgroups of its own, as in a pod, with 400 threads at most; see `has_cgroups`."""
    process: subprocess.Popen[bytes] | None = None
    port: int = 0

    def start(self) -> None:
        """Start it, and wait until its worker is ready."""
        self.begin()
        give_up = time.monotonic() + 60
        while not self.is_ready():
            assert self.process and self.process.poll() is None and time.monotonic() < give_up, self.output
            time.sleep(0.02)

    def begin(self) -> None:
        """Start it."""
        self.scratch.mkdir(parents=True)
        self.port = _free_port()
        environment = {
            **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
            "HOME": str(self.scratch),
            "TMPDIR": str(self.scratch),
            "POLARS_MAX_THREADS": "2",
            "ICEFIELD_SANDBOX_TOKEN_SHA256": hashlib.sha256(TOKEN.encode()).hexdigest(),
            "ICEFIELD_SANDBOX_HOST": "127.0.0.1",
            "ICEFIELD_SANDBOX_PORT": str(self.port),
            "ICEFIELD_SCRATCH": str(self.scratch),
            "ICEFIELD_TERMINATION_LOG": str(self.folder / "termination-log"),
            "ICEFIELD_VCPUS": "2",
            **self.settings,
        }
        argv = ["nice", "-n", "5", *self._around(), sys.executable, "-P", "-m", "icefield_engines.polars"]
        with (self.folder / "log").open("wb") as log:
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)

    def stop(self) -> None:
        """Kill it, and all that is in it."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for controller in ("pids", "memory"):
            if (cgroup := _CGROUPS / controller / self.cgroup).is_dir():
                _remove(cgroup)

    @property
    def cgroup(self) -> str:
        """The name of its cgroups."""
        return f"icefield-test-{os.getpid()}-{self.folder.name}"

    def _around(self) -> list[str]:
        if self.memory_limit_bytes is None:
            return _IN_NAMESPACE
        for controller, file, limit in (
            ("pids", "pids.max", 400),
            ("memory", "memory.limit_in_bytes", self.memory_limit_bytes),
        ):
            cgroup = _CGROUPS / controller / self.cgroup
            cgroup.mkdir()
            (cgroup / file).write_text(str(limit))
        return ["sh", "-c", _IN_CGROUPS, self.cgroup]

    @property
    def scratch(self) -> Path:
        """The directory that it may write to."""
        return self.folder / "scratch"

    @property
    def output(self) -> str:
        """All it ever printed."""
        return (self.folder / "log").read_text(errors="replace")

    @property
    def termination_message(self) -> dict[str, Any]:
        """What the kubelet would find."""
        message: dict[str, Any] = json.loads((self.folder / "termination-log").read_bytes())
        return message

    def call(self, method: str, path: str, *, token: str = TOKEN, **arguments: Any) -> httpx.Response:
        """Call it once."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        url = f"http://127.0.0.1:{self.port}{path}"
        return httpx.request(method, url, headers=headers, timeout=90, trust_env=False, **arguments)

    def is_ready(self) -> bool:
        """Whether a workload would begin at once."""
        try:
            return self.call("GET", "/readyz", token="").is_success
        except httpx.HTTPError:
            return False

    def workload(self, **fields: Any) -> dict[str, Any]:
        """Return a workload's document; query or script sets the mode."""
        run = str(uuid.uuid4())
        mode = Mode.QUERY if "query" in fields else Mode.SCRIPT
        access = CatalogAccess(
            catalog_uri=self.catalog.uri,
            warehouse=self.site.slug,
            token=self.catalog.token_of(self.site.slug),
            object_store=ObjectStoreAccess(
                endpoint=self.site.endpoint,
                region="us-east-1",
                bucket=self.site.bucket,
                access_key_id=self.site.access_key_id,
                secret_access_key=self.site.secret_access_key,
            ),
        )
        workload = Workload(
            id=run,
            mode=mode,
            text=fields[mode],
            tables={},
            params={},
            catalog=None,
            catalog_names=(self.site.slug, "oleander"),
            destination=None,
            save_mode=SaveMode.OVERWRITE,
            distributed=False,
            instance_type=None,
            cluster_size=None,
            timeout_seconds=60,
            environment={},
            access=access,
            result_key=object_store.run_result_key(self.site.slug, run),
        )
        return {**workload.to_json(), **fields}

    def put(self, workload: dict[str, Any]) -> httpx.Response:
        """Hand it a workload."""
        return self.call("PUT", "/workload", json=workload)

    def accepts(self, workload: dict[str, Any]) -> bool:
        """Try to hand it a workload, though it may not listen yet."""
        try:
            return self.put(workload).status_code == 202
        except httpx.TransportError:
            return False

    def outcome(self, seconds: float = 90) -> dict[str, Any]:
        """Wait for the outcome."""
        give_up = time.monotonic() + seconds
        while time.monotonic() < give_up:
            with suppress(httpx.TransportError):  # a workload may hold all connections for as long as it lives
                answer = self.call("GET", "/outcome", params={"wait": 20})
                if answer.raise_for_status().status_code == 200:
                    outcome: dict[str, Any] = answer.json()
                    return outcome
            time.sleep(0.05)
        raise TimeoutError(self.output[-5000:])

    def acknowledge(self) -> int:
        """Take the outcome down; return the exit code."""
        assert self.call("POST", "/acknowledge").status_code == 204
        assert self.process
        return self.process.wait(20)

    def terminate(self) -> int:
        """End it as the kubelet does; return the exit code."""
        psutil.Process(self.first_process).send_signal(signal.SIGTERM)
        assert self.process
        return self.process.wait(20)

    @property
    def first_process(self) -> int:
        """Process id of the supervisor, seen from here."""
        assert self.process
        return int(psutil.Process(self.process.pid).children()[0].pid)

    def run(self, **fields: Any) -> dict[str, Any]:
        """Run a workload to its end; return the outcome, with the sandbox gone."""
        self.start()
        workload = self.workload(**fields)
        assert self.put(workload).status_code == 202
        outcome = self.outcome()
        assert self.acknowledge() == (0 if outcome["state"] == "succeeded" else 1)
        return outcome

    def rows(self, outcome: dict[str, Any]) -> pa.Table:
        """Return a result as it is stored in the object store."""
        assert outcome["state"] == "succeeded", outcome
        store = boto3.client(
            "s3",
            endpoint_url=self.site.endpoint,
            region_name="us-east-1",
            aws_access_key_id=self.site.access_key_id,
            aws_secret_access_key=self.site.secret_access_key,
        )
        content = store.get_object(Bucket=self.site.bucket, Key=outcome["result"]["key"])["Body"].read()
        assert len(content) == outcome["result"]["bytes"]
        return pa.ipc.open_stream(content).read_all()


def has_cgroups() -> bool:
    """Whether cgroups of version 1 can be made here."""
    return os.geteuid() == 0 and all(os.access(_CGROUPS / name, os.W_OK) for name in ("pids", "memory"))


def _remove(cgroup: Path) -> None:
    give_up = time.monotonic() + 10
    while True:
        try:
            cgroup.rmdir()
            return
        except OSError:
            if time.monotonic() > give_up:
                raise
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
