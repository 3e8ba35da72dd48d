"""batch/v1 Jobs, chained by a script."""

from __future__ import annotations

from icefield_kube.client import Manifest

from .cluster import NAMESPACE
from .script import Script


class BatchJobs(Script):
    """A Job for each task, and the next level once their condition is Complete."""

    name = "batch/v1 Jobs"
    path = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"

    def manifest(self, name: str, labels: dict[str, str]) -> Manifest:
        """Return a Job that does not try again."""
        template = {"metadata": {"labels": labels}, "spec": self.pod_spec()}
        return {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name, "labels": labels},
            "spec": {"backoffLimit": 0, "template": template},
        }

    def has_succeeded(self, found: Manifest) -> bool:
        """Return whether the Job is complete, as `kubectl wait --for=condition=Complete` sees it.

        Raises:
            RuntimeError: it failed.
        """
        states = {each["type"] for each in found["status"].get("conditions", []) if each["status"] == "True"}
        if "Failed" in states:
            raise RuntimeError(f"job {found['metadata']['name']} failed: {found['status']}")
        return "Complete" in states
