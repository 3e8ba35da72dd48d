"""A real etcd, kube-apiserver and kube-controller-manager for tests.

There is no node, so pods stay pending and a test plays the kubelet.

As a fixture (session-scoped, in tests/conftest.py), for tests marked `integration`:

    @pytest.mark.integration
    def test_something(control_plane: ControlPlane) -> None:
        control_plane.apply_crds()                      # idempotent; waits until they are served
        control_plane.kubectl("apply", "-f", "-", stdin=yaml_text)
        client = something(control_plane.kubeconfig)    # path of an administrator's kubeconfig

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
from pathlib import Path

from icefield_cluster import processes
from icefield_cluster.commands import Argument, output
from icefield_cluster.standalone import binaries, controlplane, etcd, pki
from icefield_cluster.standalone.layout import ControlPlaneLayout, Ports
from icefield_cluster.standalone.versions import ETCD, KUBERNETES

REPOSITORY = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class ControlPlane:
    """A running control plane: the administrator's kubeconfig and the kubectl that goes with it."""

    kubeconfig: Path
    url: str

    def kubectl(self, *arguments: str, stdin: str | None = None, timeout: float = 60) -> str:
        """Run kubectl as administrator and return its stdout; raises CommandError with its stderr."""
        argv: list[Argument] = [binaries.find("kubectl"), "--kubeconfig", self.kubeconfig, *arguments]
        return output(argv, stdin=stdin, timeout=timeout)

    def apply_crds(self) -> None:
        """Apply the rendered CRDs and wait until they are served."""
        self.kubectl("apply", "--server-side", "-k", str(REPOSITORY / "crds"))
        files = (f"--filename={path}" for path in sorted((REPOSITORY / "crds").glob("icefield.dev_*.yaml")))
        self.kubectl("wait", "--for=condition=Established", "--timeout=30s", *files)


@contextmanager
def running_control_plane() -> Iterator[ControlPlane]:
    """Start a control plane on free ports of the loopback device, and end it afterwards."""
    with ExitStack() as stack:
        root = Path(tempfile.mkdtemp(prefix="icefield-"))
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        layout = ControlPlaneLayout(root, "127.0.0.1", ports=_free_ports(), durable=False)
        for module in (ETCD, KUBERNETES):
            binaries.ensure(module, layout.logs / f"build-{module.name}.log")
        pki.ensure(layout)
        _start("etcd", etcd.command(layout), layout, stack)
        apiserver = _start("kube-apiserver", controlplane.apiserver(layout), layout, stack)
        processes.wait_until(
            "kube-apiserver", [apiserver], lambda: controlplane.is_ready(layout), timeout=90, log=apiserver_log(layout)
        )
        controlplane.bind_roles(layout)
        _start("kube-controller-manager", controlplane.controller_manager(layout), layout, stack)
        plane = ControlPlane(layout.admin_kubeconfig, layout.url)
        # Pods are refused until their namespace has its service account, which the controller manager makes.
        plane.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=60s", timeout=70)
        yield plane


def apiserver_log(layout: ControlPlaneLayout) -> Path:
    """The API server's log."""
    return layout.logs / "kube-apiserver.log"


def _start(name: str, argv: list[str | Path], layout: ControlPlaneLayout, stack: ExitStack) -> processes.Process:
    process = processes.spawn(name, argv, log=layout.logs / f"{name}.log")
    stack.callback(processes.stop_pids, [process.pid], grace=0)
    return process


def _free_ports() -> Ports:
    with ExitStack() as stack:
        numbers = []
        for _ in range(5):
            listener = stack.enter_context(socket.socket())
            listener.bind(("127.0.0.1", 0))
            numbers.append(listener.getsockname()[1])
        return Ports(*numbers)
