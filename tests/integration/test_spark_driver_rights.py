"""A real Spark driver makes executors with what the manifests let it do, of the template that the operator writes.

There is no node: the executors stay pending, which is all that is to be seen here.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.utils.quantity import parse_quantity

from icefield_crds import Flavor, SparkExecutors, Warehouse, Workspace, labels
from icefield_crds.names import API_VERSION
from icefield_engines.spark_connect.conf import configuration
from icefield_engines.spark_connect.settings import CatalogSettings, SparkSettings
from icefield_engines.warehouse.settings import StoreSettings
from icefield_operator.spark import driver_rights
from icefield_operator.warehouse import build
from tests.controlplane import ControlPlane, running_control_plane
from tests.unit.manifests.rendering import overlay

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


@pytest.fixture
def installed() -> Iterator[ControlPlane]:
    """A control plane with the standalone overlay, and a workspace's namespace."""
    with running_control_plane() as plane:
        plane.apply_crds()
        plane.kubectl("apply", "--server-side", "-k", str(overlay("standalone")))
        plane.kubectl("create", "namespace", NAMESPACE)
        plane.kubectl("wait", "--for=create", f"--namespace={NAMESPACE}", "serviceaccount/default", "--timeout=60s")
        yield plane


def _eventually(check: Callable[[], Any], log: Path) -> Any:
    give_up = time.monotonic() + 60
    while not (answer := check()):
        assert time.monotonic() < give_up, log.read_text()[-3000:]
        time.sleep(0.2)
    return answer


def _around(plane: ControlPlane) -> build.Surroundings:
    """Make a warehouse; return what its children are made of."""
    metadata = {"name": "wide", "namespace": NAMESPACE}
    manifest = {"apiVersion": API_VERSION, "kind": "Warehouse", "metadata": metadata, "spec": {}}
    plane.kubectl("create", "-f", "-", stdin=json.dumps(manifest))
    made = plane.kubectl("get", "warehouse", "wide", f"--namespace={NAMESPACE}", "--output=json")
    flavor = Flavor.model_validate({"metadata": {"name": "f"}, "spec": SIZE})
    executors = build.Executors(SparkExecutors(min=2, max=4), flavor)
    image = build.Image("localhost/icefield/warehouse:1", "IfNotPresent")
    return build.Surroundings(Warehouse.model_validate_json(made), "demo", image, flavor, executors)


def _executor_env(pod: dict[str, Any]) -> dict[str, str]:
    (spark,) = pod["spec"]["initContainers"]
    prefix = "ICEFIELD_SPARK_"
    return {
        v["name"].removeprefix("ICEFIELD_").lower(): v["value"] for v in spark["env"] if v["name"].startswith(prefix)
    }


def _configuration(plane: ControlPlane, pod: dict[str, Any], template: str, folder: Path) -> dict[str, str]:
    """Return the driver's configuration as its container writes it, but for where this control plane is."""
    metadata = pod["metadata"]
    given = {"namespace": NAMESPACE, "pod_name": metadata["name"], "pod_ip": "127.0.0.1", "spill_directory": folder}
    (folder / "pod.yaml").write_text(template)
    given |= {"workspace": "demo", "spark_executor_template": folder / "pod.yaml", **_executor_env(pod)}
    cluster = yaml.safe_load(plane.kubeconfig.read_text())["clusters"][0]["cluster"]
    (folder / "ca.crt").write_bytes(base64.b64decode(cluster["certificate-authority-data"]))
    token = plane.kubectl("create", "token", driver_rights.WAREHOUSES, f"--namespace={NAMESPACE}").strip()
    (folder / "token").write_text(token)
    store = StoreSettings.model_validate(
        {"AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s", "ICEFIELD_BUCKET": "b", "ICEFIELD_PREFIX": "p"}
    )
    conf = configuration(SparkSettings(**given), CatalogSettings(uri="http://127.0.0.1:1", warehouse="demo"), store)
    kept = {key: value for key, value in conf.items() if not key.startswith(("spark.sql.", "spark.connect."))}
    return kept | {
        "spark.master": f"k8s://{plane.url}",
        "spark.kubernetes.authenticate.oauthTokenFile": str(folder / "token"),
        "spark.kubernetes.authenticate.caCertFile": str(folder / "ca.crt"),
        "spark.driver.port": "0",
        "spark.driver.blockManager.port": "0",
        "spark.driver.memory": "512m",
    }


def test_a_real_driver_makes_and_ends_executors(installed: ControlPlane, tmp_path: Path) -> None:
    workspace = {"metadata": {"name": "demo", "uid": "8a4a8a4e-0000-4000-8000-000000000000"}, "spec": {}}
    for manifest in driver_rights.manifests(Workspace.model_validate(workspace), driver_rights.WAREHOUSES):
        manifest["metadata"].pop("ownerReferences", None)  # there is no Workspace
        installed.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(manifest))
    around = _around(installed)
    pod, config_map = build.pod(around), build.executor_config_map(around)
    assert config_map is not None
    installed.kubectl("create", "-f", "-", stdin=json.dumps(pod))
    conf = _configuration(installed, pod, config_map["data"]["pod.yaml"], tmp_path)
    mine = ",".join(f"{key}={value}" for key, value in labels.of_executor_pod("demo", "wide").items())

    def executors() -> list[dict[str, Any]]:
        listed = installed.kubectl("get", "pods", f"--namespace={NAMESPACE}", f"--selector={mine}", "--output=json")
        items: list[dict[str, Any]] = json.loads(listed)["items"]
        return items

    log = tmp_path / "driver.log"
    with log.open("wb") as output:
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, json.dumps(conf)], stdin=subprocess.PIPE, stdout=output, stderr=output
        )
    try:
        made = _eventually(lambda: len(found := executors()) == 2 and found, log)
        driver.communicate(timeout=60)
    finally:
        driver.kill()
    assert driver.returncode == 0, log.read_text()[-3000:]
    _eventually(lambda: executors() == [], log)
    # What it never made it may not delete either, and Spark goes on when it is refused.
    refused = set(re.findall(r"Message: (\w+) is forbidden", log.read_text()))
    assert refused <= {"services", "persistentvolumeclaims"}
    for executor in made:
        (owner,) = executor["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Pod", pod["metadata"]["name"])
        assert executor["spec"]["serviceAccountName"] == "default"
        (container,) = executor["spec"]["containers"]
        assert container["resources"]["limits"]["cpu"] == "1"
        memory = parse_quantity(container["resources"]["limits"]["memory"])  # type: ignore[no-untyped-call]
        assert 2**31 - 2 * 2**20 <= memory <= 2**31
        assert container["resources"]["requests"]["cpu"] == "10m"
