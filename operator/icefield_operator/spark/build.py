"""Pure: from a Run with a Spark application to the manifests of its children."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from icefield_crds import EnvVar, SparkApplication, Task, labels, names
from icefield_crds.requirements import ENVIRONMENT_DIRECTORY
from icefield_crds.spark import SparkPod
from icefield_kube.client import Manifest
from icefield_operator import pod_spec
from icefield_operator.environment.build import Mounted
from icefield_operator.run import build as run_build

from . import driver_rbac, resources

MODULE = "icefield_engines.spark_application"
GRACE_SECONDS = 30
"""A driver that is ended deletes its executors, with one API call each."""
APPLICATION_DIRECTORY = "/etc/icefield/application"
APPLICATION_FILE = "application.json"
EXECUTOR_TEMPLATE = "executor.yaml"

_SECRETS = [
    # Later ones win, and `env` wins over all of them.
    {"secretRef": {"name": names.ENVIRONMENT_SECRET, "optional": True}},
    *pod_spec.secrets(names.OBJECT_STORE_SECRET),
]
_SCRATCH = ("tmp", "spill")
_SCRATCH_DIRECTORY = "/tmp"  # noqa: S108 - inside the container


@dataclass(frozen=True)
class ApplicationContext:
    """What the children of an application are built from."""

    of_run: run_build.RunPodContext
    """The run; its images' `runtime` is the image of warehouses, which drivers and executors are made of."""
    application: SparkApplication
    catalog_names: tuple[str, ...]
    """What SQL calls the workspace's catalog, its slug first."""
    environment: Mounted | None = None
    """Its requirements, if it has any."""


def config_map(context: ApplicationContext) -> Manifest:
    """Return the ConfigMap with the application, and with the template of its executors when it has any.

    How many executors there are, their CPU and memory, and their owner, the driver's pod, are what Spark fills in.
    """
    run, workspace = context.of_run.run, context.of_run.workspace
    data = {APPLICATION_FILE: application_file(context.application)}
    if context.application.executors:
        data[EXECUTOR_TEMPLATE] = json.dumps(_executor(context), indent=2)
    metadata = run_build.prerequisite_metadata(run, workspace, names.spark_executor_config_map(run.metadata.name))
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}


def application_file(application: SparkApplication) -> str:
    """Return the application as its driver reads it."""
    return json.dumps(application.to_api(), sort_keys=True)


def network_policy(context: ApplicationContext) -> Manifest | None:
    """Return the NetworkPolicy that lets driver and executors reach each other; None when there is only a driver.

    All ports: executors choose theirs, and fetch shuffles from each other.
    """
    if not context.application.executors:
        return None
    run = context.of_run.run
    own = {"matchLabels": {labels.RUN: run.metadata.name}}
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": run_build.prerequisite_metadata(
            run, context.of_run.workspace, names.spark_executor_config_map(run.metadata.name)
        ),
        "spec": {"podSelector": own, "policyTypes": ["Ingress"], "ingress": [{"from": [{"podSelector": own}]}]},
    }


def pod(context: ApplicationContext, task: Task, attempt: int, deadline_seconds: int | None) -> Manifest:
    """Return the driver's pod of one attempt.

    Args:
        context: the run and its application.
        task: the run's one task.
        attempt: number of the attempt, from 0.
        deadline_seconds: after how long the kubelet ends it.
    """
    run, workspace = context.of_run.run, context.of_run.workspace
    metadata = run_build.metadata_of(run, workspace, names.pod_name(run.metadata.name, task.key, attempt))
    metadata["labels"] = labels.of_task_pod(
        workspace, context.of_run.workspace_uid, run.metadata.name, task.key, attempt
    )
    config = {"name": names.spark_executor_config_map(run.metadata.name)}
    spec: dict[str, Any] = {
        **pod_spec.restricted_pod(),
        "restartPolicy": "Never",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "containers": [_driver(context, task, attempt)],
        "volumes": [
            *_scratch_volumes(context.application.driver),
            pod_spec.CA_VOLUME,
            {"name": "application", "configMap": config},
        ],
    }
    if context.application.executors:
        spec["serviceAccountName"] = driver_rbac.APPLICATIONS
        spec["volumes"].append(pod_spec.TOKEN_VOLUME)
    if deadline_seconds is not None:
        spec["activeDeadlineSeconds"] = deadline_seconds
    if context.environment:
        spec = context.environment.into(spec, context.application.driver.ephemeral_storage)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _driver(context: ApplicationContext, task: Task, attempt: int) -> Manifest:
    executors = context.application.executors
    return {
        "name": names.TASK_CONTAINER,
        "image": context.of_run.images.runtime,
        "imagePullPolicy": context.of_run.images.pull_policy,
        "command": ["/usr/bin/tini", "-g", "--", "python", "-m", MODULE],
        "env": _driver_env(context, task, attempt),
        "envFrom": _SECRETS,
        "resources": resources.driver(context.application.driver),
        "securityContext": pod_spec.RESTRICTED,
        "volumeMounts": [
            *_scratch_mounts(),
            pod_spec.CA_MOUNT,
            {"name": "application", "mountPath": APPLICATION_DIRECTORY, "readOnly": True},
            *([pod_spec.TOKEN_MOUNT] if executors else []),
        ],
    }


def _driver_env(context: ApplicationContext, task: Task, attempt: int) -> list[Manifest]:
    run, workspace, application = context.of_run.run, context.of_run.workspace, context.application
    values = {
        "ICEFIELD_WORKSPACE": workspace,
        "ICEFIELD_RUN_ID": run.public_id,
        "ICEFIELD_APPLICATION": f"{APPLICATION_DIRECTORY}/{APPLICATION_FILE}",
        "ICEFIELD_CATALOG_NAMES": ",".join(context.catalog_names),
        # Through our API, which learns from the token what the run reads and writes.
        "ICEFIELD_CATALOG_URI": f"{context.of_run.api_url}/iceberg",
        "ICEFIELD_CATALOG_WAREHOUSE": workspace,
        "ICEFIELD_SPARK_EXECUTORS_MAX": str(application.executors),
    }
    if context.environment:
        values["ICEFIELD_PYTHON"] = f"{ENVIRONMENT_DIRECTORY}/bin/python"
    if context.of_run.warehouse_id:
        values["ICEFIELD_DEFAULT_WAREHOUSE_ID"] = context.of_run.warehouse_id
    if application.executors:
        size = resources.executor(application.executor)
        values |= {
            "ICEFIELD_SPARK_EXECUTOR_CPU": str(size.cores),
            "ICEFIELD_SPARK_EXECUTOR_CPU_REQUEST": size.cpu_request,
            "ICEFIELD_SPARK_EXECUTOR_MEMORY_BYTES": str(size.memory_bytes),
            "ICEFIELD_SPARK_EXECUTOR_IMAGE": context.of_run.images.runtime,
            "ICEFIELD_SPARK_EXECUTOR_TEMPLATE": f"{APPLICATION_DIRECTORY}/{EXECUTOR_TEMPLATE}",
        }
    token_place = run_build.TokenPlace.of_run(run)
    token = {"name": token_place.secret, "key": token_place.key}
    variables = [
        *run_build.environment(context.of_run, task, attempt, token_place),
        *pod_spec.values(values),
        {"name": "ICEFIELD_CATALOG_TOKEN", "valueFrom": {"secretKeyRef": token}},
        *pod_spec.limits_env(),
        *pod_spec.pod_env(),
    ]
    return list({variable["name"]: variable for variable in variables}.values())


def _executor(context: ApplicationContext) -> Manifest:
    run, workspace = context.of_run.run, context.of_run.workspace
    own = [variable for variable in context.of_run.execution.env if _is_plain(variable)]
    spec: Manifest = {
        **pod_spec.restricted_pod(),
        "serviceAccountName": "default",
        "containers": [
            {
                "name": "executor",
                # Where it keeps the files and jars that the driver gives it.
                "workingDir": _SCRATCH_DIRECTORY,
                "imagePullPolicy": context.of_run.images.pull_policy,
                "env": [
                    *(run_build.user_variable(variable) for variable in own),
                    *run_build.parameters(context.of_run.execution.params),
                    *pod_spec.values(pod_spec.python_env()),
                ],
                "envFrom": _SECRETS,
                "resources": resources.executor_template(context.application.executor.ephemeral_storage),
                "securityContext": pod_spec.RESTRICTED,
                "volumeMounts": [{"name": "tmp", "mountPath": _SCRATCH_DIRECTORY}, pod_spec.CA_MOUNT],
            }
        ],
        "volumes": [
            pod_spec.scratch_volume("tmp", context.application.executor.ephemeral_storage),
            pod_spec.CA_VOLUME,
        ],
    }
    size = context.application.executor.ephemeral_storage
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": labels.of_application_executor(workspace, run.metadata.name)},
        "spec": context.environment.into(spec, size) if context.environment else spec,
    }


def _is_plain(variable: EnvVar) -> bool:
    """Return whether an executor may have a variable: of Secrets the driver may only give it those of every task."""
    return variable.value_from is None or variable.value_from.secret_key_ref is None


def _scratch_mounts() -> list[Manifest]:
    return [{"name": name, "mountPath": f"/{name}"} for name in _SCRATCH]


def _scratch_volumes(size: SparkPod) -> list[Manifest]:
    return [pod_spec.scratch_volume(name, size.ephemeral_storage) for name in _SCRATCH]
