"""How programs of this machine and the cluster reach each other."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from icefield_cluster.commands import Argument
from icefield_cluster.install.generated import NAMESPACE
from icefield_cluster.install.installer import OBJECT_STORE_NODE_PORT
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.install.node import node_address, our_address
from icefield_cluster.processes import wait_until

StartForward = Callable[[str, Sequence[Argument]], None]
# Variables with the address of a service that is reached through kubectl from outside, and that service.
_FORWARDED = {"ICEFIELD_DATABASE_URL": "icefield-postgres", "ICEFIELD_CATALOG_MANAGEMENT_URI": "icefield-catalog"}


@dataclass(frozen=True)
class Reach:
    """How programs of this machine reach the cluster, and it them."""

    address: str
    """Where pods and users find what listens here."""
    enter: tuple[str, ...] = ()
    """What starts a program in the cluster's network; empty where it stays outside of it."""
    forwarded: Mapping[str, int] = field(default_factory=dict)
    """Ports of this machine that lead to services."""
    endpoint: str | None = None
    """URL of the object store for pods and this machine alike, where its Service cannot be reached."""

    def adapt(self, environment: Mapping[str, str]) -> dict[str, str]:
        """Return the environment of a container with what a program here has to call by another address."""
        adapted = dict(environment)
        for variable, service in _FORWARDED.items():
            if service in self.forwarded and variable in adapted:
                inside = rf"\b{service}\.{NAMESPACE}\.svc:\d+"
                adapted[variable] = re.sub(inside, f"127.0.0.1:{self.forwarded[service]}", adapted[variable])
        if self.endpoint:
            adapted["ICEFIELD_OBJECT_STORE_ENDPOINT"] = self.endpoint
        return adapted


def inside(kubectl: Kubectl, enter: tuple[str, ...]) -> Reach:
    """Programs in the cluster's network, with its DNS: they reach everything as pods do."""
    return Reach(node_address(kubectl), enter)


def outside(kubectl: Kubectl, start_forward: StartForward) -> Reach:
    """Programs outside the cluster's network, which cannot reach pods.

    Args:
        kubectl: reaches the cluster.
        start_forward: starts a command that runs until `icefield dev` ends; takes a name for messages and the command.

    Raises:
        ClusterError: a service cannot be reached.
    """
    node, ports = node_address(kubectl), {}
    for service in _FORWARDED.values():
        [exposed] = kubectl.get("service", service, f"--namespace={NAMESPACE}")["spec"]["ports"]
        ports[service] = _free_port()
        forward = ["port-forward", f"--namespace={NAMESPACE}", f"service/{service}"]
        start_forward(f"port-forward of {service}", [*kubectl.argv, *forward, f"{ports[service]}:{exposed['port']}"])
    for service, port in ports.items():
        wait_until(f"kubectl port-forward of {service}", [], partial(_accepts_connections, port), timeout=10)
    return Reach(our_address(node), forwarded=ports, endpoint=f"http://{node}:{OBJECT_STORE_NODE_PORT}")


def _accepts_connections(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
