"""Every script of tests/hostile, each in a sandbox of a whole cluster; and what they leave of the platform: all of it.

The scripts run once, a few at a time, when the first test asks for what came of them. Those that change nothing in
their sandbox share one.
"""

from __future__ import annotations

import base64
import json
import secrets
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from icefield_crds import labels, names
from tests.hostile import SCRIPTS, Hostile, Places, together
from tests.statements import Sql, create_database
from tests.workloads import Workloads, made_workspace

pytestmark = pytest.mark.e2e

AT_ONCE = 4
SHARED_SANDBOXES = 4
PEOPLE = ["Ada", "Grace", "Katherine"]
MAX_ERROR_CHARACTERS = 8192
SHORTEST_SECRET = 12
GONE_SECONDS = 60
SANDBOXES = f"{names.GROUP}/sandbox=true"
NOTHING_OF_BEFORE = """
import os, pathlib, sys
found = {
    "files": sorted(str(path) for path in pathlib.Path("/tmp").rglob("*") if path.name[0] in "p."),
    "variables": sorted(name for name in os.environ if "POISON" in name),
    "modules": sorted(name for name in sys.modules if "usercustomize" in name or "poison" in name),
    "large": [path.name for path in pathlib.Path("/dev/shm").glob("*")],
}
result = scan(params["table"]).select(pl.col("n").sum(), left=pl.lit(str(found)))
"""


@dataclass(frozen=True)
class Ended:
    """How a script ended.

    Args:
        run_id: its run.
        success: whether the workload succeeded.
        error: the error that is expected.
        kind: the run's error_kind.
        log: what it printed.
    """

    run_id: str
    success: bool
    error: str
    kind: str | None
    log: str


@pytest.fixture(scope="module")
def database(workloads: Workloads) -> str:
    return create_database(workloads.rest, f"hostile_{secrets.token_hex(3)}")


@pytest.fixture(scope="module")
def other(platform: Any) -> Iterator[Workloads]:
    """Another workspace with a table, and with sandboxes that stand ready."""
    made = made_workspace(platform, f"other-{secrets.token_hex(3)}")
    create_database(made.rest, "private")
    made.write("private.people", f"result = pl.DataFrame({{'name': {PEOPLE!r}}})")
    yield made
    platform.administrator().delete(f"/workspaces/{made.workspace}").raise_for_status()


@pytest.fixture(scope="module")
def places(workloads: Workloads, other: Workloads, database: str, sql: Sql) -> Places:
    """What a tenant could find out of the cluster and of the other workspace."""
    [node] = json.loads(workloads.scenario.kubectl("get", "nodes", "-o", "json"))["items"]
    [node_address] = [a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP"]
    table = other.catalog().load_table("private.people")
    data_file = next(iter(table.scan().plan_files())).file.file_path
    sandboxes = [*addresses(workloads, other.namespace, SANDBOXES), *addresses(workloads, NAMESPACE, SANDBOXES)]
    gateway = f"{labels.COMPONENT}={labels.WAREHOUSE_COMPONENT}"
    system = f"{names.SYSTEM_NAMESPACE}.svc"
    return Places(
        api=f"https://icefield-apiserver.{system}",
        catalog=f"http://icefield-catalog.{system}:8181",
        store=f"http://icefield-object-store.{system}:7070",
        kubernetes="https://kubernetes.default.svc",
        node=node_address,
        postgres=f"icefield-postgres.{system}",
        operator=addresses(workloads, names.SYSTEM_NAMESPACE, "app.kubernetes.io/name=icefield-operator")[0],
        gateway=addresses(workloads, NAMESPACE, gateway)[0],
        sandboxes=sandboxes[:4],
        bucket=data_file.removeprefix("s3://").partition("/")[0],
        workspace=workloads.workspace,
        database=database,
        other=other.workspace,
        other_table="private.people",
        other_file=data_file,
        other_metadata=table.metadata_location,
        other_prefix=table.location(),
    )


NAMESPACE = names.namespace_of("demo")


def addresses(workloads: Workloads, namespace: str, selector: str) -> list[str]:
    """The addresses of running pods."""
    found = json.loads(workloads.scenario.kubectl("-n", namespace, "get", "pods", "-l", selector, "-o", "json"))
    return [pod["status"]["podIP"] for pod in found["items"] if pod["status"].get("podIP")]


@dataclass(frozen=True)
class Before:
    """What must be the same afterwards."""

    metadata_location: str
    restarts: dict[str, int]


def restarts(workloads: Workloads) -> dict[str, int]:
    """How often each container of the platform was restarted."""
    pods = json.loads(workloads.scenario.kubectl("-n", names.SYSTEM_NAMESPACE, "get", "pods", "-o", "json"))["items"]
    return {pod["metadata"]["name"]: sum(c["restartCount"] for c in pod["status"]["containerStatuses"]) for pod in pods}


@pytest.fixture(scope="module")
def before(workloads: Workloads, places: Places) -> Before:
    return Before(places.other_metadata, restarts(workloads))


@pytest.fixture(scope="module")
def ended(workloads: Workloads, places: Places, before: Before) -> dict[str, Ended]:
    """What came of every script."""
    groups = [[hostile] for hostile in SCRIPTS if not hostile.shared]
    shared = [hostile for hostile in SCRIPTS if hostile.shared]
    groups += [shared[start::SHARED_SANDBOXES] for start in range(SHARED_SANDBOXES)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(lambda group: run(workloads, group, places), groups)
        return {name: each for group in found for name, each in group.items()}


def run(workloads: Workloads, group: Sequence[Hostile], places: Places) -> dict[str, Ended]:
    """Run one script, or several that share a sandbox, to the end."""
    return run_alone(workloads, group[0], places) if len(group) == 1 else run_together(workloads, group, places)


def run_alone(workloads: Workloads, hostile: Hostile, places: Places) -> dict[str, Ended]:
    """Run a script in a sandbox of its own."""
    limit = {"timeoutSeconds": hostile.timeout_seconds} if hostile.timeout_seconds else {}
    response = workloads.answer(mode="script", script=hostile.source, params=places.params, **limit)
    log = log_of(workloads, response["run_id"])
    ended = Ended(response["run_id"], response["success"], response["error"] or "", response["error_kind"], log)
    return {hostile.name: ended}


def run_together(workloads: Workloads, group: Sequence[Hostile], places: Places) -> dict[str, Ended]:
    """Run scripts one after another in one sandbox."""
    response = workloads.answer(mode="script", script=together(group), params=places.params)
    assert response["success"], response
    log = log_of(workloads, response["run_id"])
    rows = response["results"]["rows"]
    return {name: Ended(response["run_id"], not error, error, None, log) for name, error in rows}


def log_of(workloads: Workloads, run_id: str) -> str:
    """What a run printed."""
    return workloads.rest.get(f"/runs/{run_id}/logs", headers={"Accept": "text/plain"}, timeout=60).text


@pytest.mark.parametrize("hostile", SCRIPTS, ids=lambda hostile: hostile.name)
def test_it_ends_with_a_clear_error(hostile: Hostile, ended: dict[str, Ended], platform: Any) -> None:
    found = ended[hostile.name]
    assert found.success is hostile.succeeds, found.error
    assert bool(found.error) is not hostile.succeeds
    assert "BreachError" not in found.error
    assert len(found.error) <= MAX_ERROR_CHARACTERS
    # The bridge network of a standalone cluster enforces no policies: there, the server must have refused.
    missing = hostile.missing(found.error, network_refuses=platform.state.provider != "standalone")
    assert not missing, found.error
    assert hostile.kind in (None, found.kind), found


def test_the_next_workload_is_as_the_first(workloads: Workloads, ended: dict[str, Ended], database: str) -> None:
    table = f"{database}.numbers"
    workloads.write(table, "result = pl.DataFrame({'n': [1, 2, 3]})")
    for _ in range(3):
        [[total, left]] = workloads.rows(NOTHING_OF_BEFORE, params={"table": table})
        assert (total, left) == (6, str({"files": [], "variables": [], "modules": [], "large": []}))


def test_the_other_workspaces_data_is_untouched(other: Workloads, ended: dict[str, Ended], before: Before) -> None:
    assert other.catalog().load_table("private.people").metadata_location == before.metadata_location
    assert other.column("private.people", "name") == PEOPLE
    assert [table[-1] for table in other.catalog().list_tables("private")] == ["people"]
    assert sorted(map(sorted, other.rows("result = scan('private.people')"))) == sorted([name] for name in PEOPLE)


def test_nothing_was_stolen_into_ones_own_workspace(
    workloads: Workloads, ended: dict[str, Ended], database: str
) -> None:
    tables = {table[-1] for table in workloads.catalog().list_tables(database)}
    assert not tables & {"stolen", "laid"}


def test_the_platform_is_healthy(workloads: Workloads, ended: dict[str, Ended], before: Before) -> None:
    assert workloads.rest.get("/auth/me").is_success
    assert restarts(workloads) == before.restarts
    [node] = json.loads(workloads.scenario.kubectl("get", "nodes", "-o", "json"))["items"]
    conditions = {condition["type"]: condition["status"] for condition in node["status"]["conditions"]}
    assert conditions.pop("Ready") == "True"
    assert set(conditions.values()) == {"False"}, conditions


def test_nothing_is_left_running(workloads: Workloads, ended: dict[str, Ended]) -> None:
    deadline = time.monotonic() + GONE_SECONDS
    while left := [
        p.pid for p in psutil.process_iter(["cmdline"]) if "left-behind-by-a-script" in (p.info["cmdline"] or ())
    ]:
        assert time.monotonic() < deadline, f"processes {left} outlive their workload"
        time.sleep(0.5)
    for found in ended.values():
        pod = workloads.pod_of(found.run_id)
        assert pod is None or pod["status"]["phase"] in ("Succeeded", "Failed"), pod["metadata"]["name"]


def test_no_secret_of_the_platform_was_seen(workloads: Workloads, ended: dict[str, Ended]) -> None:
    forbidden = platform_secrets(workloads)
    assert len(forbidden) > 5
    for name, found in ended.items():
        seen = [where for where, secret in forbidden.items() if secret in found.log or secret in found.error]
        assert not seen, (name, seen)


def platform_secrets(workloads: Workloads) -> dict[str, str]:
    """Every secret there is, but what a workload is meant to have: the workspace's own keys and variables."""
    own = {names.OBJECT_STORE_SECRET, names.ENVIRONMENT_SECRET}
    found = {}
    for secret in json.loads(workloads.scenario.kubectl("get", "secrets", "-A", "-o", "json"))["items"]:
        namespace, name = secret["metadata"]["namespace"], secret["metadata"]["name"]
        if namespace == workloads.namespace and name in own:
            continue
        for key, encoded in (secret.get("data") or {}).items():
            value = base64.b64decode(encoded).decode(errors="replace").strip()
            is_public = key.endswith((".crt", ".pub", "public.pem")) or "BEGIN CERTIFICATE" in value
            if len(value) >= SHORTEST_SECRET and not is_public and is_secret(key):
                found[f"{namespace}/{name}/{key}"] = value
    return found


def is_secret(key: str) -> bool:
    """Whether a key of a Secret holds what must not be known, and not an address or a name."""
    plain = ("uri", "endpoint", "region", "bucket", "prefix", "warehouse", "host", "port", "database", "user", "email")
    return not any(word in key.lower() for word in plain)
