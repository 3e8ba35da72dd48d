"""A Kubernetes API of one process: stores custom resources, checks names, versions and nothing else."""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any

from icefield_apiserver.core.kube import ResourceClient
from icefield_kube.errors import KubernetesError


class FakeKubernetes(ResourceClient):
    """A client whose cluster is a dictionary from path to object; `calls` records (method, path)."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Any]] = {}
        self.calls: list[tuple[str, str]] = []
        self._versions = itertools.count(1)

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        self.calls.append((method, path))
        if method == "POST":
            return self.put(f"{path}/{(body or {})['metadata']['name']}", dict(body or {}))
        if method == "GET" and path not in self.objects and "/" in path:
            items = [found for key, found in self.objects.items() if key.rpartition("/")[0] == path]
            if items:
                return {"metadata": {"resourceVersion": "0"}, "items": items}
        present = self.objects.get(path)
        if present is None:
            raise _refusal(404, "NotFound")
        if method == "DELETE":
            return self.objects.pop(path)
        if method == "PATCH":
            wanted = (body or {}).get("metadata", {}).get("resourceVersion")
            if wanted not in (None, present["metadata"]["resourceVersion"]):
                raise _refusal(409, "Conflict")
            return self.put(path, {**present, "spec": present["spec"] | (body or {}).get("spec", {})})
        return present

    def put(self, path: str, item: dict[str, Any]) -> dict[str, Any]:
        """Store an object under a path, with a new version and, when it is new, a new uid."""
        version = next(self._versions)
        present = self.objects.get(path, {"metadata": {"uid": f"{version:08x}-0000-0000-0000-000000000000"}})
        metadata = {**item["metadata"], "uid": present["metadata"]["uid"], "resourceVersion": str(version)}
        self.objects[path] = {**item, "metadata": metadata}
        return self.objects[path]


def _refusal(status: int, reason: str) -> KubernetesError:
    return KubernetesError.of(status, json.dumps({"kind": "Status", "code": status, "reason": reason}))
