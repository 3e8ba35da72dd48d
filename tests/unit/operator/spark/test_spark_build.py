"""The children of a Spark application: whole manifests against golden files, and what is easily got wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.golden import assert_golden

from icefield_crds import Run, Task, Workspace
from icefield_operator.run import build as run_build
from icefield_operator.spark import build, driver_rbac, resources

GOLDEN = Path(__file__).parent / "golden"
IMAGES = run_build.TaskImages("localhost/icefield/warehouse:1", "localhost/icefield/tini:1", "IfNotPresent")
UID = "11111111-2222-3333-4444-555555555555"
WORKSPACE = Workspace.model_validate({"metadata": {"name": "demo", "uid": UID}, "spec": {}})
PROGRAM = {
    "entrypoint": "s3://icefield/workspaces/demo/artifacts/etl/main.py",
    "arguments": ["--day", "2026-01-01"],
    "conf": {"spark.sql.shuffle.partitions": "8"},
    "driver": {"cpu": "2", "memory": "4Gi"},
    "executor": {"cpu": "500m", "memory": "2Gi"},
    "executors": 2,
}
QUERY = {"sql": {"query": "SELECT 1", "outputTable": "sales.one"}, "executors": 0}
ENVIRONMENT = [
    {"name": "MODE", "value": "pay $(day)"},
    {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "mine", "key": "k"}}},
]


def _around(application: dict[str, Any], **spec: Any) -> build.ApplicationContext:
    metadata = {"name": "nightly", "namespace": "icefield-demo", "uid": UID}
    run = Run.model_validate({"metadata": metadata, "spec": {"spark": application, **spec}})
    assert run.execution and run.spec.spark
    of_run = run_build.RunPodContext(run, run.execution, "demo", "w", "https://api.test", IMAGES)
    return build.ApplicationContext(of_run, run.spec.spark, ("demo", "polnor", "oleander"))


def _pod(around: build.ApplicationContext, attempt: int = 0, deadline: int | None = None) -> dict[str, Any]:
    task = Task(key="main", command="spark", env=around.of_run.execution.env)
    return build.pod(around, task, attempt, deadline)


CASES: dict[str, Callable[[], Any]] = {
    "driver": lambda: _pod(_around(PROGRAM, env=ENVIRONMENT, params={"day": "monday"}), 1, 600),
    "driver-alone": lambda: _pod(_around(QUERY)),
    "config-map": lambda: build.config_map(_around(PROGRAM, env=ENVIRONMENT, params={"day": "monday"})),
    "network-policy": lambda: build.network_policy(_around(PROGRAM)),
    "driver-rights": lambda: driver_rbac.manifests(WORKSPACE, driver_rbac.APPLICATIONS),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    assert_golden(GOLDEN / f"{name}.yaml", CASES[name]())


def test_an_application_alone_has_no_business_with_kubernetes() -> None:
    pod = _pod(_around(QUERY))
    assert "serviceAccountName" not in pod["spec"]
    assert "kubernetes-token" not in {volume["name"] for volume in pod["spec"]["volumes"]}
    assert build.network_policy(_around(QUERY)) is None
    assert list(build.config_map(_around(QUERY))["data"]) == ["application.json"]


def test_the_driver_reaches_the_catalog_through_our_api_with_the_token_of_the_run() -> None:
    [container] = _pod(_around(PROGRAM))["spec"]["containers"]
    env = {variable["name"]: variable for variable in container["env"]}
    assert env["ICEFIELD_CATALOG_URI"]["value"] == "https://api.test/iceberg"
    token = {"name": "nightly-tokens", "key": "token"}
    assert env["ICEFIELD_CATALOG_TOKEN"]["valueFrom"] == {"secretKeyRef": token}
    assert [source["secretRef"]["name"] for source in container["envFrom"]] == [
        "icefield-environment",
        "icefield-object-store",
    ]


def test_an_executor_has_no_token_and_no_secret_that_its_author_names() -> None:
    template = json.loads(build.config_map(_around(PROGRAM, env=ENVIRONMENT))["data"]["executor.yaml"])
    [container] = template["spec"]["containers"]
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert env["MODE"] == "pay $$(day)"
    assert "KEY" not in env
    assert not [name for name in env if "TOKEN" in name]
    assert template["spec"]["automountServiceAccountToken"] is False


def test_the_driver_reads_the_very_application() -> None:
    around = _around(PROGRAM)
    assert json.loads(build.config_map(around)["data"]["application.json"]) == around.application.to_api()


def test_an_executor_has_whole_cores() -> None:
    application = _around(PROGRAM).application
    assert resources.executor(application.executor) == (1, "100m", 2 * 1024**3)
    assert resources.executor(application.driver).cores == 2


def test_little_is_set_aside_for_the_driver() -> None:
    application = _around({**PROGRAM, "executor": {"memory": "512Mi"}}).application
    assert resources.driver(application.driver)["requests"] == {
        "cpu": "100m",
        "memory": str(1024**3),
        "ephemeral-storage": str(64 * 1024**2),
    }
    assert resources.driver(application.executor)["requests"]["memory"] == str(512 * 1024**2)
