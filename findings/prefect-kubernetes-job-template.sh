#!/usr/bin/env bash
# Prefect's Kubernetes worker: valid Job manifests are refused as base job templates, and the worker's own PREFECT_HOME is
# set in the containers of all its Jobs.
#
# Versions   prefect 3.9.1, prefect-kubernetes 0.8.0, jsonpatch 1.48
# Expected   A custom base job template may hold any manifest that batch/v1 takes: `parallelism` and `completions` default
#            to 1, and are fields of the Job's spec. And what a Job is told of its worker is where the API is, not where
#            the worker's host keeps its files.
# Seen       The manifest is compared, by a JSON patch, with one that has both fields in the spec of the pod, where a pod has
#            no such fields, and every "add" of the patch counts as missing. Without the fields the manifest is refused
#            ("missing required attributes ... /spec/template/spec/completions"). With both at 1 in the Job's spec it is
#            taken, as the library then makes one "move" of each remove and add. With any other number it is refused again.
#            Settings that are set where the worker runs are copied into the Job's environment: PREFECT_HOME as well, a
#            path that need not exist, or be writable, in the image.
# Fails      when one of the two manifests is taken, the third is refused, or PREFECT_HOME is no longer copied.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check prefect==3.9.1 prefect-kubernetes==0.8.0 jsonpatch==1.48
PREFECT_HOME="$folder/home" PREFECT_API_URL=http://127.0.0.1:1/api timeout 120 "$folder/venv/bin/python" - <<'PYTHON'
import asyncio
import copy
import os
import uuid

from prefect.client.schemas.objects import FlowRun
from prefect_kubernetes.worker import KubernetesWorker, KubernetesWorkerJobConfiguration

CONTAINER = {"name": "prefect-job", "image": "busybox"}


def manifest(**of_job: int) -> dict:
    template = {"spec": {"restartPolicy": "Never", "containers": [copy.deepcopy(CONTAINER)]}}
    metadata = {"namespace": "default", "generateName": "run-", "labels": {}}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {**of_job, "template": template}}


async def configuration(job: dict) -> KubernetesWorkerJobConfiguration:
    template = KubernetesWorker.get_default_base_job_template()
    template["job_configuration"]["job_manifest"] = job
    return await KubernetesWorkerJobConfiguration.from_template_and_values(template, {})


async def refusal(job: dict) -> str:
    try:
        await configuration(job)
    except ValueError as error:
        return str(error)
    raise SystemExit(f"changed: {job['spec']} is taken")


async def main() -> None:
    without = await refusal(manifest())
    print("without the fields:", next(line.strip() for line in without.splitlines() if "missing" in line))
    assert "/spec/template/spec/completions, /spec/template/spec/parallelism" in without, without
    with_two = await refusal(manifest(parallelism=2, completions=2))
    assert "/spec/template/spec/completions, /spec/template/spec/parallelism" in with_two, with_two
    print("with 2 in the Job's spec: refused as well")

    taken = await configuration(manifest(parallelism=1, completions=1))
    taken.prepare_for_flow_run(FlowRun(flow_id=uuid.uuid4(), name="one"))
    container = taken.job_manifest["spec"]["template"]["spec"]["containers"][0]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    print("with 1 in the Job's spec: taken; PREFECT_HOME is the worker's:", "PREFECT_HOME" in environment)
    assert environment.get("PREFECT_HOME") == os.environ["PREFECT_HOME"], environment


asyncio.run(main())
PYTHON
echo "as stated"
