"""The children of a warehouse: whole manifests against golden files, and what is easily got wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.golden import assert_golden

from icefield_crds import Flavor, SparkExecutors, Warehouse, Workspace
from icefield_operator.spark import driver_rbac
from icefield_operator.warehouse import build

GOLDEN = Path(__file__).parent / "golden"
IMAGE = build.WarehouseImage("localhost/icefield/warehouse:1", "IfNotPresent")
UID = "11111111-2222-3333-4444-555555555555"

SMALL = Flavor.model_validate(
    {"metadata": {"name": "cpu.1"}, "spec": {"cpu": 1, "memory": "2Gi", "requests": {"cpu": "50m", "memory": "128Mi"}}}
)
PLACED = Flavor.model_validate(
    {
        "metadata": {"name": "highmem.8"},
        "spec": {
            "cpu": "8",
            "memory": "64Gi",
            "nodeSelector": {"pool": "highmem"},
            "tolerations": [{"key": "highmem", "operator": "Exists"}],
        },
    }
)
WORKSPACE = Workspace.model_validate({"metadata": {"name": "demo", "uid": UID}, "spec": {}})


def _around(flavor: Flavor = SMALL, executors: Flavor | None = None, **spec: Any) -> build.WarehouseContext:
    metadata = {"name": "analytics", "namespace": "icefield-demo", "uid": UID}
    warehouse = Warehouse.model_validate({"metadata": metadata, "spec": spec})
    wanted = build.Executors(SparkExecutors(min=1, max=4), executors) if executors else None
    return build.WarehouseContext(warehouse, "demo", IMAGE, flavor, wanted)


def _executor_template(around: build.WarehouseContext) -> Any:
    return json.loads(build.pod(around)["metadata"]["annotations"][build.EXECUTOR_ANNOTATION])


CASES: dict[str, Callable[[], Any]] = {
    "pod": lambda: build.pod(_around()),
    "pod-with-executors": lambda: build.pod(_around(PLACED, SMALL)),
    "executor-template": lambda: _executor_template(_around(SMALL, PLACED)),
    "network-policy": lambda: build.network_policy(_around(SMALL, PLACED)),
    "driver-rights": lambda: driver_rbac.manifests(WORKSPACE, driver_rbac.WAREHOUSES),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    assert_golden(GOLDEN / f"{name}.yaml", CASES[name]())


def _containers(pod: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in [*pod["spec"]["initContainers"], *pod["spec"]["containers"]]}


def test_the_token_of_kubernetes_is_in_the_spark_container_only() -> None:
    pod = build.pod(_around(executors=SMALL))
    assert pod["spec"]["automountServiceAccountToken"] is False
    holders = [
        name
        for name, container in _containers(pod).items()
        if any(mount["name"] == "kubernetes-token" for mount in container["volumeMounts"])
    ]
    assert holders == ["spark"]
    assert "serviceAccountName" not in build.pod(_around())["spec"]


def test_the_gateways_token_is_not_in_the_spark_container() -> None:
    for name, container in _containers(build.pod(_around(executors=SMALL))).items():
        secrets = [
            v["valueFrom"]["secretKeyRef"]["name"] for v in container["env"] if "secretKeyRef" in v.get("valueFrom", {})
        ]
        assert secrets == (["icefield-warehouse-token"] if name == "gateway" else [])


def test_no_engine_sees_the_others_files() -> None:
    mounted = [
        {m["name"] for m in container["volumeMounts"] if not m.get("readOnly")}
        for container in _containers(build.pod(_around())).values()
    ]
    assert not set.intersection(*mounted)


def test_statements_that_run_may_end_first() -> None:
    pod = build.pod(_around())
    (spark,) = pod["spec"]["initContainers"]
    assert spark["restartPolicy"] == "Always", "a sidecar: ended after the gateway"
    drain = next(v["value"] for v in pod["spec"]["containers"][0]["env"] if v["name"] == "ICEFIELD_DRAIN_SECONDS")
    assert int(drain) < pod["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("pod", [build.pod(_around(executors=SMALL)), _executor_template(_around(executors=SMALL))])
def test_the_restricted_level_is_met(pod: dict[str, Any]) -> None:
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for container in [*spec["containers"], *spec.get("initContainers", [])]:
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["allowPrivilegeEscalation"] is False
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def _hash(around: build.WarehouseContext) -> str:
    digest: str = build.pod(around)["metadata"]["annotations"][build.HASH_ANNOTATION]
    return digest


def test_what_replaces_the_pod() -> None:
    same = _hash(_around())
    assert _hash(_around(autoStop="1h", displayName="Other", desiredState="stopped")) == same
    others = {_hash(_around(PLACED)), _hash(_around(executors=SMALL)), _hash(_around(executors=PLACED))}
    assert len(others - {same}) == 3


def test_a_pod_beside_others_has_a_name_of_its_own_and_a_retry_finds_it() -> None:
    first = build.pod(_around())["metadata"]["name"]
    assert build.pod(_around())["metadata"]["name"] == first
    assert build.pod(_around(), [first])["metadata"]["name"] != first
    assert build.pod(_around(), ["b", "a"])["metadata"]["name"] == build.pod(_around(), ["a", "b"])["metadata"]["name"]
    assert build.pod(_around(PLACED))["metadata"]["name"] != first
    assert _hash(_around()) == build.pod(_around(), [first])["metadata"]["annotations"][build.HASH_ANNOTATION]
