"""Installs Icefield: Secrets, manifests, rollout, a workspace, and an API key for the user."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from icefield_cluster.errors import ClusterError
from icefield_cluster.images import REGISTRY
from icefield_cluster.install import certificates, generated, overlay, rollout
from icefield_cluster.install.api import Api
from icefield_cluster.install.generated import NAMESPACE, Values
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.install.node import node_address, our_address
from icefield_cluster.paths import CHECKOUT
from icefield_cluster.processes import wait_until
from icefield_cluster.progress import Steps
from icefield_cluster.state import ClusterState, write_private

WORKSPACE = "demo"
API_NODE_PORT = 30443
OBJECT_STORE_NODE_PORT = 30070
# The Iceberg catalog of each overlay.
CATALOGS = {"standalone": "embedded", "kind": "lakekeeper"}


@dataclass(frozen=True)
class Target:
    """The cluster and the addresses of an installation.

    Args:
        kubectl: reaches the cluster.
        address: address of its node ports, as seen from this machine.
        overlay: name of the folder below manifests/overlays.
        registry: prefix of our images' names.
        volumes: folder of the volumes on the node; None where the cluster provides volumes.
        pod_logs: the kubelet's folder of logs on the node; None for /var/log/pods.
        api_port: port at `address` of the API server.
        object_store_port: port at `address` of the object store.
    """

    kubectl: Kubectl
    address: str
    overlay: str
    registry: str = REGISTRY
    volumes: Path | None = None
    pod_logs: Path | None = None
    api_port: int = API_NODE_PORT
    object_store_port: int = OBJECT_STORE_NODE_PORT


class Installer:
    """One installation.

    Args:
        state: gets URLs, certificates, password and key.
        steps: where progress is shown.
        target: the cluster and the addresses.
    """

    def __init__(self, state: ClusterState, steps: Steps, target: Target) -> None:
        self.state = state
        self.steps = steps
        self.target = target
        self.kubectl = target.kubectl
        self.api_url = f"https://{target.address}:{target.api_port}"

    def install(self, tags: Mapping[str, str]) -> None:
        """Install Icefield, or update the installation.

        Args:
            tags: image name -> tag.

        Raises:
            ClusterError: a step failed.
        """
        secrets = self._secrets()
        self._apply(tags)
        self._wait()
        self._access(secrets["icefield-admin"])

    def _secrets(self) -> dict[str, Values]:
        with self.steps.step("Secrets") as step:
            self._server_side("-f", CHECKOUT / "manifests" / "base" / "namespace.yaml", log=step.log)
            # The last address is for `icefield dev`, whose API server runs on this machine.
            node = node_address(self.kubectl)
            hosts = generated.api_hosts(self.target.address, node, our_address(node))
            store = f"http://{self.target.address}:{self.target.object_store_port}"
            wanted = generated.generators(store, hosts, CATALOGS[self.target.overlay])
            values = generated.ensure(self.kubectl, wanted, hosts, step.log)
            ca = values["icefield-tls"]["ca.crt"]
            self.state.ca_file.write_text(ca, encoding="utf-8")
            authorities = certificates.bundle(ca)
            self.state.ca_bundle.write_text(authorities, encoding="utf-8")
            self.state.trust_store.write_bytes(certificates.trust_store(authorities))
            write_private(self.state.admin_password, values["icefield-admin"]["password"] + "\n")
            self.state.object_store_url = values["icefield-object-store"].get("externalEndpoint", "")
        return values

    def _apply(self, tags: Mapping[str, str]) -> None:
        with self.steps.step("Manifests") as step:
            crds = CHECKOUT / "crds"
            self._server_side("-k", crds, log=step.log)
            # kubectl looks a kind up before it applies an object of it, and Flavors are among the manifests.
            files = [f"--filename={path}" for path in sorted(crds.glob("icefield.dev_*.yaml"))]
            self.kubectl.run("wait", "--for=condition=Established", "--timeout=60s", *files, log=step.log)
            folder = overlay.write(
                self.state.directory / "overlay",
                self.target.overlay,
                tags,
                registry=self.target.registry,
                volumes=self.target.volumes,
                pod_logs=self.target.pod_logs,
                package_index_authorities=certificates.private_authorities(),
            )
            self._server_side("-k", folder, log=step.log)

    def _wait(self) -> None:
        with self.steps.step("Rollout") as step:
            rollout.wait(self.kubectl, NAMESPACE, step.log, step.note, timeout=300)
        with self.steps.step("API") as step:
            api = Api(self.api_url, self.state.ca_bundle)
            try:
                wait_until("the API server", [], api.is_ready, timeout=120)
            except ClusterError as error:
                error.fix = rollout.FIX
                raise
            self.state.api_url = self.api_url
            self.state.save()
            step.note(self.api_url)

    def _access(self, admin: Values) -> None:
        with self.steps.step("Workspace and API key") as step:
            self._server_side("-f", CHECKOUT / "manifests" / "examples" / "workspace.yaml", log=step.log)
            ready = ["--for=condition=Ready", "--timeout=120s", f"workspaces.icefield.dev/{WORKSPACE}"]
            self.kubectl.run("wait", *ready, log=step.log, timeout=140, fix=rollout.FIX)
            api, file = Api(self.api_url, self.state.ca_bundle), self.state.api_key
            if file.exists() and api.accepts(file.read_text(encoding="utf-8").strip()):
                step.note("kept")
                return
            key = api.create_key(admin["email"], admin["password"], WORKSPACE)
            write_private(file, key + "\n")

    def _server_side(self, *what: str | Path, log: Path) -> None:
        self.kubectl.run("apply", "--server-side", "--field-manager=icefield-up", "--force-conflicts", *what, log=log)
