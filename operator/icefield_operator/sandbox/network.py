"""Pure: whom the sandboxes of a workspace may call, and who may call them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from icefield_crds import Workspace, labels, names
from icefield_operator.workspace.build import METADATA_SERVICES
from icefield_operator.world import Manifest

POLICY = "icefield-sandbox"
CLOUD_POLICY = "icefield-sandbox-cloud"

_APP = "app.kubernetes.io/name"
_OPERATOR, _API_SERVER = "icefield-operator", "icefield-apiserver"
_DNS_PORT, _HTTPS_PORT = 53, 443


class Servers(NamedTuple):
    """What sandboxes need to reach."""

    api_url: str
    """Our REST API."""
    object_store: str
    """The object store's endpoint, as pods reach it."""


def policies(workspace: Workspace, servers: Servers) -> list[Manifest]:
    """Return the policies of a workspace's sandboxes, with a workload and without.

    Policies add up: the one of all other pods of the workspace must leave sandboxes out (workspace/build.py).
    """
    egress = [
        {"to": _anywhere(), "ports": [_port(_DNS_PORT, "UDP"), _port(_DNS_PORT)]},
        *_to_api(servers.api_url),
        {"to": _anywhere(), "ports": [_port(_port_of(servers.object_store))]},
    ]
    ingress = [{"from": [_platform(_OPERATOR)], "ports": [_port(names.SANDBOX_PORT)]}]
    all_of_them = {"matchExpressions": [{"key": labels.SANDBOX, "operator": "Exists"}]}
    cloud = {"matchLabels": {labels.SANDBOX: labels.CLOUD_SANDBOX}}
    return [
        _policy(
            workspace,
            POLICY,
            {
                "podSelector": all_of_them,
                "policyTypes": ["Ingress", "Egress"],
                "ingress": ingress,
                "egress": egress,
            },
        ),
        # Polars Cloud is wherever it is.
        _policy(
            workspace,
            CLOUD_POLICY,
            {
                "podSelector": cloud,
                "policyTypes": ["Egress"],
                "egress": [{"to": _anywhere(), "ports": [_port(_HTTPS_PORT)]}],
            },
        ),
    ]


def _to_api(url: str) -> list[Manifest]:
    """Return the way to our API: its pods, whatever port they listen on; elsewhere, the port that its URL names."""
    rules: list[Manifest] = [{"to": [_platform(_API_SERVER)]}]
    if not (urlsplit(url).hostname or "").endswith((".svc", ".svc.cluster.local")):
        rules.append({"to": _anywhere(), "ports": [_port(_port_of(url))]})
    return rules


def _anywhere() -> list[Manifest]:
    v4, v6 = METADATA_SERVICES
    return [
        # Pods by selector as well as by address: to some network plugins an address block means outside the cluster.
        {"namespaceSelector": {}},
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": [v4]}},
        {"ipBlock": {"cidr": "::/0", "except": [v6]}},
    ]


def _platform(app: str) -> Manifest:
    return {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": names.SYSTEM_NAMESPACE}},
        "podSelector": {"matchLabels": {_APP: app}},
    }


def _port(number: int, protocol: str = "TCP") -> Manifest:
    return {"protocol": protocol, "port": number}


def _port_of(url: str) -> int:
    parts = urlsplit(url)
    return parts.port or (_HTTPS_PORT if parts.scheme == "https" else 80)


def _policy(workspace: Workspace, name: str, spec: Manifest) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": name,
            "namespace": workspace.namespace,
            "labels": labels.of_workspace_child(workspace.metadata.name),
            "ownerReferences": [workspace.owner_reference.to_api()],
        },
        "spec": spec,
    }
