"""A small REST client for whole-cluster tests: start what a scenario needs, wait for its end, read what it left."""

from __future__ import annotations

import json
import secrets
import subprocess
import time
from typing import Any

from tests.kubernetes_client import KubernetesClient

ENDED = frozenset({"success", "failed", "cancelled"})
NAMESPACE = "icefield-demo"


class Scenario:
    """One test's view of the platform; `platform` is the session's fixture."""

    def __init__(self, platform: Any) -> None:
        self.platform = platform
        self._started: list[str] = []
        self.rest = platform.client()
        self.cluster = KubernetesClient(platform.kubeconfig)

    def job(self, **body: Any) -> dict[str, Any]:
        """Create a job under a name of its own."""
        answer = self.rest.post("/jobs", json={"name": f"e2e-{secrets.token_hex(4)}", **body})
        assert answer.status_code == 201, answer.text
        job: dict[str, Any] = answer.json()
        return job

    def start(self, **body: Any) -> str:
        """Create a job and trigger a run of it; returns the run's id."""
        return self.run_of(self.job(**body)["id"])

    def run_of(self, job_id: str, **body: Any) -> str:
        """Trigger a run of a job; returns the run's id."""
        answer = self.rest.post(f"/jobs/{job_id}/run", json=body)
        assert answer.is_success, answer.text
        run_id: str = answer.json()["run_id"]
        self._started.append(run_id)
        return run_id

    def clean_up(self) -> None:
        """Cancel what still runs, so that the next test finds the workspace idle."""
        left = [run_id for run_id in self._started if self.get(run_id)["status"] not in ENDED]
        for run_id in left:
            self.rest.post(f"/runs/{run_id}/cancel").raise_for_status()
        for run_id in left:
            self.wait(run_id)

    def get(self, run_id: str) -> dict[str, Any]:
        """Return the run."""
        run: dict[str, Any] = self.rest.get(f"/runs/{run_id}").raise_for_status().json()
        return run

    def tasks(self, run_id: str) -> dict[str, dict[str, Any]]:
        """Return the run's tasks by key."""
        rows = self.rest.get(f"/runs/{run_id}/tasks").raise_for_status().json()
        return {row["key"]: row for row in rows}

    def wait(self, run_id: str, timeout: float = 180) -> dict[str, Any]:
        """Wait until the run has ended."""
        return self.wait_until(run_id, lambda run: run["status"] in ENDED, timeout)

    def wait_until(self, run_id: str, is_reached: Any, timeout: float = 180) -> dict[str, Any]:
        """Wait until the run satisfies a predicate."""
        deadline = time.monotonic() + timeout
        while True:
            run = self.get(run_id)
            if is_reached(run):
                return run
            assert time.monotonic() < deadline, f"still waiting: {run} {self.tasks(run_id)}"
            time.sleep(0.3)

    def messages(self, run_id: str, task_key: str | None = None) -> list[str]:
        """Return the lines of a run's log, or of one task's."""
        path = f"/runs/{run_id}/tasks/{task_key}/logs" if task_key else f"/runs/{run_id}/logs"
        return [line["message"] for line in self.rest.get(path).raise_for_status().json()]

    def kubectl(self, *arguments: str, stdin: Any = None) -> str:
        """Run kubectl, with a JSON document on standard input if given, and return what it prints."""
        done = subprocess.run(
            [str(self.platform.kubectl), "--kubeconfig", str(self.platform.kubeconfig), *arguments],
            input=json.dumps(stdin) if stdin is not None else None,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def custom_resource(self, kind: str, name: str) -> dict[str, Any]:
        """Return a custom resource of the demo workspace as kubectl shows it."""
        found: dict[str, Any] = json.loads(
            self.kubectl("-n", NAMESPACE, "get", f"{kind}.icefield.dev", name, "-o", "json")
        )
        return found
