"""A Kubernetes cluster built from source, on Linux with root, without Docker."""

from __future__ import annotations

from icefield_cluster.install.installer import Installer, Target
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.parts import Part
from icefield_cluster.programs import binaries
from icefield_cluster.progress import Steps
from icefield_cluster.standalone import cluster, coredns
from icefield_cluster.standalone.network import ClusterNetwork
from icefield_cluster.standalone.node import NodeLayout, cluster_id
from icefield_cluster.state import ClusterState

why_not = cluster.why_not


def kubectl(state: ClusterState) -> Kubectl:
    """The kubectl of the cluster's own version."""
    return Kubectl(binaries.find("kubectl"), state.kubeconfig)


def enter(state: ClusterState) -> tuple[str, ...]:
    """A command prefix: in the cluster's network, with its DNS."""
    network = _network(state)
    names = state.directory / "cluster-resolv.conf"
    names.write_text(coredns.resolv_conf(network), encoding="utf-8")
    mount = 'mount --bind "$0" /etc/resolv.conf && exec "$@"'
    return (*network.enter, "unshare", "--mount", "sh", "-c", mount, str(names))


def up(state: ClusterState, steps: Steps) -> None:
    """Create or update the cluster and install Icefield; raises ClusterError."""

    def install(tags: dict[str, str]) -> None:
        network = _network(state)
        node = NodeLayout(state.directory, network)
        target = Target(kubectl(state), network.address, "standalone", volumes=node.volumes, pod_logs=node.pod_logs)
        Installer(state, steps, target).install(tags)

    cluster.StandaloneCluster(state, steps).up(install)


def parts(state: ClusterState) -> list[Part]:
    """Its images and its certificates."""
    return cluster.parts(state)


def down(state: ClusterState, steps: Steps) -> None:
    """Delete the cluster; raises ClusterError."""
    cluster.down(state, steps)


def _network(state: ClusterState) -> ClusterNetwork:
    return ClusterNetwork(cluster_id(state.name, state.directory), state.number or 0)
