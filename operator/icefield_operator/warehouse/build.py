"""Pure: from a Warehouse to the manifests of its children."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any, NamedTuple

import yaml

from icefield_crds import Flavor, SparkExecutors, Warehouse, labels, names
from icefield_operator import pod_parts
from icefield_operator.spark import driver_rights
from icefield_operator.world import Manifest

from . import sizes

GATEWAY_CONTAINER = "gateway"
SPARK_CONTAINER = "spark"
HASH_ANNOTATION = f"{names.GROUP}/spec-hash"
"""On the pod: what it was made of. When that changes, the pod is replaced."""
TOKEN_KEY = "token"  # noqa: S105 - a key in a Secret
DRAIN_SECONDS = 30
"""How long statements that run may go on when the warehouse is stopped or replaced."""
GRACE_SECONDS = DRAIN_SECONDS + 10
EXECUTOR_DIRECTORY = "/etc/icefield/executor"
EXECUTOR_TEMPLATE = "pod.yaml"

_SECRETS = pod_parts.secrets(names.OBJECT_STORE_SECRET, names.CATALOG_SECRET)


class Image(NamedTuple):
    """What a warehouse's pods are made of: both programs, and Spark's executors, are in it."""

    name: str
    pull_policy: str


@dataclass(frozen=True)
class Executors:
    """Spark's executors in pods of their own."""

    limits: SparkExecutors
    flavor: Flavor


@dataclass(frozen=True)
class Surroundings:
    """What a warehouse's children are made of."""

    warehouse: Warehouse
    workspace: str
    """The workspace's slug."""
    image: Image
    flavor: Flavor
    """The size of the pod."""
    executors: Executors | None

    @property
    def name(self) -> str:
        """The name of the pod, and of whatever else there is one of."""
        return names.warehouse_pod(self.warehouse.metadata.name)


def pod(around: Surroundings) -> Manifest:
    """Return the warehouse's pod.

    Spark is a sidecar that starts first and ends last (an init container that restarts): a statement that writes may go
    on while the gateway drains.
    """
    shares = sizes.shares(around.flavor, executors=around.executors is not None)
    spec: dict[str, Any] = {
        **pod_parts.hardened(),
        "restartPolicy": "Always",
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "initContainers": [_spark(around, shares.spark)],
        "containers": [_gateway(around, shares.gateway)],
        "volumes": _volumes(around),
        **pod_parts.placement(around.flavor),
    }
    if around.executors:
        spec["serviceAccountName"] = driver_rights.WAREHOUSES
    metadata = _metadata(around)
    metadata["labels"] = labels.of_warehouse_pod(around.workspace, around.warehouse.metadata.name)
    manifest = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
    metadata["annotations"] = {HASH_ANNOTATION: _digest([manifest, executor_config_map(around)])}
    return manifest


def executor_config_map(around: Surroundings) -> Manifest | None:
    """Return the ConfigMap with the template of Spark's executors; None when they run inside the pod.

    How many there are, their CPU and memory, and their owner, the driver's pod, are what Spark fills in.
    """
    if around.executors is None:
        return None
    mounts = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - inside the container
    template = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"labels": labels.of_executor_pod(around.workspace, around.warehouse.metadata.name)},
        "spec": {
            **pod_parts.hardened(),
            "serviceAccountName": "default",
            "containers": [
                {
                    "name": "executor",
                    "imagePullPolicy": around.image.pull_policy,
                    "env": pod_parts.values(_common_env(around)),
                    "envFrom": _SECRETS,
                    "securityContext": pod_parts.RESTRICTED,
                    "volumeMounts": [*mounts, pod_parts.CA_MOUNT],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}, pod_parts.CA_VOLUME],
            **pod_parts.placement(around.executors.flavor),
        },
    }
    data = {EXECUTOR_TEMPLATE: yaml.safe_dump(template, sort_keys=False)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": _metadata(around), "data": data}


def network_policy(around: Surroundings) -> Manifest:
    """Return who may reach the warehouse's pods: the API server and the operator, and its pods each other."""
    own = {"matchLabels": {labels.WAREHOUSE: around.warehouse.metadata.name}}
    platform = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": names.SYSTEM_NAMESPACE}},
        "podSelector": {
            "matchExpressions": [
                {
                    "key": "app.kubernetes.io/name",
                    "operator": "In",
                    "values": ["icefield-apiserver", "icefield-operator"],
                }
            ]
        },
    }
    ingress: list[Manifest] = [
        {"from": [platform], "ports": [{"protocol": "TCP", "port": names.GATEWAY_PORT}]},
    ]
    if around.executors:
        # Driver and executors find each other on ports that they choose, and executors fetch shuffles from each other.
        ingress.append({"from": [{"podSelector": own}]})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(around),
        "spec": {"podSelector": own, "policyTypes": ["Ingress"], "ingress": ingress},
    }


def _gateway(around: Surroundings, resources: Manifest) -> Manifest:
    token = {"secretKeyRef": {"name": names.WAREHOUSE_TOKEN_SECRET, "key": TOKEN_KEY}}
    port = names.GATEWAY_PORT
    return {
        **_container(around, GATEWAY_CONTAINER, "icefield_engines.warehouse", resources),
        "env": [
            *pod_parts.values({**_common_env(around), "ICEFIELD_DRAIN_SECONDS": str(DRAIN_SECONDS)}),
            {"name": "ICEFIELD_GATEWAY_TOKEN", "valueFrom": token},
            *pod_parts.own_limits(),
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
        "volumeMounts": [*_scratch_mounts(GATEWAY_CONTAINER), pod_parts.CA_MOUNT],
    }


def _spark(around: Surroundings, resources: Manifest) -> Manifest:
    mounts = [*_scratch_mounts(SPARK_CONTAINER), pod_parts.CA_MOUNT]
    variables = pod_parts.values(_common_env(around))
    if around.executors:
        mounts += [
            {"name": "executor", "mountPath": EXECUTOR_DIRECTORY, "readOnly": True},
            pod_parts.TOKEN_MOUNT,
        ]
        variables += _executor_env(around, around.executors)
    return {
        **_container(around, SPARK_CONTAINER, "icefield_engines.spark_connect", resources),
        "restartPolicy": "Always",
        "env": [*variables, *pod_parts.own_limits()],
        "volumeMounts": mounts,
    }


def _container(around: Surroundings, name: str, module: str, resources: Manifest) -> Manifest:
    return {
        "name": name,
        "image": around.image.name,
        "imagePullPolicy": around.image.pull_policy,
        "command": ["/usr/bin/tini", "-g", "--", "python", "-m", module],
        "envFrom": _SECRETS,
        "resources": resources,
        "securityContext": pod_parts.RESTRICTED,
        # Why it ended is read from the end of its log.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }


def _common_env(around: Surroundings) -> dict[str, str]:
    return {
        **pod_parts.at_home(),
        "ICEFIELD_WORKSPACE": around.workspace,
        "ICEFIELD_WAREHOUSE": around.warehouse.metadata.name,
    }


def _executor_env(around: Surroundings, executors: Executors) -> list[Manifest]:
    size = sizes.executor(executors.flavor)
    return [
        *pod_parts.values(
            {
                "ICEFIELD_SPARK_EXECUTORS_MIN": str(executors.limits.min),
                "ICEFIELD_SPARK_EXECUTORS_MAX": str(executors.limits.max),
                "ICEFIELD_SPARK_EXECUTOR_CPU": str(size.cores),
                "ICEFIELD_SPARK_EXECUTOR_CPU_REQUEST": size.cpu_request,
                "ICEFIELD_SPARK_EXECUTOR_MEMORY_BYTES": str(size.memory_bytes),
                "ICEFIELD_SPARK_EXECUTOR_IMAGE": around.image.name,
            }
        ),
        *pod_parts.own_place(),
    ]


def _scratch_mounts(container: str) -> list[Manifest]:
    """Return the folders that a container may write; none is shared, so no engine sees another's files."""
    return [{"name": f"{container}-{folder}", "mountPath": f"/{folder}"} for folder in ("tmp", "spill")]


def _volumes(around: Surroundings) -> list[Manifest]:
    scratch = [mount["name"] for name in (GATEWAY_CONTAINER, SPARK_CONTAINER) for mount in _scratch_mounts(name)]
    volumes: list[Manifest] = [*({"name": name, "emptyDir": {}} for name in scratch), pod_parts.CA_VOLUME]
    if around.executors:
        volumes += [
            {"name": "executor", "configMap": {"name": around.name}},
            pod_parts.TOKEN_VOLUME,
        ]
    return volumes


def _metadata(around: Surroundings) -> Manifest:
    warehouse = around.warehouse
    return {
        "name": around.name,
        "namespace": warehouse.metadata.namespace,
        "labels": labels.of_warehouse_child(around.workspace, warehouse.metadata.name),
        "ownerReferences": [warehouse.owner_reference.to_api()],
    }


def _digest(made_of: Any) -> str:
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:16]
