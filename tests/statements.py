"""SQL statements through REST, for whole-cluster tests: send one, wait for its end, read its rows."""

from __future__ import annotations

import time
from typing import Any

import httpx

ENDED = frozenset({"succeeded", "failed", "cancelled"})
POLL_SECONDS = 0.1


class Sql:
    """Statements on one warehouse of the workspace that `rest` opens.

    Args:
        rest: a client of the REST API with a key (`Platform.client`).
        warehouse: id or name of the warehouse.
    """

    def __init__(self, rest: httpx.Client, warehouse: str) -> None:
        self.rest = rest
        self.warehouse = warehouse

    def submit(self, query: str, **body: Any) -> str:
        """Send a statement, do not wait for it, and return its id."""
        answer = self._execute(query, wait_timeout=0, **body)
        statement_id: str = answer["statement_id"]
        return statement_id

    def run(self, query: str, *, timeout: float = 120, **body: Any) -> dict[str, Any]:
        """Send a statement, wait until it has ended, whichever way, and return it."""
        return self.wait(self._execute(query, **body)["statement_id"], timeout)

    def rows(self, query: str, *, timeout: float = 120, **body: Any) -> list[list[Any]]:
        """Send a statement, which must succeed, and return its rows; none of one that has no result."""
        statement_id = self._execute(query, **body)["statement_id"]
        statement = self.wait(statement_id, timeout)
        assert statement["status"] == "succeeded", (query, statement)
        data: list[list[Any]] = self.results(statement_id)["data"] if statement["result_schema"] else []
        return data

    def value(self, query: str, **body: Any) -> Any:
        """Send a statement, which must succeed with one row of one column, and return that."""
        [[value]] = self.rows(query, **body)
        return value

    def answer(self, query: str, **body: Any) -> dict[str, Any]:
        """Send a statement and return POST /sql/execute's body, whether it has ended or not."""
        return self._execute(query, **body)

    def get(self, statement_id: str) -> dict[str, Any]:
        """Return a statement."""
        statement: dict[str, Any] = self.rest.get(f"/sql/statements/{statement_id}").raise_for_status().json()
        return statement

    def results(self, statement_id: str) -> dict[str, Any]:
        """Return the first page of a statement's results."""
        page: dict[str, Any] = self.rest.get(f"/sql/statements/{statement_id}/results").raise_for_status().json()
        return page

    def wait(self, statement_id: str, timeout: float = 120) -> dict[str, Any]:
        """Wait until a statement has ended; servers that are being replaced meanwhile may be away."""
        return self.wait_until(statement_id, lambda statement: statement["status"] in ENDED, timeout)

    def wait_until(self, statement_id: str, is_reached: Any, timeout: float = 120) -> dict[str, Any]:
        """Wait until a statement satisfies a predicate."""
        deadline = time.monotonic() + timeout
        seen: Any = None
        while time.monotonic() < deadline:
            try:
                seen = self.get(statement_id)
            except httpx.HTTPError as error:
                seen = error
            else:
                if is_reached(seen):
                    ended: dict[str, Any] = seen
                    return ended
            time.sleep(POLL_SECONDS)
        raise AssertionError(f"still waiting after {timeout} s: {seen}")

    def wait_for_warehouse(self, status: str, *, spark: bool = False, timeout: float = 120) -> dict[str, Any]:
        """Wait until the warehouse is in this state, and Spark is ready if asked for."""
        deadline = time.monotonic() + timeout
        while True:
            found: dict[str, Any] = self.rest.get(f"/sql/warehouses/{self.warehouse}").raise_for_status().json()
            if found["status"] == status and (found["spark_ready"] or not spark):
                return found
            assert time.monotonic() < deadline, f"still waiting for {status}: {found}"
            time.sleep(POLL_SECONDS)

    def _execute(self, query: str, **body: Any) -> dict[str, Any]:
        request = {"query": query, "warehouse_id": self.warehouse, **body}
        answer = self.rest.post("/sql/execute", json=request, timeout=90)
        assert answer.status_code in (200, 202), (query, answer.text)
        sent: dict[str, Any] = answer.json()
        return sent


def save_warehouse(rest: httpx.Client, name: str, **body: Any) -> str:
    """Create a warehouse, unless it is there from an earlier session, and return its id."""
    answer = rest.post("/sql/warehouses", json={"name": name, **body})
    if answer.status_code == httpx.codes.CONFLICT:
        answer = rest.get(f"/sql/warehouses/{name}")
    assert answer.is_success, answer.text
    warehouse_id: str = answer.json()["id"]
    return warehouse_id


def create_database(rest: httpx.Client, name: str) -> str:
    """Create a database and return its name."""
    answer = rest.post("/databases", json={"name": name})
    assert answer.status_code == httpx.codes.CREATED, answer.text
    return name
