"""Providers of clusters: an existing one, kind, or a standalone one."""

from __future__ import annotations

from typing import Protocol

from icefield_cluster.errors import ClusterError
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.parts import Part
from icefield_cluster.progress import Steps
from icefield_cluster.providers import existing, kind, standalone
from icefield_cluster.state import ClusterState


class Provider(Protocol):
    """Interface of each module of this package."""

    def why_not(self) -> str:
        """Why it cannot be used on this machine; empty when it can."""

    def kubectl(self, state: ClusterState) -> Kubectl:
        """kubectl for its cluster."""

    def up(self, state: ClusterState, steps: Steps) -> None:
        """Create the cluster and install Icefield; raises ClusterError."""

    def enter(self, state: ClusterState) -> tuple[str, ...]:
        """Command prefix to start a program of this machine in the cluster's network; empty where impossible."""

    def parts(self, state: ClusterState) -> list[Part]:
        """What has to be there besides the programs."""

    def down(self, state: ClusterState, steps: Steps) -> None:
        """Undo what `up` did; raises ClusterError."""


BY_NAME: dict[str, Provider] = {"kind": kind, "standalone": standalone, "existing": existing}


def choose(wanted: str) -> str:
    """The provider to use.

    Args:
        wanted: a provider's name, or `auto`: kind where Docker runs, else standalone, else an existing cluster.

    Raises:
        ClusterError: the wanted one, or none, works here.
    """
    if wanted != "auto":
        if reason := BY_NAME[wanted].why_not():
            raise ClusterError(f"--provider {wanted} does not work here: {reason}")
        return wanted
    reasons = []
    for name, provider in BY_NAME.items():
        reason = provider.why_not()
        if not reason:
            return name
        reasons.append(reason)
    raise ClusterError(
        f"no provider works on this machine: {'; '.join(reasons)}",
        fix="start Docker (with kind and kubectl installed), or run as root on Linux, or point KUBECONFIG at a cluster",
    )
