"""A warehouse whose Spark outgrows its pod: executors come as pods of their own, and go with it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import pytest

from icefield_crds import labels
from tests.e2e.scenarios import NAMESPACE, Scenario
from tests.kubernetes_client import PODS
from tests.statements import Sql, save_warehouse

pytestmark = pytest.mark.e2e

SELECTOR = f"{labels.COMPONENT}={labels.EXECUTOR_COMPONENT}"


@pytest.fixture
def large(platform: Any) -> Iterator[Sql]:
    """A warehouse that may have two executors, and has none to begin with."""
    rest = platform.client()
    executors = {"min": 0, "max": 2, "size": "cpu.1"}
    name = f"large-{secrets.token_hex(3)}"
    sql = Sql(rest, save_warehouse(rest, name, size="cpu.1", auto_stop="never", spark_executors=executors))
    yield sql
    rest.post(f"/sql/warehouses/{sql.warehouse}/stop").raise_for_status()
    sql.wait_for_warehouse("stopped")
    rest.delete(f"/sql/warehouses/{sql.warehouse}").raise_for_status()


def executors(scenario: Scenario) -> list[dict[str, Any]]:
    """The executor pods there are."""
    return scenario.cluster.list(PODS, NAMESPACE, SELECTOR)


def test_executors_are_pods(platform: Any, large: Sql, database: str) -> None:
    scenario = Scenario(platform)
    large.wait_for_warehouse("running", spark=True, timeout=180)
    statement_id = large.submit(f"CREATE TABLE {database}.large AS SELECT id, id % 10 AS digit FROM range(2000000)")
    seen: list[dict[str, Any]] = []
    while large.get(statement_id)["status"] in ("pending", "running"):
        seen += executors(scenario)
        time.sleep(0.5)
    statement = large.get(statement_id)
    assert statement["status"] == "succeeded", statement
    seen += executors(scenario)
    assert seen
    for pod in seen:
        assert pod["metadata"]["labels"][labels.WORKSPACE] == platform.workspace
        [container] = pod["spec"]["containers"]
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert large.rows(f"SELECT count(*), count(DISTINCT digit) FROM {database}.large") == [[2_000_000, 10]]

    large.rest.post(f"/sql/warehouses/{large.warehouse}/stop").raise_for_status()
    large.wait_for_warehouse("stopped")
    deadline = time.monotonic() + 60
    while executors(scenario):
        assert time.monotonic() < deadline, "executors outlive their warehouse"
        time.sleep(0.5)
