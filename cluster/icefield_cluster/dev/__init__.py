"""`icefield dev`: operator and API server from the checkout against the running cluster, started anew on every change.

Both use the service accounts, Secrets and settings of the Deployments they stand in for: what works here works there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from rich.console import Console

from icefield_cluster.errors import ClusterError
from icefield_cluster.install import generated
from icefield_cluster.install.generated import NAMESPACE, Values
from icefield_cluster.install.installer import OBJECT_STORE_NODE_PORT
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.install.node import node_address, our_address
from icefield_cluster.paths import CHECKOUT
from icefield_cluster.state import ClusterState, write_private

# What both reach through kubectl, with its port.
FORWARDED = {"icefield-postgres": 5432, "icefield-catalog": 8181}
DEPLOYMENTS = ("icefield-operator", "icefield-apiserver")
TOKEN_LIFETIME = "24h"  # noqa: S105 - a duration
# What each program is made of, as folders of the checkout.
SOURCES = {"icefield_operator": ("operator", "crds"), "icefield_apiserver": ("apiserver", "crds")}


def run(state: ClusterState, kubectl: Kubectl, console: Console, *, port: int) -> None:
    """Run both until interrupted, then give the cluster its own back.

    Args:
        state: the cluster.
        kubectl: reaches it.
        console: told where things are.
        port: TCP port for the API server on this machine.

    Raises:
        ClusterError: one of the programs ended.
    """
    # To be ended politely is no reason to leave the cluster without an operator.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    folder = state.directory / "dev"
    folder.mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        secrets = generated.read(kubectl)
        environments = _environments(kubectl, secrets, folder, port)
        stack.enter_context(_scaled_down(kubectl, folder / "kubectl.log"))
        ports, children = {}, {}
        for service, port_inside in FORWARDED.items():
            ports[service] = _free_port()
            forward = ["port-forward", f"--namespace={NAMESPACE}", f"service/{service}"]
            argv = [*kubectl.argv, *forward, f"{ports[service]}:{port_inside}"]
            children[f"port-forward of {service}"] = stack.enter_context(_child(argv, {}, quiet=True))
        environments["icefield_apiserver"]["ICEFIELD_DATABASE_URL"] = _database_url(
            secrets["icefield-postgres"], ports["icefield-postgres"]
        )
        environments["icefield_operator"] |= _catalog(secrets["icefield-catalog-server"], ports["icefield-catalog"])
        for forwarded in ports.values():
            _wait_for_port(forwarded)
        for module, environment in environments.items():
            command = f"{sys.executable} -m {module}"
            folders = [str(CHECKOUT / source) for source in SOURCES[module]]
            watch = [sys.executable, "-m", "watchfiles", "--filter", "python", command, *folders]
            children[module] = stack.enter_context(_child(watch, environment))
        address = our_address(node_address(kubectl))
        console.print(f"The API server from the checkout: https://{address}:{port}/docs", highlight=False)
        console.print("Ctrl-C gives the cluster its own operator and API server back.", highlight=False)
        with suppress(KeyboardInterrupt):
            _wait(children)


def _environments(
    kubectl: Kubectl, secrets: Mapping[str, Values], folder: Path, port: int
) -> dict[str, dict[str, str]]:
    node = node_address(kubectl)
    store = secrets["icefield-object-store"]
    # Reached by name only inside the cluster; the node port is reached by the pods and by us.
    common = {"ICEFIELD_OBJECT_STORE_ENDPOINT": f"http://{node}:{OBJECT_STORE_NODE_PORT}"}
    for key, variable in (
        ("provider", "PROVIDER"),
        ("externalEndpoint", "EXTERNAL_ENDPOINT"),
        ("region", "REGION"),
        ("bucket", "BUCKET"),
        ("accessKeyId", "ACCESS_KEY_ID"),
        ("secretAccessKey", "SECRET_ACCESS_KEY"),
    ):
        common[f"ICEFIELD_OBJECT_STORE_{variable}"] = store[key]
    files = _files(secrets, folder)
    operator = {
        **common,
        **_operator_settings(kubectl),
        "POD_NAMESPACE": NAMESPACE,
        "KUBECONFIG": str(_kubeconfig(kubectl, "icefield-operator", folder)),
        "ICEFIELD_API_URL": f"https://{our_address(node)}:{port}",
        "ICEFIELD_TLS_CA_FILE": files["icefield-tls/ca.crt"],
        "ICEFIELD_RUN_TOKEN_PRIVATE_KEY_FILE": files["icefield-run-token/private.pem"],
        "ICEFIELD_HEALTH_PORT": str(_free_port()),
    }
    apiserver = {
        **common,
        "KUBECONFIG": str(_kubeconfig(kubectl, "icefield-apiserver", folder)),
        "ICEFIELD_BIND": f"0.0.0.0:{port}",
        "ICEFIELD_SESSION_KEY": secrets["icefield-session"]["key"],
        "ICEFIELD_TLS_CERT_FILE": files["icefield-tls/tls.crt"],
        "ICEFIELD_TLS_KEY_FILE": files["icefield-tls/tls.key"],
        "ICEFIELD_RUN_TOKEN_PUBLIC_KEY_FILE": files["icefield-run-token/public.pem"],
        "ICEFIELD_ADMIN_EMAIL": secrets["icefield-admin"]["email"],
        "ICEFIELD_ADMIN_PASSWORD": secrets["icefield-admin"]["password"],
    }
    return {"icefield_operator": operator, "icefield_apiserver": apiserver}


def _catalog(catalog: Values, port: int) -> dict[str, str]:
    # Its management is called by us, the catalog itself by pods.
    management = f"http://127.0.0.1:{port}" if catalog.get("managementUri") else ""
    return {
        "ICEFIELD_CATALOG_PROVIDER": catalog["provider"],
        "ICEFIELD_CATALOG_URI": catalog["uri"],
        "ICEFIELD_CATALOG_MANAGEMENT_URI": management,
        "ICEFIELD_CATALOG_ADMIN_TOKEN": catalog.get("adminToken", ""),
    }


def _files(secrets: Mapping[str, Values], folder: Path) -> dict[str, str]:
    paths = {}
    for secret in ("icefield-tls", "icefield-run-token"):
        for key, text in secrets[secret].items():
            path = folder / f"{secret}-{key}"
            write_private(path, text)
            paths[f"{secret}/{key}"] = str(path)
    return paths


def _operator_settings(kubectl: Kubectl) -> dict[str, str]:
    deployment = kubectl.get("deployment", "icefield-operator", f"--namespace={NAMESPACE}")
    settings: dict[str, str] = {}
    for source in deployment["spec"]["template"]["spec"]["containers"][0].get("envFrom", []):
        name = source.get("configMapRef", {}).get("name")
        if name:
            settings |= kubectl.get("configmap", name, f"--namespace={NAMESPACE}").get("data", {})
    return settings


def _kubeconfig(kubectl: Kubectl, account: str, folder: Path) -> Path:
    config = json.loads(kubectl.output("config", "view", "--raw", "--minify", "--flatten", "--output=json"))
    create = ("create", "token", account, f"--namespace={NAMESPACE}", f"--duration={TOKEN_LIFETIME}")
    config["users"][0]["user"] = {"token": kubectl.output(*create).strip()}
    path = folder / f"{account}.kubeconfig"
    write_private(path, json.dumps(config))
    return path


def _database_url(postgres: Values, port: int) -> str:
    return postgres["url"].replace(f"@{postgres['host']}:{postgres['port']}/", f"@127.0.0.1:{port}/")


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
    argv: Sequence[str | Path], environment: Mapping[str, str], *, quiet: bool = False
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


def _wait(children: Mapping[str, subprocess.Popen[bytes]]) -> None:
    while True:
        for name, child in children.items():
            if child.poll() is not None:
                raise ClusterError(f"{name} ended with code {child.returncode}", fix="run `icefield dev` again")
        time.sleep(0.5)


def _wait_for_port(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise ClusterError("the database or the catalog could not be reached through kubectl port-forward")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
