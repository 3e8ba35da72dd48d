"""Paths of a standalone cluster's node."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from icefield_cluster.standalone.host import HOME
from icefield_cluster.standalone.layout import ControlPlaneLayout
from icefield_cluster.standalone.network import ClusterNetwork

# Unix sockets have at most 107 characters in their path, and the kubelet puts some 40 below its folder.
LONGEST_KUBELET_ROOT = 64


def cluster_id(name: str, directory: Path) -> str:
    """An id that differs from those of all other clusters of the machine, also of the same name in another folder."""
    return f"{name}-{hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:6]}"


@dataclass(frozen=True)
class NodeLayout:
    """Paths and network of the node.

    Args:
        root: the cluster's state folder.
        network: the cluster's network.
    """

    root: Path
    network: ClusterNetwork

    @property
    def id(self) -> str:
        """The cluster's id on this machine."""
        return self.network.cluster_id

    @property
    def enter(self) -> tuple[str, ...]:
        """A command prefix that starts a program in the cluster's network."""
        return self.network.enter

    @property
    def run(self) -> Path:
        """Folder for sockets, which need short paths."""
        return HOME / self.id

    @property
    def cri_socket(self) -> Path:
        """containerd's socket."""
        return self.run / "containerd.sock"

    @property
    def containerd_root(self) -> Path:
        """containerd's images and snapshots."""
        return self.root / "containerd"

    @property
    def containerd_state(self) -> Path:
        """containerd's running containers."""
        return self.run / "containerd"

    @property
    def cni(self) -> Path:
        """Folder of the pods' network configuration."""
        return self.root / "cni"

    @property
    def cni_network(self) -> str:
        """The name of the pods' network."""
        return f"icefield-{self.id}"

    @property
    def kubelet_root(self) -> Path:
        """The kubelet's folder: in the state folder unless its path is too long for sockets."""
        folder = self.root / "kubelet"
        return folder if len(str(folder)) <= LONGEST_KUBELET_ROOT else Path("/var/lib/icefield") / self.id

    @property
    def pod_logs(self) -> Path:
        """Folder of the containers' logs."""
        return self.root / "pod-logs"

    @property
    def volumes(self) -> Path:
        """Folder of the persistent volumes."""
        return self.root / "volumes"

    @property
    def cgroup(self) -> str:
        """The cgroup's name below each hierarchy's root."""
        return f"icefield-{self.id}"

    @property
    def control_plane(self) -> ControlPlaneLayout:
        """The control plane on this node."""
        return ControlPlaneLayout(self.root, self.network.address, enter=self.enter, cri_socket=self.cri_socket)
