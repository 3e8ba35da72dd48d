"""Polars workloads in sandboxes of a whole cluster: what they answer, how they come and go, and what confines them."""

from __future__ import annotations

import io
import re
import secrets
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest

from tests.statements import create_database
from tests.workloads import ENDLESS, Workloads, made_workspace

pytestmark = pytest.mark.e2e

FLOWERS = """
result = pl.DataFrame({
    "species": ["setosa", "setosa", "virginica"], "sepal_length": [5.1, 4.9, 6.3], "petal_length": [1.4, 1.4, 6.0],
})
"""
BY_SPECIES = "SELECT species, avg(sepal_length) AS length FROM flowers GROUP BY species ORDER BY length DESC"
LENGTHS = [["virginica", 6.3], ["setosa", 5.0]]
SUMMARY = """
flowers = scan(params.get("table"))
result = (
    flowers.group_by("species")
    .agg(pl.len().alias("count"), pl.col("sepal_length").mean().round(2).alias("length"))
    .sort("length", descending=True)
    .head(int(params.get("limit", 50)))
)
"""
FAILS_LATE = """
def fail(batch):
    raise ValueError("in mid write")
result = pl.LazyFrame({"n": range(1000)}).map_batches(fail, schema={"n": pl.Int64})
"""
GONE_SECONDS = 60


@pytest.fixture(scope="module")
def database(workloads: Workloads) -> str:
    return create_database(workloads.rest, f"polars_{secrets.token_hex(3)}")


@pytest.fixture(scope="module")
def flowers(workloads: Workloads, database: str) -> str:
    """A table of three flowers."""
    table = f"{database}.flowers"
    workloads.write(table, FLOWERS)
    return table


@pytest.fixture(scope="module", autouse=True)
def idle(platform: Any) -> Iterator[Workloads]:
    """A workspace whose last workload is just over, and whose sandboxes may be idle for a minute."""
    made = made_workspace(platform, f"idle-{secrets.token_hex(3)}")
    made.set_pool(1, idleMinutes=1)
    assert made.rows("result = pl.DataFrame({'n': [1]})") == [[1]]
    made.wait_for_warm(1)
    yield made
    platform.administrator().delete(f"/workspaces/{made.workspace}").raise_for_status()


def test_a_query_and_a_script_answer_as_the_reference_has_it(workloads: Workloads, flowers: str) -> None:
    response = workloads.answer(mode="query", query=BY_SPECIES, tables=[f"flowers={flowers}"])
    assert response["success"] is True, response
    assert response["results"] == {
        "columns": ["species", "length"],
        "column_types": ["String", "Float64"],
        "rows": LENGTHS,
    }
    assert (response["row_count"], response["error"], response["saved"]) == (2, None, None)
    assert re.fullmatch(r"\d+ms|\d+\.\d+s", response["execution_time"])
    assert (response["compute"]["mode"], response["compute"]["distributed"]) == ("local", False)

    tables = [{"alias": "flowers", "table": f"oleander.{flowers}"}]
    assert workloads.answer(query=BY_SPECIES, tables=tables, catalog="oleander")["results"]["rows"] == LENGTHS
    assert workloads.rows(SUMMARY, params={"table": flowers, "limit": "1"}) == [["virginica", 1, 6.3]]
    collected = "result = scan(params['table']).select(pl.len()).collect()"
    assert workloads.rows(collected, params={"table": flowers}) == [[3]]


def test_what_fails_says_where(workloads: Workloads, flowers: str) -> None:
    script = "flowers = scan(params['table'])\n\nresult = flowers.select('colour')\n"
    wrong_column = workloads.answer(mode="script", script=script, params={"table": flowers})
    assert (wrong_column["success"], wrong_column["results"]) == (False, None)
    assert "colour" in wrong_column["error"]
    raised = workloads.answer(mode="script", script="x = 1\n\nraise ValueError('no flowers')")
    assert raised["error"].startswith("script line 3: ValueError: no flowers")
    assert (raised["error_kind"], raised["error_line"]) == ("script", 3)
    nothing = workloads.answer(mode="script", script="x = 1")
    assert (nothing["success"], "result" in nothing["error"]) == (False, True)
    missing = workloads.answer(mode="script", script=f"result = scan('{flowers}_')")
    assert (missing["error_kind"], f"{flowers}_" in missing["error"]) == ("table_not_found", True)
    bad_sql = workloads.answer(mode="query", query="SELEKT 1", tables=[f"flowers={flowers}"])
    assert (bad_sql["success"], bool(bad_sql["error"])) == (False, True)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({"query": BY_SPECIES, "tables": ["a=b.c"], "vcpus": 3}, "vcpus"),
        ({"query": BY_SPECIES}, "tables"),
        ({"mode": "script", "query": BY_SPECIES, "tables": ["a=b.c"]}, "script"),
        ({"mode": "spell", "script": "result = None"}, "mode"),
        ({"query": BY_SPECIES, "tables": ["a=b.c"], "script": "result = None"}, "mode"),
        ({"script": "result = None", "catalog": "hive"}, "hive"),
        ({"script": "result = None", "destination": "nothing"}, "destination"),
        ({"script": "result = None", "saveMode": "merge"}, "saveMode"),
        ({"script": "result = None", "distributed": True, "destination": "a.b"}, "icefield-polars-cloud"),
    ],
)
def test_what_could_never_run_is_refused(workloads: Workloads, body: dict[str, Any], word: str) -> None:
    refused = workloads.post(**body)
    assert refused.status_code == httpx.codes.BAD_REQUEST, refused.text
    assert word in refused.json()["error"]


def test_destinations(workloads: Workloads, database: str, flowers: str) -> None:
    table = f"{database}.summary"
    for mode, expected in (("overwrite", 2), ("append", 4), ("overwrite", 2)):
        response = workloads.write(table, SUMMARY, params={"table": flowers}, saveMode=mode)
        assert response["saved"] == {"table": table, "rows_written": 2, "mode": mode}
        assert len(workloads.column(table, "species") or ()) == expected
    workloads.write(table, "result = pl.DataFrame({'other': ['columns']})")
    assert workloads.column(table, "other") == ["columns"]


def test_a_failed_write_changes_nothing(workloads: Workloads, database: str) -> None:
    kept, absent = f"{database}.kept", f"{database}.absent"
    workloads.write(kept, "result = pl.DataFrame({'n': [1, 2, 3]})")
    before = workloads.catalog().load_table(kept).metadata_location
    for table in (kept, absent):
        response = workloads.answer(mode="script", script=FAILS_LATE, destination=table)
        assert (response["success"], response["saved"]) == (False, None)
        assert "in mid write" in response["error"]
    assert workloads.catalog().load_table(kept).metadata_location == before
    assert workloads.column(absent, "n") is None


def test_the_same_workload_by_kubectl(workloads: Workloads, flowers: str) -> None:
    polars = {"query": BY_SPECIES, "tables": [{"alias": "flowers", "table": flowers}]}
    run_id = workloads.apply(polars)
    name = workloads.wait(run_id)["name"]
    workloads.scenario.kubectl(
        "-n", workloads.namespace, "wait", "--for=condition=Complete", "--timeout=60s", f"runs.icefield.dev/{name}"
    )
    posted = workloads.answer(**polars)
    result = workloads.result(run_id)
    assert {key: result[key] for key in ("columns", "column_types", "rows")} == posted["results"]
    assert (result["row_count"], result["truncated"]) == (2, False)
    stream = workloads.rest.get(f"/runs/{run_id}/result", params={"format": "arrow"}).raise_for_status().content
    arrow = pa.ipc.open_stream(io.BytesIO(stream)).read_all()
    assert [list(row.values()) for row in arrow.to_pylist()] == LENGTHS
    ours, theirs = (workloads.resource(each)["spec"]["polars"] for each in (run_id, posted["run_id"]))
    assert {key: theirs[key] for key in polars} == {key: ours[key] for key in polars} == polars


def test_a_run_that_nobody_waits_for(workloads: Workloads, database: str, flowers: str) -> None:
    written = f"{database}.noted"
    run_id = workloads.submit(f"print('one')\nprint('two')\n{SUMMARY}", params={"table": flowers}, destination=written)
    run = workloads.wait(run_id)
    assert (run["status"], run["error"]) == ("success", None)
    assert run_id in {each["id"] for each in workloads.rest.get("/runs", params={"limit": 50}).json()["data"]}
    lineage = workloads.rest.get(f"/runs/{run_id}/lineage").raise_for_status().json()
    assert lineage["read"] == [f"{workloads.workspace}.{flowers}"]
    assert lineage["written"] == [f"{workloads.workspace}.{written}"]
    snapshots = [workloads.catalog().load_table(table).current_snapshot() for table in (flowers, written)]
    recorded = [each["snapshot_id"] for key in ("read", "written") for each in lineage[f"{key}_snapshots"]]
    assert recorded == [snapshot.snapshot_id for snapshot in snapshots if snapshot]

    logs = f"/runs/{run_id}/logs"
    assert [line["message"] for line in workloads.rest.get(logs).raise_for_status().json()] == ["one", "two"]
    deadline = time.monotonic() + GONE_SECONDS
    while not workloads.resource(run_id)["status"]["tasks"][0]["attempts"][0]["logsArchived"]:
        assert time.monotonic() < deadline, "the log is not archived"
        time.sleep(0.5)
    if pod := workloads.pod_of(run_id):
        workloads.scenario.kubectl("-n", workloads.namespace, "delete", "pod", pod["metadata"]["name"])
    assert [line["message"] for line in workloads.rest.get(logs).raise_for_status().json()] == ["one", "two"]


def test_cancel(workloads: Workloads, database: str) -> None:
    run_id = workloads.submit(ENDLESS, destination=f"{database}.never")
    workloads.wait_until(run_id, lambda _: workloads.scenario.messages(run_id) == ["it goes on"])
    workloads.cancel(run_id)
    assert workloads.wait(run_id)["status"] == "cancelled"
    deadline = time.monotonic() + GONE_SECONDS
    while (pod := workloads.pod_of(run_id)) and pod["status"]["phase"] not in ("Succeeded", "Failed"):
        assert time.monotonic() < deadline, "the sandbox outlives its workload"
        time.sleep(0.5)
    assert workloads.column(f"{database}.never", "n") is None
    assert workloads.rest.get(f"/runs/{run_id}/result").status_code == httpx.codes.CONFLICT


def test_nothing_of_a_workload_is_visible_to_the_next(workloads: Workloads) -> None:
    leave = """
import os, pathlib
pathlib.Path("/tmp/left").write_text("x")
os.environ["LEFT"] = "x"
pl.left = "x"
result = pl.DataFrame({"host": [os.uname().nodename]})
"""
    look = """
import os, pathlib
left = [pathlib.Path("/tmp/left").exists(), "LEFT" in os.environ, hasattr(pl, "left")]
result = pl.DataFrame({"host": [os.uname().nodename], "left": [any(left)]})
"""
    [[first]] = workloads.rows(leave)
    [[second, left]] = workloads.rows(look)
    assert second != first
    assert left is False


@pytest.mark.parametrize(("vcpus", "memory"), [(2, "4Gi"), (4, "8Gi"), (32, "64Gi")])
def test_a_tier_limits_its_pod(workloads: Workloads, vcpus: int, memory: str) -> None:
    run_id = workloads.submit("result = pl.DataFrame({'threads': [pl.thread_pool_size()]})", vcpus=vcpus)
    workloads.wait_until(run_id, lambda _: workloads.pod_of(run_id) is not None)
    pod = workloads.pod_of(run_id)
    assert pod is not None
    assert_confined(pod)
    [container] = pod["spec"]["containers"]
    limits, requests = container["resources"]["limits"], container["resources"]["requests"]
    assert (limits["cpu"], limits["memory"]) == (str(vcpus), memory)
    assert (requests["cpu"], requests["memory"]) == ("50m", "256Mi")
    workloads.wait(run_id)
    assert workloads.result(run_id)["rows"] == [[vcpus]]


def assert_confined(pod: dict[str, Any]) -> None:
    """A sandbox's pod has nothing that opens anything, and can become nothing else."""
    spec = pod["spec"]
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert not any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC", "initContainers"))
    kinds = {kind for volume in spec["volumes"] for kind in volume if kind != "name"}
    assert kinds <= {"emptyDir", "configMap"}, spec["volumes"]
    [container] = spec["containers"]
    confined = container["securityContext"]
    assert confined["allowPrivilegeEscalation"] is False
    assert confined["readOnlyRootFilesystem"] is True
    assert confined["capabilities"] == {"drop": ["ALL"]}
    assert not container.get("envFrom")
    assert not [variable for variable in container["env"] if "valueFrom" in variable]


def test_its_namespace_admits_only_restricted_pods(workloads: Workloads) -> None:
    loose = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "loose", "namespace": workloads.namespace},
        "spec": {"containers": [{"name": "c", "image": workloads.platform.runtime_image}]},
    }
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        workloads.scenario.kubectl("create", "-f", "-", stdin=loose)


def test_an_idle_workspace_keeps_no_sandboxes(idle: Workloads) -> None:
    idle.wait_for_warm(0)
    assert idle.rows("result = pl.DataFrame({'n': [1]})") == [[1]]
