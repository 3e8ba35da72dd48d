"""Addresses of a cluster's node and of this machine, as each sees the other."""

from __future__ import annotations

import socket

from icefield_cluster.errors import ClusterError
from icefield_cluster.install.kubectl import Kubectl


def node_address(kubectl: Kubectl) -> str:
    """The first node's own IP address; its pods, and on Linux this machine, reach its node ports there.

    Raises:
        ClusterError: no node has one.
    """
    for node in kubectl.get("nodes").get("items", []):
        for address in node["status"].get("addresses", []):
            if address["type"] == "InternalIP":
                return str(address["address"])
    raise ClusterError("no node of the cluster has an address")


def our_address(node: str) -> str:
    """This machine's address on the route to a node, at which the node reaches it; no packet is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((node, 9))
        return str(probe.getsockname()[0])
