"""Pure: the parts of pod specs that pods of our own programs share."""

from __future__ import annotations

from icefield_crds import Flavor, names
from icefield_kube.client import Manifest

from .quantity import MIB, parse_quantity

USER = 65532
RESTRICTED: Manifest = {
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
}
"""The securityContext of a container."""
CA_DIRECTORY = "/etc/icefield/ca"
CA_MOUNT: Manifest = {"name": "ca", "mountPath": CA_DIRECTORY, "readOnly": True}
CA_VOLUME: Manifest = {"name": "ca", "configMap": {"name": names.CA_BUNDLE_CONFIG_MAP}}

_TOKEN_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount"  # noqa: S105
TOKEN_MOUNT: Manifest = {"name": "kubernetes-token", "mountPath": _TOKEN_DIRECTORY, "readOnly": True}
TOKEN_VOLUME: Manifest = {
    "name": "kubernetes-token",
    "projected": {
        "sources": [
            {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
            {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
            {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
        ]
    },
}
"""The pod account's Kubernetes token, for the one container that uses it."""


_LOCAL_STORAGE_REQUEST_BYTES = 64 * MIB
"""Few pods use their limit; without a request of its own, Kubernetes would request the limit."""


def scratch_volume(name: str, size_limit: str) -> Manifest:
    """Return a volume on the node's disk; a pod that writes more than the limit to it is evicted."""
    return {"name": name, "emptyDir": {"sizeLimit": size_limit}}


def with_local_storage(resources: Manifest, limit: str, request: str | None = None) -> Manifest:
    """Return a container's `resources` with a limit of the node's disk.

    Args:
        resources: with its requests and limits.
        limit: of what its files, its logs and the pod's scratch volumes take together, as a quantity.
        request: what the scheduler sets aside; a little when None.
    """
    key, smallest = "ephemeral-storage", min(int(parse_quantity(limit)), _LOCAL_STORAGE_REQUEST_BYTES)
    return {
        "requests": {**resources["requests"], key: request or str(smallest)},
        "limits": {**resources["limits"], key: limit},
    }


def local_storage_request(flavor: Flavor) -> str | None:
    """Return what a flavor sets aside of the node's disk, if it says so."""
    return flavor.spec.requests.ephemeral_storage if flavor.spec.requests else None


def restricted_pod() -> Manifest:
    """Return the fields of a pod spec that the restricted Pod Security level requires, without a Kubernetes token."""
    return {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER,
            "runAsGroup": USER,
            "fsGroup": USER,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }


def python_env() -> dict[str, str]:
    """Return the variables of every Python program of ours: writable home, trusted authorities."""
    ca_bundle = f"{CA_DIRECTORY}/{names.CA_BUNDLE_KEY}"
    return {
        "HOME": "/tmp",  # noqa: S108 - inside the container, where the image's own home is not writable
        "PYTHONUNBUFFERED": "1",
        "SSL_CERT_FILE": ca_bundle,
        "REQUESTS_CA_BUNDLE": ca_bundle,
    }


def limits_env() -> list[Manifest]:
    """Return the variables with a container's own limits: CPU in whole cores (rounded up), memory in bytes."""
    limits = {"ICEFIELD_CPU_LIMIT": "limits.cpu", "ICEFIELD_MEMORY_LIMIT_BYTES": "limits.memory"}
    return [
        {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource}}} for name, resource in limits.items()
    ]


def pod_env() -> list[Manifest]:
    """Return the variables with the pod's namespace, name and address."""
    return [
        field("ICEFIELD_NAMESPACE", "metadata.namespace"),
        field("ICEFIELD_POD_NAME", "metadata.name"),
        field("ICEFIELD_POD_IP", "status.podIP"),
    ]


def values(variables: dict[str, str]) -> list[Manifest]:
    """Return variables as a container has them."""
    return [{"name": name, "value": value} for name, value in variables.items()]


def field(name: str, path: str) -> Manifest:
    """Return a variable that is a field of the pod."""
    return {"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}}


def secrets(*given: str) -> list[Manifest]:
    """Return Secrets as a container's environment."""
    return [{"secretRef": {"name": name}} for name in given]


def placement(flavor: Flavor) -> Manifest:
    """Return on which nodes a pod of this flavor may run."""
    found: Manifest = {}
    if flavor.spec.node_selector:
        found["nodeSelector"] = dict(flavor.spec.node_selector)
    if flavor.spec.tolerations:
        found["tolerations"] = [toleration.to_api() for toleration in flavor.spec.tolerations]
    return found
