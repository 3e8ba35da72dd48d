"""Versions of the programs of a standalone cluster.

Kubernetes stays on 1.34: 1.35 refuses cgroup v1 by default, and 1.36 refuses containerd 1.x, which is what
Debian 12 ships.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Module:
    """A Go package that is linked into one executable, built from the go.mod in the folder `go/<name>`.

    Args:
        name: the folder's name.
        version: the version that the programs report; part of the cache key.
        package: Go import path of the package; `.` is the folder's own main.go.
        programs: file names of the executable: more than one where it decides by its name what to run.
        ldflags: further linker flags.
    """

    name: str
    version: str
    package: str
    programs: tuple[str, ...]
    ldflags: str = ""


# One executable: compiling is shared anyway, but linking each command separately takes longer than linking all at once.
KUBERNETES = Module(
    "kubernetes",
    "v1.34.4",
    ".",
    (
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubelet",
        "kube-proxy",
        "kubectl",
        "kubeadm",
    ),
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
ETCD = Module("etcd", "v3.6.16", "go.etcd.io/etcd/server/v3", ("etcd",))
COREDNS = Module("coredns", "v1.12.4", ".", ("coredns",))
VERSITYGW = Module("versitygw", "v1.8.0", "github.com/versity/versitygw/cmd/versitygw", ("versitygw",))

# Simulates nodes for benchmarks/scale; no part of a cluster.
KWOK = Module("kwok", "v0.8.0", "sigs.k8s.io/kwok/cmd/kwok", ("kwok",))

MODULES = (KUBERNETES, ETCD, COREDNS, VERSITYGW)
"""Of a cluster."""

GO_AT_LEAST = (1, 26)
"""The newest `go` line of the modules above (etcd's), so that no further toolchain has to be fetched."""
