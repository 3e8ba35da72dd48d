"""A network of its own for each cluster: a namespace, a veth pair, and masquerading by the host.

Ports, pod devices and iptables rules are the cluster's own; the host reaches it at 10.200.N.2, and removing the
namespace removes all of them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from icefield_cluster.commands import CommandError, output
from icefield_cluster.errors import ClusterError
from icefield_cluster.standalone.layout import POD_SUBNET, SERVICE_SUBNET

NAMESPACES = Path("/run/netns")


@dataclass(frozen=True)
class ClusterNetwork:
    """Names and addresses of a cluster's network.

    Args:
        cluster_id: id of the cluster on the machine.
        number: the N of 10.200.N.0/30.
    """

    cluster_id: str
    number: int

    @property
    def namespace(self) -> str:
        """The network namespace's name."""
        return f"icefield-{self.cluster_id}"

    @property
    def path(self) -> Path:
        """Where the namespace is mounted."""
        return NAMESPACES / self.namespace

    @property
    def device(self) -> str:
        """The host's end of the pair."""
        return f"icefield{self.number}"

    @property
    def subnet(self) -> str:
        """The addresses between host and cluster."""
        return f"10.200.{self.number}.0/30"

    @property
    def host_address(self) -> str:
        """The host's address."""
        return f"10.200.{self.number}.1"

    @property
    def address(self) -> str:
        """The address of the cluster's node and API server."""
        return f"10.200.{self.number}.2"

    @property
    def enter(self) -> tuple[str, ...]:
        """Command prefix that starts a program in the namespace; unlike `ip netns exec` it does not remount /sys."""
        return ("nsenter", f"--net={self.path}")

    @property
    def table(self) -> str:
        """The host's nftables table for masquerading."""
        return f"icefield-{self.number}"


def free_number() -> int:
    """An N whose addresses are not used by any route or device of this machine.

    Raises:
        ClusterError: none is left.
    """
    used = []
    for route in json.loads(output(["ip", "-json", "-4", "route", "show", "table", "all"], timeout=10)):
        destination = str(route.get("dst", ""))
        if destination != "default":
            used.append(IPv4Network(destination, strict=False))
    devices = {link["ifname"] for link in json.loads(output(["ip", "-json", "link"], timeout=10))}
    for number in range(1, 255):
        candidate = IPv4Network(f"10.200.{number}.0/30")
        if f"icefield{number}" not in devices and not any(candidate.overlaps(network) for network in used):
            return number
    raise ClusterError("no network 10.200.N.0/30 is free", fix="delete a cluster that is no longer needed")


def exists(network: ClusterNetwork) -> bool:
    """Whether namespace and devices exist and belong together."""
    if not network.path.exists():
        return False
    try:
        inner = output([*network.enter, "ip", "-json", "-4", "addr", "show", "dev", "eth0"], timeout=10)
        output(["ip", "link", "show", "dev", network.device], timeout=10)
    except CommandError:
        return False
    return network.address in inner


def create(network: ClusterNetwork) -> None:
    """Create namespace, devices, addresses, routes and masquerading.

    Raises:
        ClusterError: the kernel refused something.
    """
    inside = network.enter
    output(["ip", "netns", "add", network.namespace], timeout=10)
    peer = ["peer", "name", "eth0", "netns", network.namespace]
    output(["ip", "link", "add", network.device, "type", "veth", *peer], timeout=10)
    output(["ip", "addr", "add", f"{network.host_address}/30", "dev", network.device], timeout=10)
    output(["ip", "link", "set", network.device, "up"], timeout=10)
    output([*inside, "ip", "link", "set", "lo", "up"], timeout=10)
    output([*inside, "ip", "addr", "add", f"{network.address}/30", "dev", "eth0"], timeout=10)
    output([*inside, "ip", "link", "set", "eth0", "up"], timeout=10)
    output([*inside, "ip", "route", "add", "default", "via", network.host_address], timeout=10)
    # /proc/sys/net shows the namespace of the process that opens it.
    output([*inside, "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"], timeout=10)
    reject_unrouted(network)
    masquerade(network)


def reject_unrouted(network: ClusterNetwork) -> None:
    """Reject connections to a deleted pod or to a Service without endpoints, which would leave the cluster.

    kube-proxy has no rule for a Service for a moment when that gets its first endpoint, and a pod's route ends with the
    pod. A connection that leaves then is masqueraded, and a host with that address outside would answer in place of the
    pod for as long as the connection lasts.

    Raises:
        ClusterError: a rule was refused.
    """
    # Each pod has a more specific route.
    output([*network.enter, "ip", "route", "replace", "unreachable", POD_SUBNET], timeout=10)
    # Where kube-proxy has a rule, the destination is already a pod.
    refused = f"ip daddr {SERVICE_SUBNET} reject"
    rules = f"""
        table ip icefield
        delete table ip icefield
        table ip icefield {{
            chain forward {{ type filter hook forward priority filter; policy accept; {refused}; }}
            chain output {{ type filter hook output priority filter; policy accept; {refused}; }}
        }}
    """
    output([*network.enter, "nft", "-f", "-"], stdin=rules, timeout=10)


def masquerade(network: ClusterNetwork) -> None:
    """Let the cluster's pods reach what the host reaches, with a table of our own beside the host's rules.

    Raises:
        ClusterError: the rules were refused.
    """
    rules = f"""
        table ip {network.table}
        delete table ip {network.table}
        table ip {network.table} {{
            chain postrouting {{
                type nat hook postrouting priority srcnat; policy accept;
                ip saddr {network.subnet} oifname != "{network.device}" masquerade
            }}
        }}
    """
    output(["nft", "-f", "-"], stdin=rules, timeout=10)
    if forwarding_is_refused():
        for rule in forward_rules(network):
            output(["iptables", "-w", "10", "-I", "FORWARD", *rule], timeout=20)


def forwarding_is_refused() -> bool:
    """Whether the host's firewall drops forwarded packets, as it does once Docker was started."""
    try:
        return "-P FORWARD DROP" in output(["iptables", "-w", "10", "-S", "FORWARD"], timeout=20)
    except CommandError:
        return False


def forward_rules(network: ClusterNetwork) -> list[list[str]]:
    """The two rules that accept the cluster's packets; the comment identifies them."""
    mark = ["-m", "comment", "--comment", network.table, "-j", "ACCEPT"]
    return [["-i", network.device, *mark], ["-o", network.device, *mark]]


def remove(network: ClusterNetwork) -> None:
    """Remove everything that `create` created; what does not exist is skipped."""
    attempts: list[list[str]] = [
        ["nft", "delete", "table", "ip", network.table],
        ["ip", "link", "delete", network.device],
        ["ip", "netns", "delete", network.namespace],
    ]
    if forwarding_is_refused():
        attempts += [["iptables", "-w", "10", "-D", "FORWARD", *rule] for rule in forward_rules(network)]
    for argv in attempts:
        try:
            output(argv, timeout=20)
        except CommandError:
            continue
