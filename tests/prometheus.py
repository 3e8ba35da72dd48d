"""Reads metrics as Prometheus does: with the token of a service account that RBAC lets read them."""

from __future__ import annotations

from tests.controlplane import REPOSITORY, ControlPlane

NAMESPACE = "default"
ACCOUNT = "prometheus"


def may_read_metrics(plane: ControlPlane) -> dict[str, str]:
    """Make the account and bind it; return the headers of its requests."""
    plane.kubectl("apply", "--server-side", "-f", str(REPOSITORY / "manifests" / "base" / "access" / "metrics.yaml"))
    plane.client.apply(
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": ACCOUNT, "namespace": NAMESPACE}}
    )
    group = "rbac.authorization.k8s.io"
    plane.client.apply(
        {
            "apiVersion": f"{group}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "prometheus-icefield"},
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "icefield-metrics-reader"},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": NAMESPACE}],
        }
    )
    return authorization(plane, ACCOUNT)


def authorization(plane: ControlPlane, account: str) -> dict[str, str]:
    """Return the header with a new token of a service account in `NAMESPACE`."""
    token = plane.kubectl("create", "token", account, f"--namespace={NAMESPACE}").strip()
    return {"Authorization": f"Bearer {token}"}
