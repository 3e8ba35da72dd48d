"""The few REST calls that the demo makes."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from time import monotonic, sleep
from typing import Any

import httpx

from icefield_cluster.errors import ClusterError

_ENDED = frozenset({"success", "failed", "cancelled"})
_STATEMENT_ENDED = frozenset({"succeeded", "failed", "cancelled"})
_STATEMENT_TIMEOUT_SECONDS = 300
_WORKLOAD_TIMEOUT_SECONDS = 300
_POLL_SECONDS = 0.3


class DemoError(ClusterError):
    """The demo cannot go on; the message says why."""


@dataclass(frozen=True)
class RunView:
    """A run and its tasks as REST shows them."""

    run: dict[str, Any]
    tasks: list[dict[str, Any]]

    @property
    def ended(self) -> bool:
        """Whether the run has ended, whichever way."""
        return self.run["status"] in _ENDED


@dataclass(frozen=True)
class QueryAnswer:
    """What a statement answered.

    Attributes:
        columns: names of its columns.
        rows: its rows, as JSON says them.
        engine: duckdb or spark.
        elapsed_ms: milliseconds that it ran.
        lineage: the tables that it read and wrote.
    """

    columns: list[str]
    rows: list[list[Any]]
    engine: str
    elapsed_ms: float
    lineage: dict[str, Any]


@dataclass(frozen=True)
class PolarsAnswer:
    """What a Polars workload answered.

    Attributes:
        run_id: the run that it was.
        columns: names of its columns.
        rows: its rows, as JSON says them.
        execution_time: how long it took, in words.
        saved: table, rows_written and mode of what it wrote.
    """

    run_id: str
    columns: list[str]
    rows: list[list[Any]]
    execution_time: str
    saved: dict[str, Any]


class Api:
    """A client of the running platform."""

    def __init__(self, url: str, token: str, ca_file: str) -> None:
        """Connect to `url` with an API key, trusting the authorities in `ca_file`."""
        self._client = httpx.Client(
            base_url=f"{url}/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            verify=ssl.create_default_context(cafile=ca_file),
            timeout=30,
        )

    def save_job(self, body: dict[str, Any]) -> dict[str, Any]:
        """Create the job, or update the one that is there from an earlier demo."""
        answer = self._client.post("/jobs", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            answer = self._client.put(f"/jobs/{body['name']}", json=body)
        job: dict[str, Any] = _checked(answer)
        return job

    def start_run(self, job_id: str) -> str:
        """Trigger a run of the job and return its id."""
        run_id: str = _checked(self._client.post(f"/jobs/{job_id}/run"))["run_id"]
        return run_id

    def watch_run(self, run_id: str, timeout_seconds: float) -> Iterator[RunView]:
        """Yield the run again and again until it has ended.

        Raises:
            DemoError: it did not end in time.
        """
        deadline = monotonic() + timeout_seconds
        while True:
            run = _checked(self._client.get(f"/runs/{run_id}"))
            view = RunView(run, _checked(self._client.get(f"/runs/{run_id}/tasks")))
            yield view
            if view.ended:
                return
            if monotonic() > deadline:
                raise DemoError(f"run {run_id} did not end within {timeout_seconds:.0f} s")
            sleep(_POLL_SECONDS)

    def logs(self, run_id: str, task_key: str) -> list[dict[str, Any]]:
        """Return the lines of a task's log."""
        lines: list[dict[str, Any]] = _checked(self._client.get(f"/runs/{run_id}/tasks/{task_key}/logs"))
        return lines

    def save_warehouse(self, name: str, size: str) -> dict[str, Any]:
        """Create the warehouse, or return the one that is there from an earlier demo."""
        answer = self._client.post("/sql/warehouses", json={"name": name, "size": size})
        if answer.status_code == httpx.codes.CONFLICT:
            answer = self._client.get(f"/sql/warehouses/{name}")
        warehouse: dict[str, Any] = _checked(answer)
        return warehouse

    def query(self, query: str, warehouse: str) -> QueryAnswer:
        """Run a statement, wait for its end however long the warehouse takes to start, and return what it answered.

        Raises:
            DemoError: it failed, or did not end in time.
        """
        body = {"query": query, "warehouse_id": warehouse}
        said = _checked(self._client.post("/sql/execute", json=body))
        if said["status"] == "succeeded":
            return QueryAnswer(said["columns"], said["rows"], said["engine"], said["elapsed_ms"], said["lineage"])
        statement_id = said["statement_id"]
        said = self._ended_statement(statement_id)
        if said["status"] != "succeeded":
            raise DemoError(f"statement {statement_id} ended {said['status']}: {said.get('error_message')}")
        page = _checked(self._client.get(f"/sql/statements/{statement_id}/results"))
        columns = [column["name"] for column in page["schema"]]
        return QueryAnswer(columns, page["data"], said["engine"], said["duration_ms"], said["lineage"])

    def run_polars(self, workload: dict[str, Any]) -> PolarsAnswer:
        """Run a Polars workload with a destination, wait for its end, and return what it answered.

        Raises:
            DemoError: it failed, or did not end in time.
        """
        said = _checked(self._client.post("/warehouse/polars", json=workload, timeout=_WORKLOAD_TIMEOUT_SECONDS))
        if not said.get("success"):
            raise DemoError(f"the Polars workload failed: {said.get('error')}")
        results = said["results"]
        return PolarsAnswer(said["run_id"], results["columns"], results["rows"], said["execution_time"], said["saved"])

    def lineage(self, run_id: str) -> dict[str, Any]:
        """Return the tables that a run read and wrote, with the snapshots that it saw and made."""
        lineage: dict[str, Any] = _checked(self._client.get(f"/runs/{run_id}/lineage"))
        return lineage

    def _ended_statement(self, statement_id: str) -> dict[str, Any]:
        deadline = monotonic() + _STATEMENT_TIMEOUT_SECONDS
        while True:
            statement: dict[str, Any] = _checked(self._client.get(f"/sql/statements/{statement_id}"))
            if statement["status"] in _STATEMENT_ENDED:
                return statement
            if monotonic() > deadline:
                raise DemoError(f"statement {statement_id} did not end within {_STATEMENT_TIMEOUT_SECONDS} s")
            sleep(_POLL_SECONDS)


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise DemoError(
            f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text}"
        )
    return answer.json()
