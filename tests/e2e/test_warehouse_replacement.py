"""A warehouse whose Flavor is edited while it runs a statement, which ends on the old pod beside the new one."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator

import pytest

from icefield_crds import labels
from icefield_crds.names import API_VERSION
from tests.kubernetes_client import PODS, WAREHOUSES, Kind
from tests.platform import Platform
from tests.statements import Sql, save_warehouse
from tests.workloads import Workloads, made_workspace

pytestmark = pytest.mark.e2e

FLAVORS: Kind = (API_VERSION, "flavors")
SPEC = {"cpu": "1", "memory": "3Gi", "requests": {"cpu": "50m", "memory": "128Mi"}}
WIDTH = 25_000
LONG_SECONDS = 40
"""How long the statement is to take; the new pod serves after 10 to 20 s."""


@pytest.fixture(scope="module")
def place(platform: Platform) -> Iterator[Workloads]:
    """A workspace of its own."""
    made = made_workspace(platform, f"replaced-{secrets.token_hex(3)}")
    yield made
    platform.administrator().delete(f"/workspaces/{made.workspace}").raise_for_status()


@pytest.fixture
def flavor(place: Workloads) -> Iterator[str]:
    """A flavor that nobody else uses."""
    name = f"e2e-replaced-{secrets.token_hex(3)}"
    place.scenario.cluster.apply(
        {"apiVersion": API_VERSION, "kind": "Flavor", "metadata": {"name": name}, "spec": SPEC}
    )
    yield name
    place.scenario.cluster.delete(FLAVORS, name)


def product_query(rows: int) -> tuple[str, int]:
    """A statement that takes DuckDB a time proportional to `rows`, and what it counts."""
    query = f"SELECT count(*) FROM range({rows}) a CROSS JOIN range({WIDTH}) b WHERE (a.id * b.id) % 7 = 3"
    left, right = ([len(range(residue, count, 7)) for residue in range(7)] for count in (rows, WIDTH))
    return query, sum(left[a] * right[b] for a in range(7) for b in range(7) if a * b % 7 == 3)


def seconds_of(sql: Sql, rows: int) -> float:
    """How long a statement takes."""
    query, count = product_query(rows)
    begin = time.monotonic()
    assert sql.value(query) == count
    return time.monotonic() - begin


def test_a_statement_outlives_the_edit_of_its_flavor(place: Workloads, flavor: str) -> None:
    sql = Sql(place.rest, save_warehouse(place.rest, "edited", size=flavor, auto_stop="5m"))
    sql.wait_for_warehouse("running", timeout=180)
    [old] = pods(place)
    # The fastest of some: a machine that is busy for a moment would have the statement made too short.
    rows = int(5_000 * LONG_SECONDS / min(seconds_of(sql, 5_000) for _ in range(3)))
    query, count = product_query(rows)
    long = sql.submit(query)
    sql.wait_until(long, lambda statement: statement["status"] == "running")
    place.scenario.cluster.patch(FLAVORS, flavor, {"spec": {"memory": "3584Mi"}})

    def serving() -> str:
        name: str = place.scenario.cluster.get(WAREHOUSES, "edited", place.namespace)["status"]["podName"]
        return name

    begin = time.monotonic()
    while serving() == old:
        assert sql.value("SELECT 1") == 1
        assert time.monotonic() - begin < LONG_SECONDS, "the warehouse is not replaced"
        time.sleep(0.2)
    assert sql.get(long)["status"] == "running", "the statement ended before the new pod served"
    assert set(pods(place)) == {old, serving()}
    assert sql.value("SELECT 2") == 2
    ended = sql.wait(long, 3 * LONG_SECONDS)
    assert ended["status"] == "succeeded", ended
    assert sql.results(long)["data"] == [[count]]


def pods(place: Workloads) -> list[str]:
    """The names of the warehouse's pods."""
    found = place.scenario.cluster.list(PODS, place.namespace, f"{labels.WAREHOUSE}=edited")
    return [pod["metadata"]["name"] for pod in found]
