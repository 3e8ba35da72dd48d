"""Paths of built-in and custom kinds."""

from __future__ import annotations

import pytest

from icefield_kube.paths import path_of, resource_of


@pytest.mark.parametrize(
    ("kind", "namespace", "name", "path"),
    [
        ("Pod", "n", "p", "/api/v1/namespaces/n/pods/p"),
        ("Pod", "n", None, "/api/v1/namespaces/n/pods"),
        ("Pod", None, None, "/api/v1/pods"),
        ("Run", "n", "r", "/apis/icefield.dev/v1alpha1/namespaces/n/runs/r"),
        ("Workspace", None, "w", "/apis/icefield.dev/v1alpha1/workspaces/w"),
        ("Workspace", "n", "w", "/apis/icefield.dev/v1alpha1/workspaces/w"),
        ("RoleBinding", "n", "b", "/apis/rbac.authorization.k8s.io/v1/namespaces/n/rolebindings/b"),
        ("Secret", "n/../m", "a?b", "/api/v1/namespaces/n%2F..%2Fm/secrets/a%3Fb"),
    ],
)
def test_path(kind: str, namespace: str | None, name: str | None, path: str) -> None:
    assert path_of(kind, namespace, name) == path


@pytest.mark.parametrize(
    ("path", "resource"),
    [
        ("/api/v1/pods", "pods"),
        ("/api/v1/namespaces/n", "namespaces"),
        ("/api/v1/namespaces/n/pods/p/log", "pods/log"),
        ("/apis/icefield.dev/v1alpha1/namespaces/n/runs/r/status", "runs/status"),
        ("/apis/icefield.dev/v1alpha1/workspaces/w", "workspaces"),
        ("/version", "other"),
    ],
)
def test_a_path_is_counted_under_its_resource(path: str, resource: str) -> None:
    assert resource_of(path) == resource
