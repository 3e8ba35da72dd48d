"""A real Spark driver makes executors with what the manifests let it do, of the template that the operator writes.

There is no node: the executors stay pending, which is all that is to be seen here.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.utils.quantity import parse_quantity

from icefield_crds import Flavor, Run, SparkApplication, SparkExecutors, Task, Warehouse, Workspace, labels
from icefield_crds.names import API_VERSION
from icefield_crds.requirements import Requirements
from icefield_engines.spark_application import conf as application_conf
from icefield_engines.spark_application.settings import ApplicationSettings
from icefield_engines.spark_connect.conf import Conf, configuration
from icefield_engines.spark_connect.settings import SparkSettings
from icefield_engines.warehouse.settings import CatalogSettings, StoreSettings
from icefield_operator.environment.build import Environment, EnvironmentSettings, Mounted
from icefield_operator.run import build as run_build
from icefield_operator.spark import build as spark_build
from icefield_operator.spark import driver_rbac
from icefield_operator.warehouse import build
from tests.controlplane import ControlPlane

pytestmark = pytest.mark.integration

NAMESPACE = "icefield-demo"
SIZE = {"cpu": "1", "memory": "2Gi", "requests": {"cpu": "10m", "memory": "16Mi"}}
DRIVER = """
import json, sys
from pyspark.sql import SparkSession
builder = SparkSession.builder
for key, value in json.loads(sys.argv[1]).items():
    builder = builder.config(key, value)
session = builder.getOrCreate()
sys.stdin.read()
session.stop()
"""


@pytest.fixture(scope="module")
def installed(installed_control_plane: ControlPlane) -> ControlPlane:
    """A control plane with the standalone overlay, and a workspace's namespace."""
    plane = installed_control_plane
    plane.kubectl("create", "namespace", NAMESPACE)
    plane.kubectl("wait", "--for=create", f"--namespace={NAMESPACE}", "serviceaccount/default", "--timeout=60s")
    return plane


def _eventually(check: Callable[[], Any], log: Path) -> Any:
    give_up = time.monotonic() + 120
    while not (answer := check()):
        assert time.monotonic() < give_up, log.read_text()[-3000:]
        time.sleep(0.2)
    return answer


@dataclass
class Driver:
    """A driver's pod, and what its executors are made of."""

    pod: dict[str, Any]
    template: str
    account: str
    executor_labels: dict[str, str]
    configuration: Callable[[SparkSettings], Conf]

    @property
    def env(self) -> dict[str, str]:
        """What its pod says to Spark of executors."""
        spec, prefix = self.pod["spec"], "ICEFIELD_SPARK_"
        variables = [v for each in (*(spec.get("initContainers") or ()), *spec["containers"]) for v in each["env"]]
        found = {v["name"]: v["value"] for v in variables if v["name"].startswith(prefix)}
        return {name.removeprefix("ICEFIELD_").lower(): value for name, value in found.items()}


CATALOG = CatalogSettings(uri="http://127.0.0.1:1", warehouse="demo")
STORE = StoreSettings.model_validate(
    {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "ICEFIELD_BUCKET": "b", "ICEFIELD_PREFIX": "p"}
)


def _made(plane: ControlPlane, kind: str, name: str, spec: dict[str, Any]) -> str:
    """Make one of our resources; return it as it is stored."""
    manifest = {"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "namespace": NAMESPACE}}
    plane.kubectl("create", "-f", "-", stdin=json.dumps({**manifest, "spec": spec}))
    return plane.kubectl("get", kind, name, f"--namespace={NAMESPACE}", "--output=json")


def _of_warehouse(plane: ControlPlane) -> Driver:
    flavor = Flavor.model_validate({"metadata": {"name": "f"}, "spec": SIZE})
    executors = build.Executors(SparkExecutors(min=2, max=4), flavor)
    image = build.WarehouseImage("localhost/icefield/warehouse:1", "IfNotPresent")
    warehouse = Warehouse.model_validate_json(_made(plane, "Warehouse", "wide", {}))
    around = build.WarehouseContext(warehouse, "demo", image, flavor, executors)
    pod = build.pod(around)
    return Driver(
        pod,
        pod["metadata"]["annotations"][build.EXECUTOR_ANNOTATION],
        driver_rbac.WAREHOUSES,
        labels.of_executor_pod("demo", "wide"),
        lambda spark: configuration(spark, CATALOG, STORE),
    )


def _of_application(plane: ControlPlane) -> Driver:
    size = {"cpu": "1", "memory": "2Gi"}
    spec = {"spark": {"entrypoint": "s3://b/p/main.py", "executor": size, "executors": 2}, "params": {"day": "1"}}
    run = Run.model_validate_json(_made(plane, "Run", "nightly", spec))
    assert run.execution and run.spec.spark
    application: SparkApplication = run.spec.spark
    images = run_build.TaskImages("localhost/icefield/warehouse:1", "tini:1", "IfNotPresent")
    of_run = run_build.RunPodContext(run, run.execution, "demo", "w", "http://127.0.0.1:1", images)
    wanted = Environment("demo", images.runtime, Requirements(("humanize",), None))
    mounted = Mounted(wanted, EnvironmentSettings("localhost/icefield/runtime:1", "IfNotPresent", None))
    around = spark_build.ApplicationContext(of_run, application, ("demo",), mounted)
    own = ApplicationSettings(catalog_names="demo", run_id=run.public_id, trust_store=Path("/nowhere"))
    programs = application_conf.Programs(Path(sys.executable))
    return Driver(
        spark_build.pod(around, Task(key="main", command="spark"), 0, None),
        spark_build.config_map(around)["data"]["executor.yaml"],
        driver_rbac.APPLICATIONS,
        labels.of_application_executor("demo", "nightly"),
        lambda spark: application_conf.configuration(application, own, spark, CATALOG, STORE, programs),
    )


def _configuration(plane: ControlPlane, driver: Driver, folder: Path) -> Conf:
    """Return the driver's configuration as its container writes it, but for where this control plane is."""
    name = driver.pod["metadata"]["name"]
    given = {"namespace": NAMESPACE, "pod_name": name, "pod_ip": "127.0.0.1", "spill_directory": folder}
    template = folder / "pod.yaml"
    template.write_text(driver.template)
    spark = SparkSettings(**{"workspace": "demo", **driver.env, **given, "spark_executor_template": template})
    cluster = yaml.safe_load(plane.kubeconfig.read_text())["clusters"][0]["cluster"]
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    token = plane.kubectl("create", "token", driver.account, f"--namespace={NAMESPACE}").strip()
    (folder / "token").write_text(token)
    conf = driver.configuration(spark)
    kept = {key: value for key, value in conf.items() if not key.startswith(("spark.sql.", "spark.connect."))}
    return kept | {
        "spark.master": f"k8s://{plane.url}",
        "spark.kubernetes.authenticate.oauthTokenFile": str(folder / "token"),
        "spark.kubernetes.authenticate.caCertFile": str(folder / "ca.crt"),
        "spark.driver.port": "0",
        "spark.driver.blockManager.port": "0",
        "spark.driver.memory": "512m",
    }


@pytest.mark.parametrize(("make", "cpu_request"), [(_of_warehouse, "10m"), (_of_application, "100m")])
def test_a_real_driver_makes_and_ends_executors(
    installed: ControlPlane, tmp_path: Path, make: Callable[[ControlPlane], Driver], cpu_request: str
) -> None:
    workspace = {"metadata": {"name": "demo", "uid": "8a4a8a4e-0000-4000-8000-000000000000"}, "spec": {}}
    driver = make(installed)
    for manifest in driver_rbac.manifests(Workspace.model_validate(workspace), driver.account):
        manifest["metadata"].pop("ownerReferences", None)  # there is no Workspace
        installed.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    installed.kubectl("create", "-f", "-", stdin=json.dumps(driver.pod))
    conf = _configuration(installed, driver, tmp_path)
    mine = ",".join(f"{key}={value}" for key, value in driver.executor_labels.items())

    def executors() -> list[dict[str, Any]]:
        listed = installed.kubectl("get", "pods", f"--namespace={NAMESPACE}", f"--selector={mine}", "--output=json")
        items: list[dict[str, Any]] = json.loads(listed)["items"]
        return items

    log = tmp_path / "driver.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(conf)], stdin=subprocess.PIPE, stdout=output, stderr=output
        )
    try:
        made = _eventually(lambda: len(found := executors()) == 2 and found, log)
        process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, log.read_text()[-3000:]
    _eventually(lambda: executors() == [], log)
    assert "is forbidden" not in log.read_text()
    for executor in made:
        (owner,) = executor["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Pod", driver.pod["metadata"]["name"])
        assert executor["spec"]["serviceAccountName"] == "default"
        (container,) = executor["spec"]["containers"]
        assert container["resources"]["limits"]["cpu"] == "1"
        memory = parse_quantity(container["resources"]["limits"]["memory"])  # type: ignore[no-untyped-call]
        assert 2**31 - 2 * 2**20 <= memory <= 2**31
        assert container["resources"]["requests"]["cpu"] == cpu_request
