"""Runs on a real kubelet: what a user sees of each way a run can go."""

from __future__ import annotations

import json

import pytest

from tests.e2e.scenarios import NAMESPACE, Scenario

pytestmark = pytest.mark.e2e


def test_tasks_run_in_the_order_of_the_dag_and_share_files_env_and_params(scenario: Scenario) -> None:
    show = "import os; print(os.environ['GREETING'], os.environ['PARAM_DAY'], os.environ['POLNOR_TASK_KEY'])\n"
    job = scenario.job(
        files={"show.py": show},
        env_vars={"GREETING": "job"},
        params={"day": "monday"},
        tasks=[
            {"key": "a", "command": "python show.py"},
            {"key": "b", "command": "python show.py", "depends_on": ["a"], "env_vars": {"GREETING": "task"}},
        ],
    )
    run_id = scenario.run_of(job["id"], params={"day": "friday"})
    run = scenario.wait(run_id)
    assert (run["status"], run["error"]) == ("success", None)
    assert scenario.messages(run_id, "a") == ["job friday a"]
    assert scenario.messages(run_id, "b") == ["task friday b"]
    assert scenario.tasks(run_id)["a"]["finished_at"] <= scenario.tasks(run_id)["b"]["started_at"]


def test_files_and_their_folders_are_the_tasks_own(scenario: Scenario) -> None:
    run_id = scenario.start(
        files={"sql/a.sql": "select 1\n", "run.py": "", "bin/go.sh": "echo gone\n"},
        command=(
            "set -e; touch sql/out.txt; mkdir sql/target; echo x >> sql/a.sql; rm run.py; sh bin/go.sh; cat sql/a.sql; "
            "echo $(ls) $(ls sql)"
        ),
    )
    run = scenario.wait(run_id)
    assert (run["status"], run["error"]) == ("success", None)
    assert scenario.messages(run_id) == ["gone", "select 1", "x", "bin sql a.sql out.txt target"]


def test_the_same_pipeline_through_kubectl(scenario: Scenario) -> None:
    job = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Job",
        "metadata": {"name": "applied", "namespace": NAMESPACE},
        "spec": {
            "tasks": [{"key": "a", "command": "echo one"}, {"key": "b", "command": "echo two", "dependsOn": ["a"]}]
        },
    }
    run = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"generateName": "applied-", "namespace": NAMESPACE},
        "spec": {"jobRef": {"name": "applied"}},
    }
    scenario.kubectl("apply", "--server-side", "-f", "-", stdin=job)
    before = scenario.custom_resource("job", "applied")
    scenario.kubectl("apply", "--server-side", "-f", "-", stdin=job)
    assert scenario.custom_resource("job", "applied")["metadata"]["generation"] == before["metadata"]["generation"]

    name = scenario.kubectl("create", "-f", "-", "-o", "name", stdin=run).strip().partition("/")[2]
    scenario.kubectl("-n", NAMESPACE, "wait", "--for=condition=Complete", "--timeout=120s", f"run.icefield.dev/{name}")
    stored = scenario.custom_resource("run", name)
    assert stored["spec"] == {"jobRef": {"name": "applied"}, "desiredState": "running"}
    assert [t["command"] for t in stored["status"]["snapshot"]["tasks"]] == ["echo one", "echo two"]
    assert not stored["metadata"].get("finalizers")
    assert not stored["metadata"].get("annotations")
    assert [owner["name"] for owner in stored["metadata"]["ownerReferences"]] == ["applied"]

    run_id = f"run_{stored['metadata']['uid'].replace('-', '')[:12]}"
    assert scenario.get(run_id)["status"] == "success"
    assert scenario.messages(run_id) == ["one", "two"]
    table = scenario.kubectl("-n", NAMESPACE, "get", "runs.icefield.dev", name)
    assert "applied" in table
    assert "2/2" in table


def test_a_failed_task_is_retried_and_its_downstream_skipped_while_the_rest_runs(scenario: Scenario) -> None:
    run_id = scenario.start(
        tasks=[
            {"key": "broken", "command": "echo attempt; exit 3", "max_retries": 1},
            {"key": "after", "command": "echo never", "depends_on": ["broken"]},
            {"key": "independent", "command": "echo fine"},
        ]
    )
    run = scenario.wait(run_id)
    tasks = scenario.tasks(run_id)
    assert run["status"] == "failed"
    assert "broken" in run["error"]
    assert {key: task["status"] for key, task in tasks.items()} == {
        "broken": "failed",
        "after": "skipped",
        "independent": "success",
    }
    assert (tasks["broken"]["retry_count"], tasks["broken"]["exit_code"]) == (1, 3)
    assert "3" in tasks["broken"]["error"]
    assert scenario.messages(run_id, "broken") == ["attempt", "attempt"]


@pytest.mark.parametrize("image", ["", "foreign"])
def test_cancel_reaches_the_process_of_a_compound_command(scenario: Scenario, image: str) -> None:
    script = "trap 'echo got TERM; exit 0' TERM; echo ready; while true; do sleep 0.2; done"
    body = {"image": scenario.platform.foreign_image} if image else {}
    run_id = scenario.start(
        tasks=[
            {"key": "loop", "command": f'true; (sh -c "{script}"); true', **body},
            {"key": "later", "command": "true", "depends_on": ["loop"]},
        ]
    )
    scenario.wait_until(run_id, lambda run: scenario.messages(run_id, "loop") == ["ready"])
    for _ in range(2):
        assert scenario.rest.post(f"/runs/{run_id}/cancel").is_success
    assert scenario.wait(run_id)["status"] == "cancelled"
    assert {key: task["status"] for key, task in scenario.tasks(run_id).items()} == {
        "loop": "cancelled",
        "later": "cancelled",
    }
    assert "got TERM" in scenario.messages(run_id, "loop")


def test_timeouts_of_a_task_and_of_a_run(scenario: Scenario) -> None:
    slow_task = scenario.start(tasks=[{"key": "slow", "command": "sleep 600", "timeout_seconds": 3}])
    slow_run = scenario.start(tasks=[{"key": "slow", "command": "sleep 600"}], timeout_seconds=4)
    for run_id in (slow_task, slow_run):
        run = scenario.wait(run_id)
        assert run["status"] == "failed"
        assert "time" in run["error"]


def test_why_a_task_cannot_run_is_told_in_its_error(scenario: Scenario) -> None:
    hog = "python -c \"x = bytearray(3 << 30); x[:] = b'1' * len(x)\""
    too_big = scenario.start(tasks=[{"key": "hog", "command": hog, "flavor": "cpu.1"}])
    no_image = scenario.start(tasks=[{"key": "t", "command": "true", "image": "localhost/icefield/absent:1"}])
    too_large = scenario.start(tasks=[{"key": "t", "command": "true", "flavor": "gpu.a100"}])
    assert scenario.wait(too_big)["status"] == "failed"
    assert "memory" in scenario.tasks(too_big)["hog"]["error"]
    scenario.wait_until(no_image, lambda _: "image" in (scenario.tasks(no_image)["t"]["error"] or "").lower())
    scenario.wait_until(too_large, lambda _: "nodes are available" in (scenario.tasks(too_large)["t"]["error"] or ""))
    for run_id in (no_image, too_large):
        scenario.rest.post(f"/runs/{run_id}/cancel")
        assert scenario.wait(run_id)["status"] == "cancelled"


def test_a_task_is_confined_and_its_token_dies_with_the_run(scenario: Scenario) -> None:
    look = """
import json, os, pathlib, boto3, polnor
from botocore.exceptions import ClientError
store, bucket, prefix = boto3.client("s3"), os.environ["ICEFIELD_BUCKET"], os.environ["ICEFIELD_PREFIX"]
store.put_object(Bucket=bucket, Key=f"{prefix}/e2e/mine", Body=b"x")
def denied(call, **arguments):
    try:
        call(Bucket=bucket, **arguments)
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "allowed"
print(json.dumps({
    "uid": os.getuid(),
    "service_account": pathlib.Path("/var/run/secrets/kubernetes.io").exists(),
    "own": store.get_object(Bucket=bucket, Key=f"{prefix}/e2e/mine")["Body"].read().decode(),
    "other_get": denied(store.get_object, Key="workspaces/other/x"),
    "other_put": denied(store.put_object, Key="workspaces/other/x", Body=b""),
    "logs_put": denied(store.put_object, Key="logs/demo/x", Body=b""),
    "run": polnor.jobs.get_run(os.environ["POLNOR_RUN_ID"])["id"] == os.environ["POLNOR_RUN_ID"],
    "token": os.environ["POLNOR_TOKEN"],
}))
"""
    run_id = scenario.start(files={"look.py": look}, tasks=[{"key": "look", "command": "python look.py"}])
    assert scenario.wait(run_id)["status"] == "success", scenario.messages(run_id)
    seen = json.loads(scenario.messages(run_id)[0])
    token = seen.pop("token")
    assert seen.pop("uid") != 0
    assert seen == {
        "service_account": False,
        "own": "x",
        "other_get": "AccessDenied",
        "other_put": "AccessDenied",
        "logs_put": "AccessDenied",
        "run": True,
    }
    answer = scenario.rest.get("/jobs", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, list(answer.json())) == (401, ["error"])


def test_what_leads_to_no_pod_does_not_leave_the_cluster(scenario: Scenario) -> None:
    """Or whoever answers at such an address outside would be taken for a pod that has gone, or is not there yet."""
    call = """
import socket
for subnet in ("10.96", "10.244"):
    try:
        socket.create_connection((f"{subnet}.255.254", 80), timeout=20)
    except OSError as error:
        print(error.strerror)
"""
    run_id = scenario.start(command="python call.py", files={"call.py": call})
    assert scenario.wait(run_id)["status"] == "success"
    assert scenario.messages(run_id) == ["Connection refused", "No route to host"]


def test_fifty_megabytes_of_log_are_kept_whole(scenario: Scenario) -> None:
    lines, width = 500_000, 100
    program = f"for n in range({lines}): print(str(n).rjust({width - 1}, '.'))\n"
    run_id = scenario.start(files={"chatter.py": program}, tasks=[{"key": "chatter", "command": "python chatter.py"}])
    assert scenario.wait(run_id, timeout=300)["status"] == "success"
    path = f"/runs/{run_id}/tasks/chatter/logs"
    expected = 0
    with scenario.rest.stream("GET", path, headers={"Accept": "text/plain"}, timeout=300) as answer:
        for line in answer.iter_lines():
            assert line.lstrip(".") == str(expected)
            expected += 1
    assert expected == lines
    tail = scenario.rest.get(path, params={"tail": 2}).json()
    assert [line["message"].lstrip(".") for line in tail] == [str(lines - 2), str(lines - 1)]
