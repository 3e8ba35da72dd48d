"""Sandboxes, the operator and the API server die under Polars workloads.

Every workload ends once, with its result or its error; every table is as before or as after, and never half or empty.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.chaos.killing import delete_pod, kill_api_server, kill_operator, kill_processes_of, wait_until_back
from tests.e2e.scenarios import Scenario
from tests.statements import create_database
from tests.workloads import Workloads

pytestmark = pytest.mark.chaos

ROWS = 1_000_000
VERSION = f"""
rows = pl.LazyFrame().select(id=pl.int_range({ROWS}, dtype=pl.Int64))
result = rows.with_columns(version=pl.lit(params["version"]), text=pl.concat_str(pl.lit("row "), pl.col("id") * 7919))
"""
KILL_POINTS = [0.0, 0.15, 0.3, 0.45, 0.6, 0.8, 1.0, 1.3]
WORKLOADS, KILLS = 20, 4
KILL_PAUSE_SECONDS = 3
APPENDED = 100
END_SECONDS = 300


@pytest.fixture(scope="module")
def database(workloads: Workloads) -> str:
    return create_database(workloads.rest, f"polars_chaos_{secrets.token_hex(3)}")


@pytest.fixture
def room(workloads: Workloads) -> Iterator[None]:
    """As many runs at once as there are workloads."""
    before = workloads.spec()["quotas"]
    workloads.patch({"quotas": {"maxRunningRuns": WORKLOADS, "maxQueuedWorkloads": WORKLOADS}})
    yield
    workloads.patch({"quotas": before})


def kill_sandbox(workloads: Workloads, run_id: str, after_seconds: float, *, takes_pod: bool) -> None:
    """End a run's sandbox some time after it got one: its processes, or the whole pod."""
    workloads.wait_until(run_id, lambda _: workloads.pod_of(run_id) is not None)
    pod = workloads.pod_of(run_id)
    time.sleep(after_seconds)
    if pod and takes_pod:
        delete_pod(workloads.scenario, workloads.namespace, pod["metadata"]["name"])
    elif pod:
        kill_processes_of(pod["metadata"]["uid"])


def write_and_kill(workloads: Workloads, table: str, version: int, after_seconds: float) -> dict[str, Any]:
    """Begin to replace a table, end the sandbox meanwhile, and return the ended run."""
    run_id = workloads.submit(VERSION, params={"version": version}, destination=table)
    kill_sandbox(workloads, run_id, after_seconds, takes_pod=version % 2 == 0)
    run = workloads.wait(run_id, END_SECONDS)
    assert run["status"] in ("success", "failed"), run
    assert run["status"] == "success" or run["error"], run
    return run


def versions(workloads: Workloads, table: str) -> dict[int, int] | None:
    """Count the rows of each version that a table holds; None when there is no such table."""
    column = workloads.column(table, "version")
    return None if column is None else {version: column.count(version) for version in set(column)}


def test_a_sandbox_is_killed_while_it_replaces_a_table(workloads: Workloads, database: str) -> None:
    table, current = f"{database}.replaced", 0
    workloads.write(table, VERSION, params={"version": current})
    ends = []
    for version, after_seconds in enumerate(KILL_POINTS, start=1):
        run = write_and_kill(workloads, table, version, after_seconds)
        found = versions(workloads, table)
        wanted = [{version: ROWS}] if run["status"] == "success" else [{current: ROWS}, {version: ROWS}]
        assert found in wanted, (run, found)
        [current] = found or {}
        ends.append(run["status"])
    assert "failed" in ends, "no kill came in time"
    assert workloads.write(table, VERSION, params={"version": 99})["saved"]["rows_written"] == ROWS
    assert versions(workloads, table) == {99: ROWS}


def test_a_sandbox_is_killed_while_it_makes_a_table(workloads: Workloads, database: str) -> None:
    ends = []
    for version, after_seconds in enumerate(KILL_POINTS, start=1):
        table = f"{database}.made{version}"
        run = write_and_kill(workloads, table, version, after_seconds)
        found = versions(workloads, table)
        wanted = [{version: ROWS}] if run["status"] == "success" else [None, {version: ROWS}]
        assert found in wanted, (run, found)
        ends.append(run["status"])
    assert "failed" in ends, "no kill came in time"


@dataclass(frozen=True)
class Case:
    """One of the workloads that run while something dies.

    Args:
        run_id: its run.
        number: which it is.
        table: the table that it appends to; None when it writes none.
    """

    run_id: str
    number: int
    table: str | None

    @property
    def fails(self) -> bool:
        """Whether its script raises."""
        return self.number % 5 == 4


def submit(workloads: Workloads, database: str, number: int) -> Case:
    """Send a workload that takes a moment: most append to a table of their own, some return rows, some raise."""
    table = f"{database}.appended_{secrets.token_hex(3)}" if number % 5 in (0, 1, 2) else None
    end = "raise ValueError(f'number {number}')" if number % 5 == 4 else "result = rows"
    script = f"""
import time
number = {number}
rows = pl.DataFrame({{"number": [number] * {APPENDED}}})
time.sleep(1)
{end}
"""
    body = {"destination": table, "saveMode": "append"} if table else {}
    return Case(workloads.submit(script, **body), number, table)


def assert_ended_once(workloads: Workloads, case: Case) -> None:
    """A workload ended with what it came to, and it came to that once.

    Without the API server there is no catalog: a workload that waited for it in vain says so.
    """
    run = workloads.wait(case.run_id)
    [task] = workloads.resource(case.run_id)["status"]["tasks"]
    assert len(task["attempts"]) == 1, task
    if run["status"] == "failed" and case.table and "onnection" in run["error"]:
        assert workloads.column(case.table, "number") in (None, [case.number] * APPENDED)
        return
    if case.fails:
        assert run["status"] == "failed"
        assert f"ValueError: number {case.number}" in run["error"]
        return
    assert (run["status"], run["error"]) == ("success", None)
    if case.table:
        assert workloads.column(case.table, "number") == [case.number] * APPENDED
    else:
        assert workloads.result(case.run_id)["rows"] == [[case.number]] * APPENDED


@pytest.mark.parametrize(
    ("kill", "name"), [(kill_operator, "icefield-operator"), (kill_api_server, "icefield-apiserver")]
)
def test_the_platform_is_killed_while_workloads_run(
    workloads: Workloads, database: str, room: None, kill: Callable[[Scenario], None], name: str
) -> None:
    cases = [submit(workloads, database, number) for number in range(WORKLOADS)]
    for _ in range(KILLS):
        kill(workloads.scenario)
        time.sleep(KILL_PAUSE_SECONDS)
    wait_until_back(workloads.scenario, name)
    for case in cases:
        workloads.wait(case.run_id, END_SECONDS)
    for case in cases:
        assert_ended_once(workloads, case)
