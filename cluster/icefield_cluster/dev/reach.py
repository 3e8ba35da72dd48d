"""How programs of this machine and the cluster reach each other."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from icefield_cluster.commands import Argument
from icefield_cluster.errors import ClusterError
from icefield_cluster.install.generated import NAMESPACE
from icefield_cluster.install.installer import OBJECT_STORE_NODE_PORT
from icefield_cluster.install.kubectl import Kubectl
from icefield_cluster.install.node import node_address, our_address

StartForward = Callable[[str, Sequence[Argument]], None]
# What is reached through kubectl from outside, and by which variable it is told.
_FORWARDED = {"ICEFIELD_DATABASE_URL": "icefield-postgres", "ICEFIELD_CATALOG_MANAGEMENT_URI": "icefield-catalog"}


@dataclass(frozen=True)
class Reach:
    """How programs of this machine reach the cluster, and it them."""

    address: str
    """Where pods and people find what listens here."""
    enter: tuple[str, ...] = ()
    """What starts a program in the cluster's network; empty where it stays outside of it."""
    forwarded: Mapping[str, int] = field(default_factory=dict)
    """Ports of this machine that lead to services."""
    endpoint: str | None = None
    """URL of the object store for pods and us alike, where its Service is out of reach."""

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
    """Programs that run in the cluster's network, with its names: they call everything as pods do."""
    return Reach(node_address(kubectl), enter)


def outside(kubectl: Kubectl, start_forward: StartForward) -> Reach:
    """Programs that stay outside; pods they cannot call.

    Args:
        kubectl: reaches the cluster.
        start_forward: starts a command, told what to call it, that goes on until everything ends.

    Raises:
        ClusterError: a service cannot be reached.
    """
    node, ports = node_address(kubectl), {}
    for service in _FORWARDED.values():
        [port] = kubectl.get("service", service, f"--namespace={NAMESPACE}")["spec"]["ports"]
        ports[service] = _free_port()
        forward = ["port-forward", f"--namespace={NAMESPACE}", f"service/{service}"]
        start_forward(f"port-forward of {service}", [*kubectl.argv, *forward, f"{ports[service]}:{port['port']}"])
    for forwarded in ports.values():
        _wait_for_port(forwarded)
    return Reach(our_address(node), forwarded=ports, endpoint=f"http://{node}:{OBJECT_STORE_NODE_PORT}")


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
