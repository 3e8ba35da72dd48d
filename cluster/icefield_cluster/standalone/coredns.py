"""The cluster's DNS: CoreDNS as a process of the node, and its Service."""

from __future__ import annotations

import textwrap

from icefield_cluster.commands import Argument
from icefield_cluster.paths import write_if_changed
from icefield_cluster.programs import binaries
from icefield_cluster.standalone.layout import DNS_DOMAIN, DNS_SERVICE_ADDRESS
from icefield_cluster.standalone.network import ClusterNetwork
from icefield_cluster.standalone.node import NodeLayout


def corefile(node: NodeLayout, *, upstream: bool) -> str:
    """CoreDNS's configuration; with `upstream`, queries for other names are forwarded to the host's resolvers."""
    forward = f"forward . {node.root / 'resolv.conf'}" if upstream else ""
    return textwrap.dedent(
        f"""\
        .:53 {{
            bind {node.network.address}
            errors
            ready {node.network.address}:8181
            kubernetes {DNS_DOMAIN} in-addr.arpa {{
                kubeconfig {node.control_plane.admin_kubeconfig}
                ttl 5
                fallthrough in-addr.arpa
            }}
            {forward}
            cache 30
        }}
        """
    )


def write(node: NodeLayout) -> str:
    """Write the configuration and return it."""
    resolvers = (node.root / "resolv.conf").read_text(encoding="utf-8")
    text = corefile(node, upstream="nameserver" in resolvers)
    write_if_changed(node.root / "Corefile", text)
    return text


def command(node: NodeLayout) -> list[Argument]:
    """Its command line."""
    return [*node.enter, binaries.find("coredns"), "-conf", node.root / "Corefile"]


def resolv_conf(network: ClusterNetwork) -> str:
    """A resolv.conf with the cluster's DNS, as in pods, for programs of the node."""
    search = f"svc.{DNS_DOMAIN} {DNS_DOMAIN}"
    return f"nameserver {network.address}\nsearch {search}\noptions ndots:5\n"


def service(node: NodeLayout) -> str:
    """The Service `kube-dns` and its EndpointSlice as YAML; without a selector, because CoreDNS is not a pod."""
    return textwrap.dedent(
        f"""\
        apiVersion: v1
        kind: Service
        metadata: {{name: kube-dns, namespace: kube-system}}
        spec:
          clusterIP: {DNS_SERVICE_ADDRESS}
          ports:
            - {{name: dns, port: 53, protocol: UDP}}
            - {{name: dns-tcp, port: 53, protocol: TCP}}
        ---
        apiVersion: discovery.k8s.io/v1
        kind: EndpointSlice
        metadata:
          name: kube-dns
          namespace: kube-system
          labels: {{kubernetes.io/service-name: kube-dns}}
        addressType: IPv4
        endpoints: [{{addresses: ["{node.network.address}"], conditions: {{ready: true}}}}]
        ports:
          - {{name: dns, port: 53, protocol: UDP}}
          - {{name: dns-tcp, port: 53, protocol: TCP}}
        """
    )
