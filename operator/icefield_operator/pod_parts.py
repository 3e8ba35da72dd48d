"""Pure: what pods that run our own programs have in common."""

from __future__ import annotations

from icefield_crds import Flavor, names

from .world import Manifest

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
"""What a program finds that talks to Kubernetes as the pod's account, in the one container that is to."""


def hardened() -> Manifest:
    """Return what keeps a pod from Kubernetes and from the node."""
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


def at_home() -> dict[str, str]:
    """Return the variables that every Python of ours has: where it may write, and whom it trusts."""
    ca_bundle = f"{CA_DIRECTORY}/{names.CA_BUNDLE_KEY}"
    return {
        "HOME": "/tmp",  # noqa: S108 - inside the container, where the image's own home is not writable
        "PYTHONUNBUFFERED": "1",
        "SSL_CERT_FILE": ca_bundle,
        "REQUESTS_CA_BUNDLE": ca_bundle,
    }


def own_limits() -> list[Manifest]:
    """Return what tells a container how much it may take: CPU in whole cores (rounded up), memory in bytes."""
    limits = {"ICEFIELD_CPU_LIMIT": "limits.cpu", "ICEFIELD_MEMORY_LIMIT_BYTES": "limits.memory"}
    return [
        {"name": name, "valueFrom": {"resourceFieldRef": {"resource": resource}}} for name, resource in limits.items()
    ]


def own_place() -> list[Manifest]:
    """Return what tells a container of Spark's which pod it is in."""
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
