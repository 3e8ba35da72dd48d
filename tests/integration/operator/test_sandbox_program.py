"""The operator and the real sandbox program, as the first process of a PID namespace of its own."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest

from icefield_crds import format_time
from icefield_kube.client import Manifest
from tests.eventually import eventually

from .conftest import Place
from .pools import pool_of, submit
from .sandboxes import Node

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.geteuid() != 0, reason="a PID namespace of one's own takes root"),
    pytest.mark.usefixtures("sandboxed"),
]

WRONG = {"script": "print('before')\nresult = pl.LazyFrame().select('missing').collect()"}
ENDLESS = {"script": "while True: pass"}


class Program:
    """The program that a sandbox pod runs, with the pod's own variables."""

    def __init__(self, pod: Manifest, folder: Path) -> None:
        self.pod = pod["metadata"]["name"]
        self.started_at = format_time(datetime.now(UTC))
        self.workload = None
        self._folder = folder / self.pod
        (self._folder / "scratch").mkdir(parents=True)
        env = {variable["name"]: variable["value"] for variable in pod["spec"]["containers"][0]["env"]}
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            port = listener.getsockname()[1]
        self.address = f"http://127.0.0.1:{port}"
        self._env = env | {
            "PATH": os.environ["PATH"],
            "HOME": str(self._folder / "scratch"),
            "ICEFIELD_SANDBOX_HOST": "127.0.0.1",
            "ICEFIELD_SANDBOX_PORT": str(port),
            "ICEFIELD_SCRATCH": str(self._folder / "scratch"),
            "ICEFIELD_TERMINATION_LOG": str(self._folder / "termination-log"),
        }
        for of_pod in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"):
            self._env.pop(of_pod)
        self.process: subprocess.Popen[bytes] | None = None

    async def listen(self) -> None:
        argv = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
        argv += [sys.executable, "-P", "-m", "icefield_engines.polars"]
        self.process = await asyncio.to_thread(self._begin, argv)

    def _begin(self, argv: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("wb") as log:
            return subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._env)

    @property
    def exit_code(self) -> int | None:
        assert self.process is not None
        return self.process.poll()

    @property
    def message(self) -> str:
        path = self._folder / "termination-log"
        return path.read_text() if path.exists() else ""

    @property
    def output(self) -> str:
        return (self._folder / "log").read_text()

    async def terminate(self) -> int:
        """Send SIGTERM to its first process, from outside of its namespace."""
        assert self.process is not None
        for child in psutil.Process(self.process.pid).children():
            child.send_signal(signal.SIGTERM)
        return await asyncio.to_thread(self.process.wait, 10)

    async def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            await asyncio.to_thread(self.process.wait)


@pytest.fixture(autouse=True)
def _programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Node, "make", staticmethod(lambda pod: Program(pod, tmp_path)))
    yield


async def test_a_script_that_fails_cold_and_warm(place: Place, node: Node) -> None:
    await place.cluster.merge_patch(
        "Workspace", None, place.workspace, {"spec": {"sandboxes": {"warmPool": {"size": 1}}}}
    )
    for name in ("cold", "warm"):
        await submit(place, name, **WRONG)
        run = await place.phase(name, "failed")
        assert run.status.error.startswith("script line 2: ColumnNotFoundError: ")
        assert (run.status.polars.error_kind, run.status.polars.error_line) == ("script", 2)
        (attempt,) = run.status.tasks[0].attempts
        assert attempt.pod_name.startswith("sandbox-") == (name == "warm")
        program = node.sandboxes[attempt.pod_name]
        assert await eventually(lambda p=program: asyncio.sleep(0, p.exit_code)) == 1, "acknowledged, it ends"
        assert program.output == "before\n"
        await pool_of(place, 1)


async def test_an_endless_loop_is_cancelled(place: Place, node: Node) -> None:
    await submit(place, "endless", **ENDLESS)
    run = await place.phase("endless", "running")
    await place.cancel("endless")
    run = await place.phase("endless", "cancelled")
    assert run.status.error is None
    assert node.sandboxes[run.status.tasks[0].attempts[0].pod_name].exit_code == 143


async def test_a_workload_that_takes_too_long_says_so_itself(place: Place, node: Node) -> None:
    await place.create("Run", {"polars": ENDLESS, "timeoutSeconds": 2}, "slow")
    run = await place.phase("slow", "failed")
    assert run.status.error == "the workload took longer than its timeout of 2 s"
    assert run.status.polars.error_kind == "time"
