"""Everything that a burst of runs needs, as processes of this machine."""

from __future__ import annotations

import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import certifi
import httpx
import psutil
import yaml
from tests.controlplane import REPOSITORY, ControlPlane, start_control_plane
from tests.kubernetes_client import WORKSPACES, KubernetesClient
from tests.object_store import REGION, RunningObjectStore, start_object_store
from tests.postgres import start_postgres
from tests.prometheus import may_read_metrics

from icefield_cluster import processes
from icefield_cluster.commands import Argument
from icefield_cluster.install.api import Api
from icefield_cluster.programs import binaries
from icefield_crds.names import API_VERSION, namespace_of

from . import fake_nodes
from .fake_nodes import PodLog

SYSTEM = "icefield-system"
WORKSPACE = "bench"
NAMESPACE = namespace_of(WORKSPACE)
ADMIN = {"email": "admin@icefield.local", "password": "correct horse battery"}
IMAGES = ("RUNTIME", "TINI", "WAREHOUSE", "POLARS", "POLARS_CLOUD")
OPERATOR, APISERVER = "icefield_operator", "icefield_apiserver"
CALLS_METRIC = "icefield_kubernetes_requests_total"


@dataclass(frozen=True)
class Program:
    """A process of ours."""

    process: psutil.Process
    url: str
    metrics_reader: dict[str, str]
    """Headers of requests that may read its metrics."""

    def is_ready(self) -> bool:
        """Return whether /readyz succeeds."""
        try:
            return httpx.get(f"{self.url}/readyz", trust_env=False, timeout=5).is_success
        except httpx.HTTPError:
            return False

    def cpu_seconds(self) -> float:
        """Return the CPU time it has used."""
        used = self.process.cpu_times()
        return float(used.user + used.system)

    def resident_bytes(self) -> int:
        """Return the memory it has."""
        return int(self.process.memory_info().rss)

    def calls(self) -> dict[str, float]:
        """Return how many calls it has made to Kubernetes, by `method resource`, as it counts them itself."""
        answer = httpx.get(f"{self.url}/metrics", headers=self.metrics_reader, trust_env=False, timeout=30)
        text = answer.raise_for_status().text
        found = {}
        for line in text.splitlines():
            if line.startswith(f"{CALLS_METRIC}{{"):
                labels, _, value = line.removeprefix(CALLS_METRIC).rpartition(" ")
                pairs = dict(pair.split("=") for pair in labels.strip("{}").replace('"', "").split(","))
                found[f"{pairs['method']} {pairs['resource']}"] = float(value)
        return found


@dataclass(frozen=True)
class Site:
    """A running installation."""

    control_plane: ControlPlane
    operator: Program
    apiserver: Program
    key: str
    start_operator: Callable[[], Program]
    """Starts one more; the first must have ended, or the second stands by."""

    @property
    def kubernetes(self) -> KubernetesClient:
        """A client with the administrator's rights."""
        return self.control_plane.client

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU time that each program has used, of this process ("client") and its children."""
        client = psutil.Process()
        names = {client.pid: "client", self.operator.process.pid: OPERATOR, self.apiserver.process.pid: APISERVER}
        used: dict[str, float] = {}
        for process in (client, *client.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                name, times = names.get(process.pid) or process.name(), process.cpu_times()
                used[name] = used.get(name, 0.0) + times.user + times.system
        return used

    def rest(self) -> httpx.AsyncClient:
        """Return a new client of the REST API, with a key of the workspace."""
        headers = {"Authorization": f"Bearer {self.key}"}
        return httpx.AsyncClient(base_url=f"{self.apiserver.url}/api/v1", headers=headers, timeout=120, trust_env=False)


@contextmanager
def running_site(nodes: int, logs: Iterable[PodLog] = ()) -> Iterator[Site]:
    """Start everything, and end it afterwards.

    Args:
        nodes: how many nodes to simulate; 0 where no pod is to run.
        logs: of pods that print more than one line.
    """
    root = Path(tempfile.mkdtemp(prefix="icefield-scale-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, root, ignore_errors=True)
        plane = start_control_plane(_folder(root / "control-plane"))
        stack.callback(plane.stop)
        store = start_object_store(_folder(root / "object-store"))
        stack.callback(store.stop)
        postgres = start_postgres(_folder(root / "postgres"))
        stack.callback(postgres.stop)
        started: list[processes.Process] = []
        stack.callback(lambda: processes.stop(started))
        if nodes:
            started += _start_nodes(root, plane, nodes, logs)
        _install(plane)
        ours = _Ours(root, plane, store, postgres.url)
        operator, apiserver = ours.operator(started), ours.apiserver(started)
        key = _make_workspace(plane.client, apiserver.url)
        yield Site(plane, operator, apiserver, key, start_operator=lambda: ours.operator(started))


def _start_nodes(root: Path, plane: ControlPlane, count: int, logs: Iterable[PodLog]) -> list[processes.Process]:
    """Start the scheduler and the nodes."""
    kubeconfigs = plane.kubeconfig.parent
    scheduler: list[Argument] = [binaries.find("kube-scheduler"), f"--kubeconfig={kubeconfigs / 'scheduler.conf'}"]
    scheduler += [f"--secure-port={_free_port()}", "--bind-address=127.0.0.1", "--leader-elect=false"]
    fake_nodes.join(plane.client, count)
    started = [
        processes.spawn("kube-scheduler", scheduler, log=root / "kube-scheduler.log"),
        fake_nodes.start(_folder(root / "kwok"), plane.kubeconfig, _free_port(), logs),
    ]
    processes.wait_until(
        "every node", started, lambda: fake_nodes.are_ready(plane.client), timeout=60, log=root / "kwok/kwok.log"
    )
    return started


def _install(plane: ControlPlane) -> None:
    """Apply our manifests; what they would run in pods runs here as processes."""
    plane.apply_crds()
    plane.kubectl("apply", "--server-side", "-k", str(REPOSITORY / "manifests/base"))
    plane.kubectl("delete", "deployments", "--all", "-n", SYSTEM)


class _Ours:
    """Starts the operator and the API server, each with the rights of its service account."""

    def __init__(self, root: Path, plane: ControlPlane, store: RunningObjectStore, database_url: str) -> None:
        self._root = root
        self._plane = plane
        self._database_url = database_url
        self._metrics_reader = may_read_metrics(plane)
        self._private_key, self._public_key = root / "private.pem", root / "public.pem"
        _openssl("genpkey", "-algorithm", "ed25519", "-out", str(self._private_key))
        _openssl("pkey", "-in", str(self._private_key), "-pubout", "-out", str(self._public_key))
        self._store = {
            "ICEFIELD_OBJECT_STORE_PROVIDER": "versitygw",
            "ICEFIELD_OBJECT_STORE_ENDPOINT": store.url,
            "ICEFIELD_OBJECT_STORE_REGION": REGION,
            "ICEFIELD_OBJECT_STORE_BUCKET": "icefield",
            "ICEFIELD_OBJECT_STORE_ACCESS_KEY_ID": store.access_key_id,
            "ICEFIELD_OBJECT_STORE_SECRET_ACCESS_KEY": store.secret_access_key,
        }

    def operator(self, started: list[processes.Process]) -> Program:
        """Start the operator and wait until it is ready."""
        port = _free_port()
        images = {f"ICEFIELD_{name}_IMAGE": f"localhost/icefield/{name.lower()}:bench" for name in IMAGES}
        env = {
            "ICEFIELD_RUN_TOKEN_PRIVATE_KEY_FILE": str(self._private_key),
            "ICEFIELD_HEALTH_PORT": str(port),
            # Nobody uses it; a workspace without a catalog is not ready.
            "ICEFIELD_CATALOG_PROVIDER": "rest",
            "ICEFIELD_CATALOG_URI": "https://catalog.example/catalog",
        }
        return self._start(OPERATOR, "icefield-operator", port, images | env, started)

    def apiserver(self, started: list[processes.Process]) -> Program:
        """Start the API server and wait until it is ready."""
        port = _free_port()
        env = {
            "ICEFIELD_BIND": f"127.0.0.1:{port}",
            "ICEFIELD_DATABASE_URL": self._database_url,
            "ICEFIELD_SESSION_KEY": "k" * 43,
            "ICEFIELD_RUN_TOKEN_PUBLIC_KEY_FILE": str(self._public_key),
            "ICEFIELD_ADMIN_EMAIL": ADMIN["email"],
            "ICEFIELD_ADMIN_PASSWORD": ADMIN["password"],
            "ICEFIELD_RETENTION_INTERVAL_SECONDS": "5",
        }
        return self._start(APISERVER, "icefield-apiserver", port, env, started)

    def _start(
        self, module: str, account: str, port: int, env: dict[str, str], started: list[processes.Process]
    ) -> Program:
        log = self._root / f"{module}.log"
        env = self._store | env | {"KUBECONFIG": str(self._kubeconfig(account)), "NO_PROXY": "*", "no_proxy": "*"}
        process = processes.spawn(module, [sys.executable, "-m", module], log=log, env=env)
        started.append(process)
        program = Program(psutil.Process(process.pid), f"http://127.0.0.1:{port}", self._metrics_reader)
        processes.wait_until(module, [process], program.is_ready, timeout=120, log=log)
        return program

    def _kubeconfig(self, account: str) -> Path:
        token = self._plane.kubectl("create", "token", account, "-n", SYSTEM, "--duration=24h").strip()
        config = yaml.safe_load(self._plane.kubeconfig.read_text())
        config["users"][0]["user"] = {"token": token}
        path = self._root / f"{account}.conf"
        path.write_text(yaml.safe_dump(config))
        return path


def _make_workspace(client: KubernetesClient, url: str) -> str:
    """Make the workspace, and return a key for it."""
    spec = {"quotas": {"maxRunningRuns": 10000}, "sandboxes": {"warmPool": {"size": 0}}}
    client.create({"apiVersion": API_VERSION, "kind": "Workspace", "metadata": {"name": WORKSPACE}, "spec": spec})

    def is_ready() -> bool:
        conditions = client.get(WORKSPACES, WORKSPACE).get("status", {}).get("conditions", [])
        return any(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    processes.wait_until("the workspace", [], is_ready, timeout=120)
    return Api(url, Path(certifi.where())).create_key(ADMIN["email"], ADMIN["password"], WORKSPACE)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)
