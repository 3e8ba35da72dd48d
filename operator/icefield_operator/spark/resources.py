"""Pure: the resources of an application's driver and executors.

The driver divides memory between a JVM's heap and the rest (icefield_engines.spark_connect.conf): it gets the limit of
its own container from Kubernetes, and that of its executors from us.
"""

from __future__ import annotations

from math import ceil
from typing import NamedTuple

from icefield_crds import SparkPod
from icefield_kube.client import Manifest
from icefield_operator import pod_spec
from icefield_operator.quantity import MIB, parse_quantity

LEAST_BYTES = 1024 * MIB
"""What a Spark JVM needs, with Python beside it."""
_CPU_REQUEST = "100m"
_MEMORY_REQUEST_BYTES = 1024 * MIB


class ExecutorSize(NamedTuple):
    """The resources of one Spark executor."""

    cores: int
    """Whole ones: a task of Spark takes one."""
    cpu_request: str
    """The CPU request, as a quantity."""
    memory_bytes: int
    """Heap and everything beside it."""


def memory_bytes(size: SparkPod) -> int:
    """Return the memory of a driver or an executor.

    Raises:
        ValueError: it is no quantity.
    """
    return int(parse_quantity(size.memory))


def driver(size: SparkPod) -> Manifest:
    """Return the driver's `resources`; the requests are small, as it mostly waits for its executors."""
    memory = memory_bytes(size)
    resources = {
        "requests": {"cpu": _CPU_REQUEST, "memory": str(min(memory, _MEMORY_REQUEST_BYTES))},
        "limits": {"cpu": size.cpu, "memory": size.memory},
    }
    return pod_spec.with_local_storage(resources, size.ephemeral_storage)


def executor_template(local_storage: str, request: str | None = None) -> Manifest:
    """Return the `resources` of an executor that Spark does not fill in itself.

    Args:
        local_storage: the limit of the node's disk.
        request: what is set aside of it; a little when None.
    """
    return pod_spec.with_local_storage({"requests": {}, "limits": {}}, local_storage, request)


def executor(size: SparkPod) -> ExecutorSize:
    """Return the resources of each executor; Spark itself requests its whole memory."""
    return ExecutorSize(max(ceil(parse_quantity(size.cpu)), 1), _CPU_REQUEST, memory_bytes(size))
