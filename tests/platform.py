"""A whole cluster with Icefield in it, for tests: real kubelet, containers, Postgres, object store; by `icefield up`.

As a fixture (session-scoped, in tests/conftest.py) for tests marked `e2e`, `conformance` or `chaos`:

    @pytest.mark.e2e
    def test_something(platform: Platform) -> None: ...

All workers of a run share it; it is brought up in the background as soon as the run knows that a test wants it.
Tests run on it side by side, except those that kill, reconfigure or count what others use
(tests/schedule.py).

With ICEFIELD_TEST_KEEP=1 the cluster stays afterwards, and the next session uses and updates it instead of a new one.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from icefield_cluster import processes, providers
from icefield_cluster.images import REGISTRY
from icefield_cluster.install.generated import ADMIN_EMAIL
from icefield_cluster.standalone.node import cluster_id
from icefield_cluster.state import ClusterState, load

NAME = "test"
KEPT = Path(tempfile.gettempdir()) / "icefield-test-kept"
UP_TIMEOUT_SECONDS = 3600
DOWN_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Platform:
    """A running installation, as an administrator with a key for one workspace sees it.

    Args:
        state: what `icefield` remembers of it.
        name: the cluster's name.
        cgroup: name of the cgroup that all of its pods live under (standalone).
        kubeconfig: the cluster administrator's kubeconfig.
        kubectl: path of a kubectl of the cluster's version.
        runtime_image: the image tasks run in unless they name another.
        foreign_image: an image in the cluster that is not the runtime image.
        api_url: URL of the API server, without /api/v1.
        api_key: the platform administrator's key, bound to `workspace`.
        ca_bundle: PEM file of the authorities to trust.
        admin_email: the first administrator's email.
        admin_password: the first administrator's password.
        workspace: the workspace's slug.
    """

    state: ClusterState
    name: str
    cgroup: str
    kubeconfig: Path
    kubectl: Path
    runtime_image: str
    foreign_image: str
    api_url: str
    api_key: str
    ca_bundle: Path
    admin_email: str
    admin_password: str
    workspace: str = "demo"

    def client(self, api_key: str | None = None) -> httpx.Client:
        """A client of the REST API, with the administrator's key unless another is given."""
        return httpx.Client(
            base_url=f"{self.api_url}/api/v1",
            headers={"Authorization": f"Bearer {api_key or self.api_key}"},
            verify=ssl.create_default_context(cafile=str(self.ca_bundle)),
            timeout=30,
        )

    def administrator(self) -> httpx.Client:
        """A client logged in as the first administrator, who manages workspaces and people."""
        credentials = {"email": self.admin_email, "password": self.admin_password}
        with self.client() as client:
            login = client.post("/auth/login", json=credentials).raise_for_status()
        return self.client(login.json()["access_token"])


def icefield(*arguments: str | Path, timeout: float = UP_TIMEOUT_SECONDS) -> subprocess.CompletedProcess[str]:
    """Run the `icefield` command of this environment; its output goes to the result."""
    program = Path(sys.executable).with_name("icefield")
    return subprocess.run(
        [program, *map(str, arguments)], capture_output=True, text=True, timeout=timeout, check=False, cwd="/"
    )


@dataclass(frozen=True)
class ComingPlatform:
    """A cluster that is being brought up in the background, or is up.

    Args:
        directory: where its state is.
        log: what `icefield up` prints; its exit code is written beside it at its end.
        process: that command.
        keep: whether the cluster stays after the run.
    """

    directory: Path
    log: Path
    process: processes.Process
    keep: bool

    def wait(self) -> Platform:
        """Wait until it is up, and return it."""
        deadline = time.monotonic() + UP_TIMEOUT_SECONDS
        while self.process.alive:
            assert time.monotonic() < deadline, f"icefield up is not done:\n{self._output()}"
            time.sleep(0.2)
        code = _exit_code(self.log)
        assert code.exists() and code.read_text().strip() == "0", self._output()
        return of(self.directory)

    def stop(self) -> None:
        """Take it down again, whatever state it is in, unless it is to be kept."""
        processes.stop_pids([self.process.pid] if self.process.alive else [], grace=10)
        if self.keep:
            return
        down = icefield("down", *_place(self.directory), timeout=DOWN_TIMEOUT_SECONDS)
        shutil.rmtree(self.directory, ignore_errors=True)
        is_gone = down.returncode == 0 or "no cluster" in down.stdout + down.stderr  # it was stopped before it began
        assert is_gone, down.stdout[-4000:] + down.stderr[-4000:]

    def _output(self) -> str:
        return self.log.read_text(errors="replace")[-12000:]


def start_platform(folder: Path) -> ComingPlatform:
    """Begin to bring a cluster up, and return at once.

    Args:
        folder: an empty folder for the log.
    """
    keep = os.environ.get("ICEFIELD_TEST_KEEP") == "1"
    # Short, because sockets lie below it.
    directory = KEPT if keep else Path(tempfile.mkdtemp(prefix="icefield-test-"))
    log = folder / "up.log"
    program = Path(sys.executable).with_name("icefield")
    script = f'"$@"; echo $? > {_exit_code(log)}'
    argv: list[str | Path] = ["sh", "-c", script, "up", program, "up", *_place(directory)]
    return ComingPlatform(directory, log, processes.spawn("icefield-up", argv, log=log), keep)


def _place(directory: Path) -> tuple[str, ...]:
    return ("--name", NAME, "--state-dir", str(directory))


def _exit_code(log: Path) -> Path:
    return log.with_suffix(".code")


def of(directory: Path) -> Platform:
    """The installation whose state is in a folder."""
    state = load(directory)
    assert state is not None
    kubectl = providers.BY_NAME[state.provider].kubectl(state)
    return Platform(
        state=state,
        name=state.name,
        cgroup=f"icefield-{cluster_id(state.name, directory)}",
        kubeconfig=state.kubeconfig,
        kubectl=kubectl.program,
        runtime_image=f"{REGISTRY}/icefield/runtime:{state.images['runtime']}",
        foreign_image=f"{REGISTRY}/icefield/operator:{state.images['operator']}",
        api_url=state.api_url,
        api_key=state.api_key.read_text(encoding="utf-8").strip(),
        ca_bundle=state.ca_bundle,
        admin_email=ADMIN_EMAIL,
        admin_password=state.admin_password.read_text(encoding="utf-8").strip(),
    )
