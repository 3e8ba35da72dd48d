"""Pure: what the driver and the executors of an application get.

How memory is divided between a JVM's heap and what is beside it, the driver says (icefield_engines.spark_connect.conf):
it knows the limit of its own container from Kubernetes, and that of its executors from us.
"""

from __future__ import annotations

from math import ceil

from icefield_crds import SparkPod
from icefield_operator.warehouse.sizes import MIB, ExecutorSize, number
from icefield_operator.world import Manifest

LEAST_BYTES = 1024 * MIB
"""What a JVM of Spark's needs, with Python beside it."""
_CPU_REQUEST = "100m"
_MEMORY_REQUEST_BYTES = 1024 * MIB


def memory_bytes(size: SparkPod) -> int:
    """Return the memory of a driver or an executor.

    Raises:
        ValueError: it is no quantity.
    """
    return int(number(size.memory))


def driver(size: SparkPod) -> Manifest:
    """Return the driver's `resources`; little is set aside, as it mostly waits for its executors."""
    memory = memory_bytes(size)
    return {
        "requests": {"cpu": _CPU_REQUEST, "memory": str(min(memory, _MEMORY_REQUEST_BYTES))},
        "limits": {"cpu": size.cpu, "memory": size.memory},
    }


def executor(size: SparkPod) -> ExecutorSize:
    """Return what each executor gets; its memory is set aside whole, which is Spark's own doing."""
    return ExecutorSize(max(ceil(number(size.cpu)), 1), _CPU_REQUEST, memory_bytes(size))
