"""Pure: how the two containers of a warehouse's pod divide its flavor.

Memory is divided, because what one container uses the other cannot: Spark gets half, since it holds tables in its
heap where DuckDB spills, but a quarter when executors do its work, and never less than a JVM needs. CPU is not divided:
both containers may use all of it, since reads and writes seldom coincide; when they do, the kernel shares it evenly.
The flavor's own `requests` are divided in the same way. The node's disk is divided by half: both spill to it.
"""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import Any, NamedTuple

from icefield_crds import Flavor
from icefield_kube.client import Manifest
from icefield_operator import pod_spec
from icefield_operator.quantity import MIB, format_millis, parse_quantity
from icefield_operator.spark.resources import ExecutorSize

SPARK_LEAST_BYTES = 1024 * MIB
"""A Spark Connect server takes 310 MB idle, and 600 to 900 under work."""
GATEWAY_LEAST_BYTES = 512 * MIB
"""Python with its libraries takes 300 MB; the rest is for DuckDB, which spills."""
LEAST_BYTES = SPARK_LEAST_BYTES + GATEWAY_LEAST_BYTES


_SPILL_PERCENT = 80
"""How much of its disk a gateway spills to at most: files of clients, and its log, are there too."""


class Shares(NamedTuple):
    """The field `resources` of each container."""

    gateway: Manifest
    spark: Manifest


def local_storage_bytes(flavor: Flavor) -> int:
    """Return how much of the node's disk each of the two containers may use."""
    return int(parse_quantity(flavor.spec.ephemeral_storage)) // 2


def spill_bytes(flavor: Flavor) -> int:
    """Return how much DuckDB may spill: a statement that needs more fails, and the pod is not evicted."""
    return local_storage_bytes(flavor) * _SPILL_PERCENT // 100


def memory_bytes(flavor: Flavor) -> int:
    """Return a flavor's memory."""
    return int(parse_quantity(flavor.spec.memory))


def shares(flavor: Flavor, *, executors: bool) -> Shares:
    """Return the resources of each container, of a flavor of at least LEAST_BYTES.

    Args:
        flavor: the warehouse's size.
        executors: whether Spark runs its tasks in pods of their own.
    """
    whole = memory_bytes(flavor)
    spark = max(whole // (4 if executors else 2), SPARK_LEAST_BYTES)
    cpu, memory = _requests(flavor)
    part = memory * spark // whole
    half = cpu / 2
    return Shares(
        gateway=_resources(flavor, whole - spark, half, memory - part), spark=_resources(flavor, spark, half, part)
    )


def executor(flavor: Flavor) -> ExecutorSize:
    """Return the resources of a Spark executor of this flavor."""
    cpu, _ = _requests(flavor)
    return ExecutorSize(max(ceil(parse_quantity(flavor.spec.cpu)), 1), format_millis(cpu), memory_bytes(flavor))


def _requests(flavor: Flavor) -> tuple[Decimal, int]:
    """Return the CPU (in cores) and the memory (in bytes) that a flavor requests."""
    asked = flavor.spec.requests
    cpu = (asked.cpu if asked else None) or flavor.spec.cpu
    memory = (asked.memory if asked else None) or flavor.spec.memory
    return parse_quantity(cpu), int(parse_quantity(memory))


def _resources(flavor: Flavor, limit: int, cpu_request: Decimal, memory_request: int) -> dict[str, Any]:
    resources = {
        "requests": {"cpu": format_millis(cpu_request), "memory": str(memory_request)},
        "limits": {"cpu": flavor.spec.cpu, "memory": str(limit)},
    }
    request = pod_spec.local_storage_request(flavor)
    half = str(int(parse_quantity(request)) // 2) if request else None
    return pod_spec.with_local_storage(resources, str(local_storage_bytes(flavor)), half)
