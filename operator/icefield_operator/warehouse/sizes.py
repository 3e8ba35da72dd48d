"""Pure: how a flavor is shared between the two containers of a warehouse's pod.

Memory is divided, because what one container takes the other cannot have: Spark gets half, since it holds tables in its
heap where DuckDB spills, but a quarter when executors do its work, and never less than a JVM needs. CPU is not divided:
both containers may take all of it, since reads and writes seldom coincide; when they do, the kernel shares it evenly.
What is set aside on the node is the flavor's own `requests`, divided in the same way.
"""

from __future__ import annotations

from decimal import Decimal
from math import ceil
from typing import Any, NamedTuple

from kubernetes.utils.quantity import parse_quantity

from icefield_crds import Flavor
from icefield_operator.world import Manifest

MIB = 1024 * 1024
SPARK_LEAST_BYTES = 1024 * MIB
"""A Spark Connect server takes 310 MB idle, and 600 to 900 under work."""
GATEWAY_LEAST_BYTES = 512 * MIB
"""Python with its libraries takes 300 MB; the rest is for DuckDB, which spills."""
LEAST_BYTES = SPARK_LEAST_BYTES + GATEWAY_LEAST_BYTES


class Shares(NamedTuple):
    """The field `resources` of each container."""

    gateway: Manifest
    spark: Manifest


class ExecutorSize(NamedTuple):
    """What one Spark executor gets."""

    cores: int
    """Whole ones: a task of Spark takes one."""
    cpu_request: str
    """What of them is set aside on the node, as a quantity."""
    memory_bytes: int
    """Heap and everything beside it."""


def memory_bytes(flavor: Flavor) -> int:
    """Return a flavor's memory."""
    return int(number(flavor.spec.memory))


def shares(flavor: Flavor, *, executors: bool) -> Shares:
    """Return what each container gets of a flavor of at least LEAST_BYTES.

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
    """Return what a Spark executor of this flavor gets."""
    cpu, _ = _requests(flavor)
    return ExecutorSize(max(ceil(number(flavor.spec.cpu)), 1), _millis(cpu), memory_bytes(flavor))


def _requests(flavor: Flavor) -> tuple[Decimal, int]:
    """Return the CPU (in cores) and the memory (in bytes) that a flavor sets aside."""
    asked = flavor.spec.requests
    cpu = (asked.cpu if asked else None) or flavor.spec.cpu
    memory = (asked.memory if asked else None) or flavor.spec.memory
    return number(cpu), int(number(memory))


def _resources(flavor: Flavor, limit: int, cpu_request: Decimal, memory_request: int) -> dict[str, Any]:
    return {
        "requests": {"cpu": _millis(cpu_request), "memory": str(memory_request)},
        "limits": {"cpu": flavor.spec.cpu, "memory": str(limit)},
    }


def _millis(cores: Decimal) -> str:
    return f"{max(ceil(cores * 1000), 1)}m"


def number(quantity: str) -> Decimal:
    """Return a quantity of Kubernetes, such as 500m or 2Gi, as a number."""
    found: Decimal = parse_quantity(quantity)  # type: ignore[no-untyped-call]
    return found
