"""Paths, addresses and ports of a standalone cluster's control plane."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

NODE_NAME = "icefield"
SERVICE_SUBNET = "10.96.0.0/16"
DNS_SERVICE_ADDRESS = "10.96.0.10"
POD_SUBNET = "10.244.0.0/16"
DNS_DOMAIN = "cluster.local"


@dataclass(frozen=True)
class Ports:
    """The TCP ports of the control plane; configurable, because several may share a network."""

    apiserver: int = 6443
    etcd: int = 2379
    etcd_peer: int = 2380
    controller_manager: int = 10257
    scheduler: int = 10259


@dataclass(frozen=True)
class ControlPlaneLayout:
    """Paths, address and ports of a control plane.

    Args:
        root: folder for keys, configuration, data and logs.
        address: the IPv4 address of the API server.
        ports: the TCP ports of its parts.
        enter: a command prefix that starts a program in the cluster's network; empty for the host's.
        cri_socket: the container runtime's socket, for kubeadm.
        durable: whether etcd waits for the disk; False only for data that may be lost.
    """

    root: Path
    address: str
    ports: Ports = Ports()
    enter: tuple[str, ...] = ()
    cri_socket: Path = Path("/run/containerd/containerd.sock")
    durable: bool = True

    @property
    def advertised(self) -> str:
        """The address in the Service `kubernetes`, which refuses loopback addresses; TEST-NET replaces them."""
        return "192.0.2.1" if self.address.startswith("127.") else self.address

    @property
    def pki(self) -> Path:
        """Folder of certificates and keys."""
        return self.root / "pki"

    @property
    def kubeconfigs(self) -> Path:
        """Folder of the components' kubeconfig files."""
        return self.root / "kubernetes"

    @property
    def admin_kubeconfig(self) -> Path:
        """The administrator's kubeconfig (group kubeadm:cluster-admins)."""
        return self.kubeconfigs / "admin.conf"

    @property
    def kubelet_certificates(self) -> Path:
        """Folder of the certificate that the kubelet makes for its own port."""
        return self.root / "kubelet-certificates"

    @property
    def logs(self) -> Path:
        """Folder of the programs' logs."""
        return self.root / "logs"

    @property
    def url(self) -> str:
        """The API server's URL."""
        return f"https://{self.address}:{self.ports.apiserver}"
