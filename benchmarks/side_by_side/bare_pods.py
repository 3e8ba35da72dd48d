"""Bare pods, chained by a script."""

from __future__ import annotations

from icefield_kube.client import Manifest

from .cluster import PODS
from .script import Script


class BarePods(Script):
    """What every other contender is compared with: nothing but the pods."""

    name = "bare pods"
    path = PODS

    def manifest(self, name: str, labels: dict[str, str]) -> Manifest:
        """Return a pod."""
        metadata = {"name": name, "labels": labels}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": self.pod_spec()}

    def has_succeeded(self, found: Manifest) -> bool:
        """Return whether the pod has succeeded.

        Raises:
            RuntimeError: it failed.
        """
        phase = found["status"].get("phase")
        if phase == "Failed":
            raise RuntimeError(f"pod {found['metadata']['name']} failed: {found['status']}")
        return bool(phase == "Succeeded")
