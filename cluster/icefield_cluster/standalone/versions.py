"""The one place that pins what a standalone cluster is made of.

Kubernetes stays on 1.34: 1.35 refuses cgroup v1 unless told otherwise, and 1.36 refuses containerd 1.x, which is what
Debian 12 ships.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Module:
    """A set of programs built together from one go.mod in the folder `go/<name>`.

    Args:
        name: the folder's name.
        version: what the programs report and the cache is keyed by.
        packages: Go import paths of the commands.
        ldflags: further linker flags.
    """

    name: str
    version: str
    packages: tuple[str, ...]
    ldflags: str = ""


KUBERNETES_COMMANDS = (
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
    "kube-proxy",
    "kubectl",
    "kubeadm",
)

KUBERNETES = Module(
    "kubernetes",
    "v1.34.4",
    tuple(f"k8s.io/kubernetes/cmd/{command}" for command in KUBERNETES_COMMANDS),
    " ".join(
        f"-X k8s.io/component-base/version.{field}={value}"
        for field, value in (
            ("gitVersion", "v1.34.4"),
            ("gitMajor", "1"),
            ("gitMinor", "34"),
            ("gitTreeState", "clean"),
        )
    ),
)
# Debian's etcd is 3.4, whose missing RequestWatchProgress breaks streaming watches against Kubernetes 1.34.
ETCD = Module("etcd", "v3.6.16", ("go.etcd.io/etcd/server/v3",))
COREDNS = Module("coredns", "v1.12.4", ("github.com/coredns/coredns",))
VERSITYGW = Module("versitygw", "v1.8.0", ("github.com/versity/versitygw/cmd/versitygw",))

MODULES = (KUBERNETES, ETCD, COREDNS, VERSITYGW)

GO_AT_LEAST = (1, 26)
"""The newest `go` line of the modules above (etcd's), so that no further toolchain has to be fetched."""
