"""Bare pods, chained by a script: one that waits for the pod's phase, and one that looks closer.

The kubelet reports first that the container has ended, and a second or more later, when it has taken the pod down, the
phase Succeeded. Whoever waits for the phase, as `kubectl wait` and Jobs do, waits that much longer for each task.
Icefield does not: a task has ended when its container has.
"""

from __future__ import annotations

from icefield_kube.client import Manifest

from .cluster import PODS
from .script import Script


class BarePods(Script):
    """What every other contender is compared with: nothing but the pods, and their phase."""

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


class PodsByContainer(BarePods):
    """The quickest that a script can be: the next level starts once the containers have ended."""

    name = "bare pods, container's end"

    def has_succeeded(self, found: Manifest) -> bool:
        """Return whether the pod's only container has ended well.

        Raises:
            RuntimeError: it failed.
        """
        ends = [each["state"].get("terminated") for each in found["status"].get("containerStatuses", ())]
        return any(end is not None and end["exitCode"] == 0 for end in ends) or super().has_succeeded(found)
