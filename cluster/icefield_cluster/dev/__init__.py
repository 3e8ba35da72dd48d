"""`icefield dev`: operator and API server from the checkout against the running cluster, restarted on every change.

Both have the service accounts, environment and files of the Deployments that they replace, and run in the cluster's
network where that can be entered: what works here works there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from rich.console import Console
from tenacity import Retrying, retry_if_result, wait_fixed

from icefield_cluster.commands import Argument
from icefield_cluster.dev.deployment import Container
from icefield_cluster.dev.reach import Reach, inside, outside
from icefield_cluster.errors import ClusterError
from icefield_cluster.install.generated import NAMESPACE
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.paths import CHECKOUT
from icefield_cluster.state import ClusterState, write_private

DEPLOYMENTS = ("icefield-operator", "icefield-apiserver")
TOKEN_LIFETIME = "24h"  # noqa: S105 - a duration
# What each program is made of, as folders of the checkout.
SOURCES = {
    "icefield_operator": ("operator", "kube", "crds"),
    "icefield_apiserver": ("apiserver", "kube", "sql", "crds"),
}


def run(state: ClusterState, kubectl: Kubectl, enter: tuple[str, ...], console: Console, *, port: int) -> None:
    """Run both until interrupted, then scale the cluster's own Deployments up again.

    Args:
        state: the cluster.
        kubectl: reaches it.
        enter: what starts a program in its network; empty where none can be.
        console: shows the URLs.
        port: TCP port for the API server.

    Raises:
        ClusterError: one of the programs ended.
    """
    # SIGTERM too has to scale the cluster's operator up again.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = state.directory / "dev"
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        children: dict[str, subprocess.Popen[bytes]] = {}

        def start_forward(name: str, argv: Sequence[Argument]) -> None:
            children[name] = stack.enter_context(_child(argv, {}, quiet=True))

        reach = inside(kubectl, enter) if enter else outside(kubectl, start_forward)
        environments = _environments(kubectl, reach, folder, port)
        stack.enter_context(_scaled_down(kubectl, folder / "kubectl.log"))
        for module, environment in environments.items():
            command = f"{sys.executable} -m {module}"
            folders = [str(CHECKOUT / source) for source in SOURCES[module]]
            watch = [*reach.enter, sys.executable, "-m", "watchfiles", "--filter", "python", command, *folders]
            children[module] = stack.enter_context(_child(watch, environment))
        console.print(f"The API server from the checkout: https://{reach.address}:{port}/docs", highlight=False)
        if not reach.enter:
            console.print("Pods cannot be reached from here: no SQL warehouses, no Polars workloads.", highlight=False)
        console.print("Ctrl-C starts the cluster's own operator and API server again.", highlight=False)
        with suppress(KeyboardInterrupt):
            _watch(children)


def _environments(kubectl: Kubectl, reach: Reach, folder: Path, port: int) -> dict[str, dict[str, str]]:
    own = {
        "icefield-operator": {
            "ICEFIELD_API_URL": f"https://{reach.address}:{port}",
            "ICEFIELD_HEALTH_PORT": "0",
        },
        "icefield-apiserver": {"ICEFIELD_BIND": f"0.0.0.0:{port}"},
    }
    return {
        deployment.replace("-", "_"): {
            **reach.adapt(Container(kubectl, deployment).environment(folder)),
            "KUBECONFIG": str(_kubeconfig(kubectl, deployment, folder)),
            **own[deployment],
        }
        for deployment in DEPLOYMENTS
    }


def _kubeconfig(kubectl: Kubectl, account: str, folder: Path) -> Path:
    config = json.loads(kubectl.output("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
    create = ("create", "token", account, f"--namespace={NAMESPACE}", f"--duration={TOKEN_LIFETIME}")
    config["users"][0]["user"] = {"token": kubectl.output(*create).strip()}
    path = folder / f"{account}.kubeconfig"
    write_private(path, json.dumps(config))
    return path


@contextmanager
def _scaled_down(kubectl: Kubectl, log: Path) -> Iterator[None]:
    replicas = {
        name: kubectl.get("deployment", name, f"--namespace={NAMESPACE}")["spec"]["replicas"] for name in DEPLOYMENTS
    }
    try:
        for name in DEPLOYMENTS:
            kubectl.run("scale", f"deployment/{name}", f"--namespace={NAMESPACE}", "--replicas=0", log=log)
        # Two operators at once would be safe but confusing.
        selector = "--selector=app.kubernetes.io/name in (icefield-operator,icefield-apiserver)"
        kubectl.run("wait", "pod", selector, f"--namespace={NAMESPACE}", "--for=delete", "--timeout=60s", log=log)
        yield
    finally:
        for name, number in replicas.items():
            wanted = f"--replicas={max(number, 1)}"
            kubectl.run("scale", f"deployment/{name}", f"--namespace={NAMESPACE}", wanted, log=log)


@contextmanager
def _child(
    argv: Sequence[Argument], environment: Mapping[str, str], *, quiet: bool = False
) -> Iterator[subprocess.Popen[bytes]]:
    sink = subprocess.DEVNULL if quiet else None
    child = subprocess.Popen(argv, env={**os.environ, **environment}, stdout=sink, start_new_session=True)
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(timeout=25)
        except subprocess.TimeoutExpired:
            child.kill()


def _watch(children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    def check() -> bool:
        for name, child in children.items():
            if child.poll() is not None:
                raise ClusterError(f"{name} ended with code {child.returncode}", fix="run `icefield dev` again")
        return True

    # Until one of them ends, or the user interrupts.
    Retrying(retry=retry_if_result(bool), wait=wait_fixed(0.5))(check)
