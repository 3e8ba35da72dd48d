"""Pure: what the sandboxes of a workspace may connect to, and what may connect to them."""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import urlsplit

from icefield_crds import Workspace, labels, names
from icefield_kube.client import Manifest
from icefield_operator import network

POLICY = "icefield-sandbox"
CLOUD_POLICY = "icefield-sandbox-cloud"

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
        {"to": network.anywhere(), "ports": [network.port(_DNS_PORT, "UDP"), network.port(_DNS_PORT)]},
        *_to_api(servers.api_url),
        {"to": network.anywhere(), "ports": [network.port(_port_of(servers.object_store))]},
    ]
    ingress = [{"from": [network.platform(_OPERATOR)], "ports": [network.port(names.SANDBOX_PORT)]}]
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
        # Polars Cloud has no fixed addresses.
        _policy(
            workspace,
            CLOUD_POLICY,
            {
                "podSelector": cloud,
                "policyTypes": ["Egress"],
                "egress": [{"to": network.anywhere(), "ports": [network.port(_HTTPS_PORT)]}],
            },
        ),
    ]


def _to_api(url: str) -> list[Manifest]:
    """Return the egress rules for the API: its pods on any port, or else the port that its URL names."""
    rules: list[Manifest] = [{"to": [network.platform(_API_SERVER)]}]
    if not (urlsplit(url).hostname or "").endswith((".svc", ".svc.cluster.local")):
        rules.append({"to": network.anywhere(), "ports": [network.port(_port_of(url))]})
    return rules


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
