"""A client of the Kubernetes API for tests: the few calls that set a test up, in this process instead of by kubectl."""

from __future__ import annotations

import base64
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml

from icefield_crds.names import API_VERSION

Manifest = dict[str, Any]
Kind = tuple[str, str]
"""An apiVersion and a plural, such as ("rbac.authorization.k8s.io/v1", "rolebindings")."""

SECRETS: Kind = ("v1", "secrets")
NAMESPACES: Kind = ("v1", "namespaces")
NODES: Kind = ("v1", "nodes")
PODS: Kind = ("v1", "pods")
WORKSPACES: Kind = (API_VERSION, "workspaces")
JOBS: Kind = (API_VERSION, "jobs")
RUNS: Kind = (API_VERSION, "runs")
WAREHOUSES: Kind = (API_VERSION, "warehouses")
SERVER_SIDE_APPLY = "application/apply-patch+yaml"
MERGE_PATCH = "application/merge-patch+json"
FIELD_MANAGER = "tests"


class KubernetesClient:
    """Calls of the Kubernetes API with the rights of a kubeconfig; each raises httpx.HTTPStatusError when refused."""

    def __init__(self, kubeconfig: Path) -> None:
        """Read a kubeconfig with one cluster, and one user with a client certificate."""
        config = yaml.safe_load(kubeconfig.read_text())
        cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
        context = ssl.create_default_context(cadata=_decoded(cluster["certificate-authority-data"]))
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as pem:
            pem.write(_decoded(user["client-certificate-data"]) + _decoded(user["client-key-data"]))
            pem.flush()
            context.load_cert_chain(pem.name)
        self._http = httpx.Client(base_url=cluster["server"], verify=context, timeout=30, trust_env=False)

    def get(self, kind: Kind, name: str, namespace: str = "") -> Manifest:
        """Return an object."""
        return self._call("GET", _path(kind, namespace, name))

    def names(self, kind: Kind, namespace: str = "") -> list[str]:
        """Return the names of all objects of a kind, in a namespace if it has one."""
        return [item["metadata"]["name"] for item in self.list(kind, namespace)]

    def list(self, kind: Kind, namespace: str = "", selector: str = "") -> list[Manifest]:
        """Return all objects of a kind, in a namespace if it has one, that a label selector matches."""
        found = self._call("GET", _path(kind, namespace), params={"labelSelector": selector})
        items: list[Manifest] = found["items"]
        return items

    def create(self, manifest: Manifest) -> Manifest:
        """Create an object, and return it as stored."""
        return self._call("POST", _path(_kind_of(manifest), _namespace_of(manifest)), json=manifest)

    def apply(self, *manifests: Manifest) -> list[Manifest]:
        """Apply objects server-side, one after another, and return them as stored."""
        return [self._apply(manifest) for manifest in manifests]

    def patch(
        self, kind: Kind, name: str, patch: Mapping[str, Any], namespace: str = "", subresource: str = ""
    ) -> Manifest:
        """Merge-patch an object, or a subresource such as `status`, and return it as stored."""
        path = _path(kind, namespace, name) + (f"/{subresource}" if subresource else "")
        return self._call("PATCH", path, json=patch, headers={"Content-Type": MERGE_PATCH})

    def delete(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Delete an object, in the background; it need not exist."""
        answer = self._http.delete(_path(kind, namespace, name), params={"propagationPolicy": "Background"})
        if answer.status_code != httpx.codes.NOT_FOUND:
            _checked(answer)

    def delete_all(self, kind: Kind, namespace: str) -> None:
        """Delete all objects of a kind in a namespace, in the background."""
        _checked(self._http.delete(_path(kind, namespace), params={"propagationPolicy": "Background"}))

    def _apply(self, manifest: Manifest) -> Manifest:
        path = _path(_kind_of(manifest), _namespace_of(manifest), manifest["metadata"]["name"])
        params = {"fieldManager": FIELD_MANAGER, "force": "true"}
        return self._call("PATCH", path, json=manifest, params=params, headers={"Content-Type": SERVER_SIDE_APPLY})

    def _call(self, method: str, path: str, **request: Any) -> Manifest:
        answer: Manifest = _checked(self._http.request(method, path, **request)).json()
        return answer


def _checked(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        message = f"{answer.request.method} {answer.request.url.path}: {answer.status_code} {answer.text}"
        raise httpx.HTTPStatusError(message, request=answer.request, response=answer)
    return answer


def _path(kind: Kind, namespace: str = "", name: str = "") -> str:
    api_version, plural = kind
    path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
    path += f"/namespaces/{namespace}/{plural}" if namespace else f"/{plural}"
    return f"{path}/{name}" if name else path


def _kind_of(manifest: Manifest) -> Kind:
    singular = manifest["kind"].lower()
    plural = f"{singular[:-1]}ies" if singular.endswith("cy") else f"{singular}s"
    return manifest["apiVersion"], plural


def _namespace_of(manifest: Manifest) -> str:
    namespace: str = manifest["metadata"].get("namespace", "")
    return namespace


def _decoded(data: str) -> str:
    return base64.b64decode(data).decode()
