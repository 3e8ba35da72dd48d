"""Pure: from a Warehouse to the manifests of its children."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple

from icefield_crds import Flavor, SparkExecutors, Warehouse, labels, names
from icefield_kube.client import Manifest
from icefield_operator import network, pod_spec
from icefield_operator.spark import driver_rbac
from icefield_operator.spark.resources import executor_template

from . import resources

GATEWAY_CONTAINER = "gateway"
SPARK_CONTAINER = "spark"
HASH_ANNOTATION = f"{names.GROUP}/spec-hash"
"""On the pod: the hash of its spec. When that changes, the pod is replaced."""
EXECUTOR_ANNOTATION = f"{names.GROUP}/executor-template"
"""On the pod: the template of its Spark's executors, which it reads as a file; each pod keeps its own."""
TOKEN_KEY = "token"  # noqa: S105 - a key in a Secret
DRAIN_SECONDS = 30
"""How long running statements may take when the warehouse is stopped; one that is replaced has longer (pod_plan)."""
GRACE_SECONDS = DRAIN_SECONDS + 10
EXECUTOR_DIRECTORY = "/etc/icefield/executor"
EXECUTOR_TEMPLATE = "pod.yaml"

_SECRETS = pod_spec.secrets(names.OBJECT_STORE_SECRET, names.CATALOG_SECRET)


class WarehouseImage(NamedTuple):
    """The image of a warehouse's pods, with both programs and Spark's executors."""

    name: str
    pull_policy: str


@dataclass(frozen=True)
class Executors:
    """Spark's executors in pods of their own."""

    limits: SparkExecutors
    flavor: Flavor


@dataclass(frozen=True)
class WarehouseContext:
    """What a warehouse's children are built from."""

    warehouse: Warehouse
    workspace: str
    """The workspace's slug."""
    image: WarehouseImage
    flavor: Flavor
    """The size of the pod."""
    executors: Executors | None

    @property
    def name(self) -> str:
        """The name of the children that a warehouse has one of."""
        return names.warehouse_child(self.warehouse.metadata.name)


def pod(context: WarehouseContext, beside: Collection[str] = ()) -> Manifest:
    """Return a pod of the warehouse.

    Spark is a sidecar that starts first and ends last (an init container that restarts): a statement that writes may
    keep running while the gateway drains.

    Args:
        context: the warehouse.
        beside: names of the pods that it has already; the new one gets a name of its own.
    """
    shares = resources.shares(context.flavor, executors=context.executors is not None)
    spec: dict[str, Any] = {
        **pod_spec.restricted_pod(),
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "initContainers": [_spark(context, shares.spark)],
        "containers": [_gateway(context, shares.gateway)],
        "volumes": _volumes(context),
        **pod_spec.placement(context.flavor),
    }
    if context.executors:
        spec["serviceAccountName"] = driver_rbac.WAREHOUSES
    warehouse, annotations = context.warehouse.metadata, {}
    if context.executors:
        annotations[EXECUTOR_ANNOTATION] = json.dumps(_executor(context, context.executors), indent=2)
    spec_hash = _digest([spec, annotations])
    metadata = _metadata(context) | {
        "name": names.warehouse_pod(warehouse.name, _digest([warehouse.uid, spec_hash, sorted(beside)])[:8]),
        "labels": labels.of_warehouse_pod(context.workspace, warehouse.name),
        "annotations": {**annotations, HASH_ANNOTATION: spec_hash},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _executor(context: WarehouseContext, executors: Executors) -> Manifest:
    """Return the template of Spark's executors.

    How many there are, their CPU and memory, and their owner, the driver's pod, are what Spark fills in.
    """
    storage = executors.flavor.spec.ephemeral_storage
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - inside the container
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": labels.of_executor_pod(context.workspace, context.warehouse.metadata.name)},
        "spec": {
            **pod_spec.restricted_pod(),
            "serviceAccountName": "default",
            "containers": [
                {
                    "name": "executor",
                    "imagePullPolicy": context.image.pull_policy,
                    "env": pod_spec.values(_common_env(context)),
                    "envFrom": _SECRETS,
                    "resources": executor_template(storage, pod_spec.local_storage_request(executors.flavor)),
                    "securityContext": pod_spec.RESTRICTED,
                    "volumeMounts": [*mounts, pod_spec.CA_MOUNT],
                }
            ],
            "volumes": [pod_spec.scratch_volume("tmp", storage), pod_spec.CA_VOLUME],
            **pod_spec.placement(executors.flavor),
        },
    }


def network_policy(context: WarehouseContext) -> Manifest:
    """Return who may reach the warehouse's pods: the API server and the operator, and its pods each other."""
    own = {"matchLabels": {labels.WAREHOUSE: context.warehouse.metadata.name}}
    ingress: list[Manifest] = [
        {"from": [network.platform_services()], "ports": [network.port(names.GATEWAY_PORT)]},
        # Driver and executors find each other on ports that they choose, and executors fetch shuffles from each other.
        # Also of a warehouse without executors: a pod that drains may still have some.
        {"from": [{"podSelector": own}]},
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(context),
        "spec": {"podSelector": own, "policyTypes": ["Ingress"], "ingress": ingress},
    }


def _gateway(context: WarehouseContext, share: Manifest) -> Manifest:
    variables = {
        **_common_env(context),
        "ICEFIELD_DRAIN_SECONDS": str(DRAIN_SECONDS),
        "ICEFIELD_SPILL_LIMIT_BYTES": str(resources.spill_bytes(context.flavor)),
    }
    token = {"secretKeyRef": {"name": names.WAREHOUSE_TOKEN_SECRET, "key": TOKEN_KEY}}
    port = names.GATEWAY_PORT
    return {
        **_container(context, GATEWAY_CONTAINER, "icefield_engines.warehouse", share),
        "env": [
            *pod_spec.values(variables),
            {"name": "ICEFIELD_GATEWAY_TOKEN", "valueFrom": token},
            *pod_spec.limits_env(),
        ],
        "ports": [{"name": "gateway", "containerPort": port}],
        # Every second, so that the first statement does not wait for the probe.
        "readinessProbe": {
            "httpGet": {"path": "/readyz", "port": port},
            "periodSeconds": 1,
            "timeoutSeconds": 5,
            "failureThreshold": 5,
        },
        "livenessProbe": {
            "httpGet": {"path": "/livez", "port": port},
            "initialDelaySeconds": 60,
            "periodSeconds": 10,
            "timeoutSeconds": 10,
            "failureThreshold": 6,
        },
        "volumeMounts": [*_scratch_mounts(GATEWAY_CONTAINER), pod_spec.CA_MOUNT],
    }


def _spark(context: WarehouseContext, resources: Manifest) -> Manifest:
    mounts = [*_scratch_mounts(SPARK_CONTAINER), pod_spec.CA_MOUNT]
    variables = pod_spec.values(_common_env(context))
    if context.executors:
        mounts += [
            {"name": "executor", "mountPath": EXECUTOR_DIRECTORY, "readOnly": True},
            pod_spec.TOKEN_MOUNT,
        ]
        variables += _executor_env(context, context.executors)
    return {
        **_container(context, SPARK_CONTAINER, "icefield_engines.spark_connect", resources),
        "restartPolicy": "Always",
        "env": [*variables, *pod_spec.limits_env()],
        "volumeMounts": mounts,
    }


def _container(context: WarehouseContext, name: str, module: str, resources: Manifest) -> Manifest:
    return {
        "name": name,
        "image": context.image.name,
        "imagePullPolicy": context.image.pull_policy,
        "command": ["/usr/bin/tini", "-g", "--", "python", "-m", module],
        "envFrom": _SECRETS,
        "resources": resources,
        "securityContext": pod_spec.RESTRICTED,
        # Why it ended is read off the end of its log.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _common_env(context: WarehouseContext) -> dict[str, str]:
    return {
        **pod_spec.python_env(),
        "ICEFIELD_WORKSPACE": context.workspace,
        "ICEFIELD_WAREHOUSE": context.warehouse.metadata.name,
    }


def _executor_env(context: WarehouseContext, executors: Executors) -> list[Manifest]:
    size = resources.executor(executors.flavor)
    return [
        *pod_spec.values(
            {
                "ICEFIELD_SPARK_EXECUTORS_MIN": str(executors.limits.min),
                "ICEFIELD_SPARK_EXECUTORS_MAX": str(executors.limits.max),
                "ICEFIELD_SPARK_EXECUTOR_CPU": str(size.cores),
                "ICEFIELD_SPARK_EXECUTOR_CPU_REQUEST": size.cpu_request,
                "ICEFIELD_SPARK_EXECUTOR_MEMORY_BYTES": str(size.memory_bytes),
                "ICEFIELD_SPARK_EXECUTOR_IMAGE": context.image.name,
            }
        ),
        *pod_spec.pod_env(),
    ]


def _scratch_mounts(container: str) -> list[Manifest]:
    """Return the folders that a container may write; none is shared, so no engine sees another's files."""
    return [{"name": f"{container}-{folder}", "mountPath": f"/{folder}"} for folder in ("tmp", "spill")]


def _volumes(context: WarehouseContext) -> list[Manifest]:
    scratch = [mount["name"] for name in (GATEWAY_CONTAINER, SPARK_CONTAINER) for mount in _scratch_mounts(name)]
    limit = str(resources.local_storage_bytes(context.flavor))
    volumes: list[Manifest] = [*(pod_spec.scratch_volume(name, limit) for name in scratch), pod_spec.CA_VOLUME]
    if context.executors:
        volumes += [
            {
                "name": "executor",
                "downwardAPI": {
                    "items": [
                        {
                            "path": EXECUTOR_TEMPLATE,
                            "fieldRef": {"fieldPath": f"metadata.annotations['{EXECUTOR_ANNOTATION}']"},
                        }
                    ]
                },
            },
            pod_spec.TOKEN_VOLUME,
        ]
    return volumes


def _metadata(context: WarehouseContext) -> Manifest:
    warehouse = context.warehouse
    return {
        "name": context.name,
        "namespace": warehouse.metadata.namespace,
        "labels": labels.of_warehouse_child(context.workspace, warehouse.metadata.name),
        "ownerReferences": [warehouse.owner_reference.to_api()],
    }


def _digest(made_of: Any) -> str:
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
