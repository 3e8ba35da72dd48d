"""A real etcd, kube-apiserver and kube-controller-manager for tests.

There is no node, so pods stay pending and a test plays the kubelet.

As a fixture (session-scoped, in tests/conftest.py), for tests marked `integration`:

    @pytest.mark.integration
    def test_something(control_plane: ControlPlane) -> None:
        control_plane.client.apply({"apiVersion": "v1", "kind": "Namespace", …})
        control_plane.kubectl("apply", "-f", "-", stdin=yaml_text)    # where kubectl itself is tested: it takes 0.3 s
        client = something(control_plane.kubeconfig)                  # path of an administrator's kubeconfig

All workers of a run share it, with our custom resources installed; tests keep apart by namespace. An operator under
test sees only the workspaces of its own worker: see tests/integration/own_cache.py.

As a context manager, for a control plane of one's own: `with running_control_plane() as control_plane: …`.
Starts in about 10 s once the programs are in the cache (the first use builds them), and leaves nothing behind.
"""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import httpx
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from icefield_cluster import processes
from icefield_cluster.commands import Argument, output
from icefield_cluster.programs import binaries
from icefield_cluster.programs.versions import ETCD, KUBERNETES
from icefield_cluster.standalone import controlplane, etcd, pki
from icefield_cluster.standalone.layout import ControlPlaneLayout, Ports
from icefield_crds import KINDS
from icefield_crds.names import API_VERSION
from tests.kubernetes_client import Kind, KubernetesClient

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane: the administrator's kubeconfig, and the clients that go with it."""

    kubeconfig: Path
    url: str
    processes: tuple[processes.Process, ...] = ()

    @property
    def client(self) -> KubernetesClient:
        """A client with the administrator's rights."""
        return _client(self.kubeconfig)

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl as administrator and return its stdout; raises CommandError with its stderr."""
        argv: list[Argument] = [binaries.find("kubectl"), "--kubeconfig", self.kubeconfig, *arguments]
        return output(argv, stdin=stdin, timeout=timeout)

    def apply_crds(self) -> None:
        """Apply the rendered CRDs and the priority classes, and wait until objects of ours can be listed."""
        self.kubectl("apply", "--server-side", "-f", str(REPOSITORY / "manifests" / "base" / "priority-class.yaml"))
        self.kubectl("apply", "--server-side", "-k", str(REPOSITORY / "crds"))
        files = (f"--filename={path}" for path in sorted((REPOSITORY / "crds").glob("icefield.dev_*.yaml")))
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *files)
        for kind in KINDS:
            _wait_until_stored(self.client, (API_VERSION, kind.PLURAL))

    def stop(self) -> None:
        """Kill its programs."""
        processes.stop_pids([process.pid for process in reversed(self.processes)], grace=0)


@retry(
    retry=retry_if_exception(
        lambda error: (
            isinstance(error, httpx.HTTPStatusError) and error.response.status_code == httpx.codes.TOO_MANY_REQUESTS
        )
    ),
    wait=wait_fixed(0.1),
    stop=stop_after_delay(30),
    reraise=True,
)
def _wait_until_stored(client: KubernetesClient, kind: Kind) -> None:
    """Wait until a kind that is established can be listed: its storage is initialized after that."""
    client.list(kind)


@cache
def _client(kubeconfig: Path) -> KubernetesClient:
    return KubernetesClient(kubeconfig)


def start_control_plane(root: Path) -> ControlPlane:
    """Start a control plane on free ports of the loopback device.

    Args:
        root: an empty folder for all of its files.
    """
    layout = ControlPlaneLayout(root, "127.0.0.1", ports=_free_ports(), durable=False)
    for module in (ETCD, KUBERNETES):
        binaries.ensure(module, layout.logs / f"build-{module.name}.log")
    pki.ensure(layout)
    started: list[processes.Process] = []
    try:
        started.append(_start("etcd", etcd.command(layout), layout))
        started.append(_start("kube-apiserver", controlplane.apiserver(layout), layout))
        log = layout.logs / "kube-apiserver.log"
        processes.wait_until(
            "kube-apiserver", [started[-1]], lambda: controlplane.is_ready(layout), timeout=90, log=log
        )
        controlplane.bind_roles(layout)
        started.append(_start("kube-controller-manager", controlplane.controller_manager(layout), layout))
        plane = ControlPlane(layout.admin_kubeconfig, layout.url, tuple(started))
        # Pods are refused until their namespace has its service account, which the controller manager makes.
        plane.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=60s", timeout=70)
    except BaseException:
        processes.stop_pids([process.pid for process in started], grace=0)
        raise
    return plane


@contextmanager
def running_control_plane() -> Iterator[ControlPlane]:
    """Start a control plane, and end it afterwards."""
    root = Path(tempfile.mkdtemp(prefix="icefield-"))
    try:
        plane = start_control_plane(root)
        try:
            yield plane
        finally:
            plane.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _start(name: str, argv: list[str | Path], layout: ControlPlaneLayout) -> processes.Process:
    return processes.spawn(name, argv, log=layout.logs / f"{name}.log")


def _free_ports() -> Ports:
    with ExitStack() as stack:
        numbers = []
        for _ in range(5):
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            numbers.append(listener.getsockname()[1])
        return Ports(*numbers)
