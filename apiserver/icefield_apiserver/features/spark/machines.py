"""Machine types of Spark applications: `spark.4.b` is four cores with the memory of its family. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from icefield_apiserver.core.errors import BadRequest
from icefield_crds import SparkPod

CORES = (1, 2, 4, 8, 16)
MEMORY_PER_CORE = {"c": 2, "b": 4, "m": 8}
"""GiB for each core: compute, balanced and memory."""
DEFAULT_MACHINE = "spark.1.b"
MAX_EXECUTORS = 20


@dataclass(frozen=True)
class Machines:
    """What an application runs on.

    Attributes:
        driver: machine type of the driver.
        executor: machine type of each executor.
        executors: number of executors; with 0 the driver does all the work.
    """

    driver: str = DEFAULT_MACHINE
    executor: str = DEFAULT_MACHINE
    executors: int = 2


def pod_of(machine: str, field: str) -> SparkPod:
    """Return the pod size of a machine type.

    Args:
        machine: such as `spark.4.b`.
        field: the request's field.

    Raises:
        BadRequest: no such machine type exists.
    """
    prefix, _, rest = machine.partition(".")
    cores, _, family = rest.partition(".")
    if prefix != "spark" or cores not in map(str, CORES) or family not in MEMORY_PER_CORE:
        raise BadRequest(
            f"Field {field}: there is no machine type {machine!r}; it is spark.N.F with N one of "
            f"{', '.join(map(str, CORES))} and F one of c, b and m (2, 4 and 8 GiB a core)."
        )
    return SparkPod(cpu=cores, memory=f"{int(cores) * MEMORY_PER_CORE[family]}Gi")
