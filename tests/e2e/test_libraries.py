"""Python packages on a real kubelet: environments of requirements, pip, and the default warehouse."""

from __future__ import annotations

import json
import secrets
from typing import Any

import httpx
import pytest

from icefield_crds.names import environment_builder
from icefield_crds.requirements import environment_digest, requirements_of
from tests.e2e.scenarios import NAMESPACE, Scenario

pytestmark = pytest.mark.e2e

MODULE = "icefieldmine"
MAKE_WHEEL = f'''
import base64, hashlib, json, os, zipfile, boto3, botocore.config
file, info = "{MODULE}-1.0-py3-none-any.whl", "{MODULE}-1.0.dist-info"
files = {{
    "{MODULE}.py": "VERSION = 'one'\\n",
    info + "/METADATA": "Metadata-Version: 2.1\\nName: {MODULE}\\nVersion: 1.0\\n",
    info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
}}
def digest(text):
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
record = "".join(f"{{name}},sha256={{digest(text)}},{{len(text)}}\\n" for name, text in files.items())
with zipfile.ZipFile(file, "w") as archive:
    for name, text in {{**files, info + "/RECORD": record + info + "/RECORD,,\\n"}}.items():
        archive.writestr(name, text)
'''
STORE_WHEEL = """
key = os.environ["ICEFIELD_PREFIX"] + "/volumes/wheels/" + file
config = botocore.config.Config(signature_version="s3v4")
client = boto3.client("s3", region_name=os.environ["AWS_REGION"], config=config)
client.upload_file(file, os.environ["ICEFIELD_BUCKET"], key)
place = {"Bucket": os.environ["ICEFIELD_BUCKET"], "Key": key}
url = client.generate_presigned_url("get_object", Params=place, ExpiresIn=3600)
print(json.dumps({"name": file, "url": url, "sha256": hashlib.sha256(open(file, "rb").read()).hexdigest()}))
"""
SPARK = f"""
from pyspark.sql import SparkSession

def version(_):
    import {MODULE}
    return {MODULE}.VERSION

spark = SparkSession.builder.getOrCreate()
print("driver", version(None), "executors", *set(spark.sparkContext.range(2, numSlices=2).map(version).collect()))
"""


@pytest.fixture
def lock(scenario: Scenario) -> str:
    """A lock of one package, whose wheel is in the object store."""
    run_id = scenario.start(files={"make.py": MAKE_WHEEL + STORE_WHEEL}, command="python make.py")
    assert scenario.wait(run_id)["error"] is None
    wheel = json.loads(scenario.messages(run_id)[-1])
    return (
        f'lock-version = "1.0"\ncreated-by = "test"\n# {secrets.token_hex(4)}\n\n[[packages]]\nname = "{MODULE}"\n'
        f'version = "1.0"\nwheels = [{{ name = "{wheel["name"]}", url = "{wheel["url"]}", '
        f'hashes = {{ sha256 = "{wheel["sha256"]}" }} }}]\n'
    )


def _builders(scenario: Scenario) -> list[str]:
    found = json.loads(scenario.kubectl("-n", NAMESPACE, "get", "pods", "-o", "json"))["items"]
    prefix = environment_builder("")
    return [pod["metadata"]["name"] for pod in found if pod["metadata"]["name"].startswith(prefix)]


def test_tasks_share_an_environment_that_is_built_once(scenario: Scenario, lock: str) -> None:
    show = f"python -c 'import {MODULE}, pandas, sys; print({MODULE}.VERSION, sys.prefix)'"
    job = scenario.job(tasks=[{"key": key, "command": show} for key in "ab"], lock=lock)
    first = scenario.run_of(job["id"])
    seen = scenario.wait_until(first, lambda run: run["error"] or run["status"] != "pending")
    assert seen["error"] is None or "building its environment" in seen["error"]
    run = scenario.wait(first)
    assert (run["status"], run["error"]) == ("success", None)
    assert scenario.messages(first) == ["one /environment"] * 2
    wanted = requirements_of([], lock)
    assert wanted is not None
    assert environment_builder(environment_digest(wanted, scenario.platform.runtime_image)) not in _builders(scenario)
    second = scenario.run_of(job["id"])
    assert scenario.wait(second)["status"] == "success"


def test_what_cannot_be_met_is_the_tasks_error(scenario: Scenario) -> None:
    run_id = scenario.start(command="true", requirements=[f"{MODULE}-{secrets.token_hex(4)}==1"])
    run = scenario.wait(run_id)
    assert run["status"] == "failed"
    assert run["error"].startswith("its environment cannot be built: ")


def test_pip_installs_in_a_task(scenario: Scenario) -> None:
    command = (
        f"set -e; python make.py; pip install --quiet --no-index ./{MODULE}-1.0-py3-none-any.whl; "
        f"python -c 'import {MODULE}, polars; print({MODULE}.VERSION)'; pip uninstall --quiet --yes {MODULE}"
    )
    run_id = scenario.start(files={"make.py": MAKE_WHEEL}, command=command)
    assert scenario.wait(run_id)["error"] is None
    assert scenario.messages(run_id)[-1] == "one"


def test_a_polars_script_imports_it(scenario: Scenario, lock: str) -> None:
    script = f"import {MODULE}\nresult = pl.DataFrame({{'v': [{MODULE}.VERSION]}})"
    answer = scenario.rest.post("/warehouse/polars", json={"script": script, "lock": lock}, timeout=300)
    assert answer.json().get("error") is None, answer.text
    assert answer.json()["results"]["rows"] == [["one"]]


def test_a_spark_application_imports_it_in_driver_and_executors(scenario: Scenario, lock: str, platform: Any) -> None:
    address, name = f"{platform.api_url}/api/v2/spark", f"libraries-{secrets.token_hex(3)}"
    files = {"file": ("libraries.py", SPARK.encode(), "text/x-python")}
    uploaded = scenario.rest.post(f"{address}/artifacts", data={"name": name}, files=files)
    assert uploaded.status_code == httpx.codes.CREATED, uploaded.text
    properties = {
        "entrypoint": name,
        "driverMachineType": "spark.1.c",
        "executorMachineType": "spark.1.c",
        "executorNumbers": 1,
        "lock": lock,
    }
    body = {"namespace": "tests", "name": name, "properties": properties}
    submitted = scenario.rest.post(f"{address}/jobs", json=body)
    assert submitted.status_code == httpx.codes.CREATED, submitted.text
    run_id = submitted.json()["runId"]
    run = scenario.wait(run_id, timeout=300)
    assert (run["status"], run["error"]) == ("success", None)
    assert "driver one executors one" in scenario.messages(run_id)
