"""Spark applications on a real kubelet, as Runs in YAML: driver and executors come, work and go."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from icefield_crds import labels, names
from tests.e2e.scenarios import NAMESPACE, Scenario
from tests.kubernetes_client import PODS
from tests.statements import Sql

pytestmark = pytest.mark.e2e

PATIENCE_SECONDS = 240
SMALL = {"driver": {"cpu": "1", "memory": "2Gi"}, "executor": {"cpu": "1", "memory": "2Gi"}, "executors": 1}
LIBRARY = """
import os

def here():
    return os.environ["PARAM_WHO"] + " in " + os.uname().nodename
"""
PROGRAM = """
import os
import sys
import time

from pyspark.sql import SparkSession

def where(_):
    from places import here  # what only the driver gives an executor
    return here()

spark = SparkSession.builder.getOrCreate()
print("computed by", *sorted(set(spark.sparkContext.range(2, numSlices=2).map(where).collect())), flush=True)
if sys.argv[1] == "wait":
    time.sleep(3600)
spark.range(int(sys.argv[2])).writeTo(sys.argv[1]).createOrReplace()
folder = f"{os.environ['ICEFIELD_BUCKET']}/{os.environ['ICEFIELD_PREFIX']}/written-by-tests/{sys.argv[1]}"
spark.range(int(sys.argv[2])).write.csv(f"s3a://{folder}")
print("rows in files:", spark.read.csv(f"s3://{folder}").count(), flush=True)
"""


@pytest.fixture(scope="module")
def program(platform: Any) -> Iterator[dict[str, Any]]:
    """A program and its library, uploaded, as an application names them."""
    rest, address = platform.client(), f"{platform.api_url}/api/v2/spark/artifacts"
    suffix = secrets.token_hex(3)

    def upload(file: str, text: str) -> str:
        name = f"{file.removesuffix('.py')}-{suffix}"
        files = {"file": (file, text.encode(), "text/x-python")}
        answer = rest.post(address, data={"name": name}, files=files)
        assert answer.status_code == httpx.codes.CREATED, answer.text
        uploaded.append(name)
        url: str = answer.json()["entrypoint"]
        return url

    uploaded: list[str] = []
    yield {"entrypoint": upload("main.py", PROGRAM), "pyFiles": [upload("places.py", LIBRARY)]}
    for name in uploaded:
        rest.delete(f"{address}/{name}").raise_for_status()


def start(scenario: Scenario, application: dict[str, Any], **spec: Any) -> tuple[str, str]:
    """Create a Run; return its name and its public id."""
    metadata = {"generateName": "spark-", "namespace": NAMESPACE}
    run = {"apiVersion": names.API_VERSION, "kind": "Run", "metadata": metadata, "spec": {"spark": application, **spec}}
    made = scenario.cluster.create(run)
    return made["metadata"]["name"], names.public_id("run", made["metadata"]["uid"])


def executors(scenario: Scenario, run: str) -> list[str]:
    """The names of the executors of a run that are there and do not leave."""
    selector = f"{labels.RUN}={run},{labels.COMPONENT}={labels.APPLICATION_EXECUTOR_COMPONENT}"
    pods = scenario.cluster.list(PODS, NAMESPACE, selector)
    return [pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]]


def wait_for_no_executors(scenario: Scenario, run: str) -> None:
    deadline = time.monotonic() + 60
    while left := executors(scenario, run):
        assert time.monotonic() < deadline, f"executors outlive their driver: {left}"
        time.sleep(0.5)


def test_a_program_computes_on_executors(scenario: Scenario, program: dict[str, Any], sql: Sql, database: str) -> None:
    table = f"{database}.numbers"
    application = {**SMALL, **program, "arguments": [table, "1000"]}
    name, run_id = start(scenario, application, params={"who": "ada"})
    run = scenario.wait(run_id, PATIENCE_SECONDS)
    assert (run["status"], run["error"]) == ("success", None)
    [computed] = [line for line in scenario.messages(run_id) if line.startswith("computed by")]
    assert "ada in " in computed
    assert "-exec-1" in computed
    assert "rows in files: 1000" in scenario.messages(run_id)
    assert sql.rows(f"SELECT count(*) FROM {table}") == [[1000]]
    lineage = scenario.rest.get(f"/runs/{run_id}/lineage").raise_for_status().json()
    assert lineage["written"] == [f"{scenario.platform.workspace}.{table}"]
    wait_for_no_executors(scenario, name)


def test_a_query_becomes_a_table(scenario: Scenario, sql: Sql, database: str) -> None:
    query = {"query": "SELECT id FROM range(10)", "outputTable": f"oleander.{database}.ids", "writeMode": "append"}
    for expected in (10, 20):
        _, run_id = start(scenario, {**SMALL, "executors": 0, "sql": query})
        run = scenario.wait(run_id, PATIENCE_SECONDS)
        assert (run["status"], run["error"]) == ("success", None)
        assert sql.rows(f"SELECT count(*) FROM {database}.ids") == [[expected]]


def test_a_failure_is_one_sentence(scenario: Scenario, database: str) -> None:
    query = {"query": f"SELECT * FROM {database}.missing", "outputTable": f"{database}.never"}
    _, run_id = start(scenario, {**SMALL, "executors": 0, "sql": query})
    run = scenario.wait(run_id, PATIENCE_SECONDS)
    assert (run["status"], run["error"]) == ("failed", f"table {database}.missing does not exist")


def test_a_cancelled_application_takes_its_executors_with_it(scenario: Scenario, program: dict[str, Any]) -> None:
    name, run_id = start(scenario, {**SMALL, **program, "arguments": ["wait"]}, params={"who": "eve"})
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not any(line.startswith("computed by") for line in scenario.messages(run_id)):
        assert time.monotonic() < deadline, scenario.get(run_id)
        time.sleep(1)
    assert len(executors(scenario, name)) == 1
    scenario.rest.post(f"/runs/{run_id}/cancel").raise_for_status()
    assert scenario.wait(run_id)["status"] == "cancelled"
    wait_for_no_executors(scenario, name)


def test_executors_without_room_are_told(scenario: Scenario, program: dict[str, Any]) -> None:
    huge = {"cpu": "1", "memory": "2000Gi"}
    _, run_id = start(scenario, {**SMALL, "executor": huge, **program, "arguments": ["wait"]})
    waits = "1 of 1 executors: waiting for room in the cluster"
    scenario.wait_until(run_id, lambda run: waits in (run["error"] or ""), PATIENCE_SECONDS)
    scenario.rest.post(f"/runs/{run_id}/cancel").raise_for_status()
    assert scenario.wait(run_id)["status"] == "cancelled"
