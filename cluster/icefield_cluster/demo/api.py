"""The REST calls of the demo."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from tenacity import RetryError, Retrying, retry_if_result, stop_after_delay, wait_fixed

from icefield_cluster.errors import ClusterError

T = TypeVar("T")

_ENDED = frozenset({"success", "failed", "cancelled"})
_STATEMENT_ENDED = frozenset({"succeeded", "failed", "cancelled"})
_STATEMENT_TIMEOUT_SECONDS = 300
_WORKLOAD_TIMEOUT_SECONDS = 300
_POLL_SECONDS = 0.3


class DemoError(ClusterError):
    """A step of the demo failed."""


@dataclass(frozen=True)
class RunView:
    """A run and its tasks as REST shows them."""

    run: dict[str, Any]
    tasks: list[dict[str, Any]]

    @property
    def ended(self) -> bool:
        """Whether the run has ended, successfully or not."""
        return self.run["status"] in _ENDED


@dataclass(frozen=True)
class QueryAnswer:
    """Result of a statement.

    Attributes:
        columns: names of its columns.
        rows: its rows, as JSON values.
        engine: duckdb or spark.
        elapsed_ms: how long it ran.
        lineage: the tables that it read and wrote.
    """

    columns: list[str]
    rows: list[list[Any]]
    engine: str
    elapsed_ms: float
    lineage: dict[str, Any]


@dataclass(frozen=True)
class PolarsAnswer:
    """Result of a Polars workload.

    Attributes:
        run_id: its run.
        columns: names of its columns.
        rows: its rows, as JSON values.
        execution_time: how long it took, as text.
        saved: table, rows_written and mode of the table that it wrote.
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
        """Create the job, or update the one of an earlier demo."""
        answer = self._client.post("/jobs", json=body)
        if answer.status_code == httpx.codes.CONFLICT:
            answer = self._client.put(f"/jobs/{body['name']}", json=body)
        job: dict[str, Any] = _checked(answer)
        return job

    def start_run(self, job_id: str) -> str:
        """Trigger a run of the job and return its id."""
        run_id: str = _checked(self._client.post(f"/jobs/{job_id}/run"))["run_id"]
        return run_id

    def wait_for_run(self, run_id: str, timeout_seconds: float, show: Callable[[RunView], None]) -> RunView:
        """Poll the run until it has ended, and return it.

        Args:
            run_id: of the run.
            timeout_seconds: how long to wait.
            show: called with each state of the run, the last one included.

        Raises:
            DemoError: it did not end in time.
        """

        def poll() -> RunView:
            run = _checked(self._client.get(f"/runs/{run_id}"))
            view = RunView(run, _checked(self._client.get(f"/runs/{run_id}/tasks")))
            show(view)
            return view

        return _poll(f"run {run_id}", poll, lambda view: view.ended, timeout_seconds)

    def logs(self, run_id: str, task_key: str) -> list[dict[str, Any]]:
        """Return the lines of a task's log."""
        lines: list[dict[str, Any]] = _checked(self._client.get(f"/runs/{run_id}/tasks/{task_key}/logs"))
        return lines

    def save_warehouse(self, name: str, size: str) -> dict[str, Any]:
        """Create the warehouse, or return the one of an earlier demo."""
        answer = self._client.post("/sql/warehouses", json={"name": name, "size": size})
        if answer.status_code == httpx.codes.CONFLICT:
            answer = self._client.get(f"/sql/warehouses/{name}")
        warehouse: dict[str, Any] = _checked(answer)
        return warehouse

    def query(self, query: str, warehouse: str) -> QueryAnswer:
        """Run a statement, wait for its end however long the warehouse takes to start, and return its result.

        Raises:
            DemoError: it failed, or did not end in time.
        """
        statement = _checked(self._client.post("/sql/execute", json={"query": query, "warehouse_id": warehouse}))
        if statement["status"] == "succeeded":
            rows, elapsed_ms = statement["rows"], statement["elapsed_ms"]
            return QueryAnswer(statement["columns"], rows, statement["engine"], elapsed_ms, statement["lineage"])
        statement_id = statement["statement_id"]
        statement = self._wait_for_statement(statement_id)
        if statement["status"] != "succeeded":
            raise DemoError(f"statement {statement_id} ended {statement['status']}: {statement.get('error_message')}")
        page = _checked(self._client.get(f"/sql/statements/{statement_id}/results"))
        columns = [column["name"] for column in page["schema"]]
        elapsed_ms = statement["duration_ms"]
        return QueryAnswer(columns, page["data"], statement["engine"], elapsed_ms, statement["lineage"])

    def run_polars(self, workload: dict[str, Any]) -> PolarsAnswer:
        """Run a Polars workload with a destination, wait for its end, and return its result.

        Raises:
            DemoError: it failed, or did not end in time.
        """
        response = self._client.post("/warehouse/polars", json=workload, timeout=_WORKLOAD_TIMEOUT_SECONDS)
        answer = _checked(response)
        if not answer.get("success"):
            raise DemoError(f"the Polars workload failed: {answer.get('error')}")
        columns, rows = answer["results"]["columns"], answer["results"]["rows"]
        return PolarsAnswer(answer["run_id"], columns, rows, answer["execution_time"], answer["saved"])

    def lineage(self, run_id: str) -> dict[str, Any]:
        """Return the tables that a run read and wrote, with the snapshots that it saw and made."""
        lineage: dict[str, Any] = _checked(self._client.get(f"/runs/{run_id}/lineage"))
        return lineage

    def _wait_for_statement(self, statement_id: str) -> dict[str, Any]:
        def poll() -> dict[str, Any]:
            statement: dict[str, Any] = _checked(self._client.get(f"/sql/statements/{statement_id}"))
            return statement

        what = f"statement {statement_id}"
        return _poll(what, poll, lambda statement: statement["status"] in _STATEMENT_ENDED, _STATEMENT_TIMEOUT_SECONDS)


def _poll(what: str, read: Callable[[], T], is_ended: Callable[[T], bool], timeout_seconds: float) -> T:
    attempts = Retrying(
        retry=retry_if_result(lambda value: not is_ended(value)),
        wait=wait_fixed(_POLL_SECONDS),
        stop=stop_after_delay(timeout_seconds),
    )
    try:
        return attempts(read)
    except RetryError:
        raise DemoError(f"{what} did not end within {timeout_seconds:.0f} s") from None


def _checked(answer: httpx.Response) -> Any:
    if answer.is_error:
        raise DemoError(
            f"{answer.request.method} {answer.request.url.path} answered {answer.status_code}: {answer.text}"
        )
    return answer.json()
