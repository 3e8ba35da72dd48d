"""URL paths of the kinds that Icefield uses, custom and built-in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import quote

from icefield_crds import KINDS
from icefield_crds.names import GROUP, VERSION


class Endpoint(NamedTuple):
    """Where the Kubernetes API serves a kind."""

    prefix: str
    plural: str
    namespaced: bool


ENDPOINTS: Mapping[str, Endpoint] = {
    "Namespace": Endpoint("/api/v1", "namespaces", False),
    "Pod": Endpoint("/api/v1", "pods", True),
    "Secret": Endpoint("/api/v1", "secrets", True),
    "ConfigMap": Endpoint("/api/v1", "configmaps", True),
    "ServiceAccount": Endpoint("/api/v1", "serviceaccounts", True),
    "ResourceQuota": Endpoint("/api/v1", "resourcequotas", True),
    "LimitRange": Endpoint("/api/v1", "limitranges", True),
    "Event": Endpoint("/api/v1", "events", True),
    "Lease": Endpoint("/apis/coordination.k8s.io/v1", "leases", True),
    "NetworkPolicy": Endpoint("/apis/networking.k8s.io/v1", "networkpolicies", True),
    "RoleBinding": Endpoint("/apis/rbac.authorization.k8s.io/v1", "rolebindings", True),
    "TokenReview": Endpoint("/apis/authentication.k8s.io/v1", "tokenreviews", False),
    "SubjectAccessReview": Endpoint("/apis/authorization.k8s.io/v1", "subjectaccessreviews", False),
    "ClusterRole": Endpoint("/apis/rbac.authorization.k8s.io/v1", "clusterroles", False),
    "ClusterRoleBinding": Endpoint("/apis/rbac.authorization.k8s.io/v1", "clusterrolebindings", False),
    **{kind.KIND: Endpoint(f"/apis/{GROUP}/{VERSION}", kind.PLURAL, kind.NAMESPACED) for kind in KINDS},
}


def path_of(kind: str, namespace: str | None, name: str | None = None) -> str:
    """Return the URL path of an object; without a name, of its collection in a namespace or, with None, everywhere.

    Args:
        kind: such as `Pod` or `Run`.
        namespace: ignored for cluster-scoped kinds.
        name: metadata.name.
    """
    endpoint = ENDPOINTS[kind]
    parts = [endpoint.prefix]
    if endpoint.namespaced and namespace is not None:
        parts += ["namespaces", quote(namespace, safe="")]
    parts.append(endpoint.plural)
    if name:
        parts.append(quote(name, safe=""))
    return "/".join(parts)


def resource_of(path: str) -> str:
    """Return the plural of the kind that a URL path is about, and its subresource, such as `pods/log`.

    Args:
        path: of `path_of`, with or without a subresource behind it.
    """
    parts = path.split("/")
    rest = parts[3:] if path.startswith("/api/") else parts[4:]
    if rest[:1] == ["namespaces"] and len(rest) > 2:
        rest = rest[2:]
    return "/".join(rest[0::2][:2]) if rest else "other"
