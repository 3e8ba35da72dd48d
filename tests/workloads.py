"""Polars workloads for whole-cluster tests: send one, wait for its end, see the sandboxes and the tables it leaves."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

import httpx
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import NoSuchTableError

from icefield_cluster.install.api import Api
from icefield_crds import labels, names
from tests.e2e.scenarios import Scenario
from tests.kubernetes_client import PODS, RUNS, WORKSPACES
from tests.platform import Platform

POST_TIMEOUT_SECONDS = 300
POLL_SECONDS = 0.2
ENDLESS = "import time\nprint('it goes on', flush=True)\ntime.sleep(3600)"
"""A script that ends only when it is ended."""
WARM = f"{labels.COMPONENT}={labels.SANDBOX_COMPONENT}"


class Workloads:
    """Polars workloads in one workspace.

    Args:
        platform: the whole cluster.
        workspace: slug of the workspace; the platform's own when None.
        api_key: a key for that workspace; the administrator's when None.
    """

    def __init__(self, platform: Platform, workspace: str | None = None, api_key: str | None = None) -> None:
        self.platform = platform
        self.workspace = workspace or platform.workspace
        self.namespace = names.namespace_of(self.workspace)
        self.api_key = api_key or platform.api_key
        self.rest = platform.client(api_key)
        self.scenario = Scenario(platform)
        self.scenario.rest = self.rest

    def post(self, **body: Any) -> httpx.Response:
        """Send POST /warehouse/polars and return the answer, whatever it is."""
        return self.rest.post("/warehouse/polars", json=body, timeout=POST_TIMEOUT_SECONDS)

    def answer(self, **body: Any) -> dict[str, Any]:
        """Run a workload to its end and return the answer, which may tell of its failure."""
        answer = self.post(**body)
        assert answer.status_code == httpx.codes.OK, answer.text
        response: dict[str, Any] = answer.json()
        return response

    def rows(self, script: str, **body: Any) -> list[list[Any]]:
        """Run a script, which must succeed, and return the rows of its result."""
        response = self.answer(mode="script", script=script, **body)
        assert response["success"], response
        rows: list[list[Any]] = response["results"]["rows"]
        return rows

    def write(self, table: str, script: str, **body: Any) -> dict[str, Any]:
        """Run a script, which must succeed, with a table as its destination, and return the answer."""
        response = self.answer(mode="script", script=script, destination=table, **body)
        assert response["success"], response
        return response

    def submit(self, script: str, **body: Any) -> str:
        """Send a script, do not wait for it, and return its run's id."""
        answer = self.post(mode="script", script=script, **{"async": True, **body})
        assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        run_id: str = answer.json()["run_id"]
        return run_id

    def apply(self, polars: Mapping[str, Any], **spec: Any) -> str:
        """Create a Run in Kubernetes.

        Args:
            polars: its spec.polars.
            spec: further fields of the spec.

        Returns:
            The Run's id in REST.
        """
        run = {
            "apiVersion": names.API_VERSION,
            "kind": "Run",
            "metadata": {"generateName": "polars-", "namespace": self.namespace},
            "spec": {"polars": polars, **spec},
        }
        made = self.scenario.cluster.create(run)
        return names.public_id("run", made["metadata"]["uid"])

    def wait(self, run_id: str, timeout: float = 180) -> dict[str, Any]:
        """Wait until a run has ended, whichever way; servers that are being replaced meanwhile may be away."""
        return self.wait_until(run_id, lambda run: run["status"] in ("success", "failed", "cancelled"), timeout)

    def wait_until(
        self, run_id: str, is_reached: Callable[[dict[str, Any]], bool], timeout: float = 180
    ) -> dict[str, Any]:
        """Wait until a run satisfies a predicate."""
        deadline = time.monotonic() + timeout
        seen: Any = None
        while time.monotonic() < deadline:
            try:
                seen = self.rest.get(f"/runs/{run_id}").raise_for_status().json()
            except httpx.HTTPError as error:
                seen = error
            else:
                if is_reached(seen):
                    reached: dict[str, Any] = seen
                    return reached
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"still waiting after {timeout} s: {seen}")

    def cancel(self, *run_ids: str) -> None:
        """Cancel runs and wait until they have ended."""
        for run_id in run_ids:
            self.rest.post(f"/runs/{run_id}/cancel").raise_for_status()
        for run_id in run_ids:
            self.wait(run_id)

    def result(self, run_id: str) -> dict[str, Any]:
        """Return the rows of an ended run."""
        found: dict[str, Any] = self.rest.get(f"/runs/{run_id}/result").raise_for_status().json()
        return found

    def resource(self, run_id: str) -> dict[str, Any]:
        """Return a run as Kubernetes has it."""
        name = self.rest.get(f"/runs/{run_id}").raise_for_status().json()["name"]
        return self.scenario.cluster.get(RUNS, name, self.namespace)

    def pod_of(self, run_id: str) -> dict[str, Any] | None:
        """Return the pod of a run, or None when it has none (yet, or any more)."""
        name = self.rest.get(f"/runs/{run_id}").raise_for_status().json()["name"]
        found = self._pods(f"{labels.RUN}={name}")
        return found[0] if found else None

    def warm(self) -> list[dict[str, Any]]:
        """Return the sandboxes that stand ready for a workload, those that are leaving not among them."""
        return [pod for pod in self._pods(WARM) if is_ready(pod) and "deletionTimestamp" not in pod["metadata"]]

    def set_pool(self, size: int, **spec: Any) -> None:
        """Set how many sandboxes stand ready."""
        self.patch({"sandboxes": {"warmPool": {"size": size, **spec}}})

    def patch(self, spec: Mapping[str, Any]) -> None:
        """Change the Workspace."""
        self.scenario.cluster.patch(WORKSPACES, self.workspace, {"spec": spec})

    def spec(self) -> dict[str, Any]:
        """Return the Workspace's spec."""
        spec: dict[str, Any] = self.scenario.cluster.get(WORKSPACES, self.workspace)["spec"]
        return spec

    def wait_for_warm(self, count: int, timeout: float = 90) -> list[dict[str, Any]]:
        """Wait until exactly this many sandboxes stand ready, and return them."""
        deadline = time.monotonic() + timeout
        while len(found := self.warm()) != count:
            assert time.monotonic() < deadline, f"{len(found)} sandboxes stand ready, not {count}"
            time.sleep(POLL_SECONDS)
        return found

    def catalog(self) -> Catalog:
        """Return the workspace's tables as PyIceberg sees them from outside the cluster."""
        # What is made of requests takes the bundle of the environment before the one that it is given.
        os.environ["REQUESTS_CA_BUNDLE"] = str(self.platform.ca_bundle)
        uri = f"{self.platform.api_url}/iceberg"
        return load_catalog("outside", type="rest", uri=uri, warehouse=self.workspace, token=self.api_key)

    def column(self, table: str, name: str) -> list[Any] | None:
        """Return a column of a table, read from outside the cluster; None when there is no such table."""
        try:
            found = self.catalog().load_table(table)
        except NoSuchTableError:
            return None
        values: list[Any] = found.scan(selected_fields=(name,)).to_arrow().column(name).to_pylist()
        return values

    def _pods(self, selector: str) -> list[dict[str, Any]]:
        return self.scenario.cluster.list(PODS, self.namespace, selector)


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether a pod says that it is ready."""
    conditions = pod.get("status", {}).get("conditions") or []
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def made_workspace(platform: Platform, name: str, timeout: float = 120) -> Workloads:
    """Make a workspace, wait until it is ready, and return its workloads, with a key of its own."""
    administrator = platform.administrator()
    administrator.post("/workspaces", json={"name": name}).raise_for_status()
    deadline = time.monotonic() + timeout
    while (found := administrator.get(f"/workspaces/{name}")).json().get("status") != "ready":
        assert time.monotonic() < deadline, f"workspace {name} is not ready: {found.text}"
        time.sleep(POLL_SECONDS)
    key = Api(platform.api_url, platform.ca_bundle).create_key(platform.admin_email, platform.admin_password, name)
    return Workloads(platform, name, key)
