"""Pure: peers and ports of the NetworkPolicies that the kinds build."""

from __future__ import annotations

from icefield_crds import names
from icefield_kube.client import Manifest

METADATA_SERVICES = ("169.254.169.254/32", "fd00:ec2::254/128")
"""Where clouds serve the credentials of the node to any process."""


def anywhere() -> list[Manifest]:
    """Return the peers that are everything but the metadata services."""
    v4, v6 = METADATA_SERVICES
    return [
        # Pods by selector as well as by address: to some network plugins an address block means outside the cluster.
        {"namespaceSelector": {}},
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": [v4]}},
        {"ipBlock": {"cidr": "::/0", "except": [v6]}},
    ]


def platform(app: str) -> Manifest:
    """Return the peer that is one of our own services, by its app.kubernetes.io/name."""
    return _platform({"matchLabels": {"app.kubernetes.io/name": app}})


def platform_services() -> Manifest:
    """Return the peer that is the API server and the operator."""
    services = ["icefield-apiserver", "icefield-operator"]
    return _platform({"matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": services}]})


def port(number: int, protocol: str = "TCP") -> Manifest:
    """Return a port."""
    return {"protocol": protocol, "port": number}


def _platform(selector: Manifest) -> Manifest:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": names.SYSTEM_NAMESPACE}},
        "podSelector": selector,
    }
