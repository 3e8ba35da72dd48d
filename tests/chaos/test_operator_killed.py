"""The operator is killed again and again; nothing is lost and nothing runs twice."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from tests.chaos.killing import kill_operator, leader, wait_for_another_leader, wait_until_back
from tests.e2e.scenarios import Scenario

pytestmark = pytest.mark.chaos

RUNS, KILLS = 20, 4
MARK = """
import os, boto3
key = "/".join((os.environ["ICEFIELD_PREFIX"], "chaos", os.environ["POLNOR_RUN_ID"], os.environ["POLNOR_TASK_KEY"],
                os.environ["ICEFIELD_POD_UID"] + "-" + os.environ["ICEFIELD_ATTEMPT"]))
boto3.client("s3").put_object(Bucket=os.environ["ICEFIELD_BUCKET"], Key=key, Body=b"")
for n in range(20):
    print(os.environ["POLNOR_TASK_KEY"], n, flush=True)
"""
LIST = """
import os, boto3
pages = boto3.client("s3").get_paginator("list_objects_v2").paginate(
    Bucket=os.environ["ICEFIELD_BUCKET"], Prefix=os.environ["ICEFIELD_PREFIX"] + "/chaos/")
for page in pages:
    for found in page.get("Contents", []):
        print(found["Key"].removeprefix(os.environ["ICEFIELD_PREFIX"] + "/chaos/"))
"""
TASKS = [
    {"key": "a", "command": "python mark.py"},
    {"key": "b", "command": "python mark.py", "depends_on": ["a"]},
    {"key": "c", "command": "python mark.py", "depends_on": ["a"]},
]


def test_every_run_ends_and_every_task_runs_once_while_the_operator_dies(platform: Any) -> None:
    scenario = Scenario(platform)
    patch = ["patch", "workspaces.icefield.dev", "demo", "--type=merge", "-p"]
    scenario.kubectl(*patch, json.dumps({"spec": {"quotas": {"maxRunningRuns": 2 * RUNS}}}))
    job = scenario.job(files={"mark.py": MARK}, tasks=TASKS)
    runs = []
    for n in range(RUNS):
        runs.append(scenario.run_of(job["id"]))
        if n % (RUNS // KILLS) == 0:
            killed = leader(scenario)
            kill_operator(scenario)
            wait_for_another_leader(scenario, killed)
            time.sleep(2)
    wait_until_back(scenario, "icefield-operator")

    assert {scenario.wait(run_id, timeout=600)["status"] for run_id in runs} == {"success"}
    for run_id in runs:
        assert {task["retry_count"] for task in scenario.tasks(run_id).values()} == {0}
        for key in "abc":
            assert scenario.messages(run_id, key) == [f"{key} {n}" for n in range(20)], (run_id, key)

    listing = scenario.start(files={"list.py": LIST}, tasks=[{"key": "list", "command": "python list.py"}])
    assert scenario.wait(listing)["status"] == "success"
    markers = [line.split("/") for line in scenario.messages(listing, "list")]
    started = sorted((run_id, key) for run_id, key, _ in markers if run_id in runs)
    assert started == sorted((run_id, key) for run_id in runs for key in "abc")
