"""What the Polars benchmarks need: workloads as a user sends them, the warm pool, and Polars in this process."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Mapping
from typing import Any

os.environ.setdefault("POLARS_MAX_THREADS", "2")  # as a sandbox of the default tier; read when polars is imported

import polars as pl
from pyiceberg.catalog import Catalog

from benchmarks.platform_under_test import GROUP, NAMESPACE, VERSION, Platform
from benchmarks.sql_under_test import catalog, store_of

WORKSPACE = "demo"
WARM = "app.kubernetes.io/component=polars-sandbox"
WORKLOAD_SECONDS = 600
POOL_SECONDS = 180


class PolarsPlatform(Platform):
    """Polars workloads of the platform that `icefield env` points at."""

    def create_database(self) -> str:
        """Create a database with a name of its own and return that."""
        name = f"bench_{secrets.token_hex(4)}"
        self.rest.post("/databases", json={"name": name}).raise_for_status()
        return name

    def run_script(self, script: str, **body: Any) -> dict[str, Any]:
        """Run a script to its end and return the answer.

        Raises:
            RuntimeError: it failed.
        """
        return self.run_workload(mode="script", script=script, **body)

    def run_workload(self, **body: Any) -> dict[str, Any]:
        """Run a workload to its end and return the answer.

        Raises:
            RuntimeError: it failed.
        """
        answer = self.rest.post("/warehouse/polars", json=body, timeout=WORKLOAD_SECONDS)
        response: dict[str, Any] = answer.raise_for_status().json()
        if not response["success"]:
            raise RuntimeError(f"{response['run_id']}: {response['error']}")
        return response

    def run_resource(self, run_id: str) -> dict[str, Any]:
        """Return a run as Kubernetes has it."""
        name = self.rest.get(f"/runs/{run_id}").raise_for_status().json()["name"]
        found: dict[str, Any] = self.custom.get_namespaced_custom_object(GROUP, VERSION, NAMESPACE, "runs", name)
        return found

    def pool_size(self, workspace: str = WORKSPACE) -> int:
        """Return how many sandboxes shall stand ready."""
        found = self.custom.get_cluster_custom_object(GROUP, VERSION, "workspaces", workspace)
        size: int = found["spec"]["sandboxes"]["warmPool"]["size"]
        return size

    def set_pool(self, size: int, workspace: str = WORKSPACE) -> None:
        """Set how many sandboxes stand ready."""
        self.patch_workspace({"sandboxes": {"warmPool": {"size": size}}}, workspace)

    def patch_workspace(self, spec: Mapping[str, Any], workspace: str = WORKSPACE) -> None:
        """Change a Workspace."""
        self.custom.patch_cluster_custom_object(GROUP, VERSION, "workspaces", workspace, {"spec": spec})

    def wait_for_warm(self, count: int, namespace: str = NAMESPACE) -> None:
        """Wait until so many sandboxes stand ready.

        Raises:
            TimeoutError: they do not.
        """
        deadline = time.monotonic() + POOL_SECONDS
        while self._warm(namespace) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{count} sandboxes do not stand ready after {POOL_SECONDS} s")
            time.sleep(0.1)

    def _warm(self, namespace: str) -> int:
        pods = self.core.list_namespaced_pod(namespace, label_selector=WARM).items
        ready = [
            pod
            for pod in pods
            if pod.metadata.deletion_timestamp is None
            and any(each.type == "Ready" and each.status == "True" for each in pod.status.conditions or ())
        ]
        return len(ready)


class InProcess:
    """Polars in this process, on the same tables of the same object store.

    Args:
        table: any table of the workspace: the keys that are handed out for it open them all.
    """

    def __init__(self, table: str) -> None:
        database, _, name = table.partition(".")
        store = store_of(database, name)
        self._catalog: Catalog = catalog()
        self._options = {
            "aws_endpoint_url": store.endpoint,
            "aws_region": store.region,
            "aws_access_key_id": store.access_key_id,
            "aws_secret_access_key": store.secret_access_key,
            "aws_allow_http": "true",
            "aws_virtual_hosted_style_request": "false",
        }

    def scan(self, table: str) -> pl.LazyFrame:
        """Return a table as it is now, as `scan` does in a script."""
        return pl.scan_iceberg(self._catalog.load_table(table), storage_options=self._options)

    def run_script(self, script: str, params: Mapping[str, Any]) -> pl.DataFrame:
        """Run a script as a sandbox does, and return its result."""
        scope: dict[str, Any] = {"pl": pl, "scan": self.scan, "params": params, "catalog": WORKSPACE}
        exec(compile(script, "script", "exec"), scope)  # noqa: S102 - a benchmark's own script
        frame: pl.LazyFrame = scope["result"].lazy()
        return frame.collect(engine="streaming")
