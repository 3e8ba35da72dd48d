"""Flavor: the size of anything that runs."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from pydantic import Field

from .meta import Model, Quantity, Resource, Status

DEFAULT_EPHEMERAL_STORAGE = "20Gi"


class Requests(Model):
    """What the scheduler sets aside, where that is less than the limit."""

    cpu: Annotated[Quantity | None, Field(description="CPU set aside.")] = None
    memory: Annotated[Quantity | None, Field(description="Memory set aside.")] = None
    ephemeral_storage: Annotated[
        Quantity | None, Field(description="Local disk set aside; 64Mi when absent, as few tasks use their limit.")
    ] = None


class Toleration(Model):
    """A toleration, as in a pod."""

    key: Annotated[str | None, Field(description="Taint key; empty matches all.", max_length=316)] = None
    operator: Annotated[str | None, Field(description="Exists or Equal.", max_length=16)] = None
    value: Annotated[str | None, Field(description="Taint value.", max_length=253)] = None
    effect: Annotated[str | None, Field(description="NoSchedule, PreferNoSchedule or NoExecute.", max_length=32)] = None
    toleration_seconds: Annotated[
        int | None, Field(description="How long a NoExecute taint is tolerated, in seconds.")
    ] = None


class FlavorSpec(Model):
    """The size of whatever runs with this flavor."""

    cpu: Annotated[Quantity, Field(description="CPU limit, in cores.")]
    memory: Annotated[Quantity, Field(description="Memory limit.")]
    ephemeral_storage: Annotated[
        Quantity,
        Field(
            description="Limit of the node's disk that it may use: files, logs and spilled data; then it is evicted."
        ),
    ] = DEFAULT_EPHEMERAL_STORAGE
    gpu: Annotated[int, Field(description="Number of GPUs (resource nvidia.com/gpu).", ge=0, le=64)] = 0
    requests: Annotated[
        Requests | None, Field(description="What is set aside on the node; the limits of CPU and memory when absent.")
    ] = None
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(description="Labels that the node must carry.", max_length=20),
    ] = {}
    tolerations: Annotated[
        list[Toleration],
        Field(
            description="Taints that are tolerated.",
            max_length=20,
            json_schema_extra={"x-kubernetes-list-type": "atomic"},
        ),
    ] = []
    price_per_hour: Annotated[float, Field(description="Price of one hour, in the platform's currency.", ge=0)] = 0.0


class FlavorStatus(Status):
    """A Flavor is plain data: nothing reconciles it, so its status stays empty."""


class Flavor(Resource[FlavorSpec, FlavorStatus]):
    """The size of anything that runs, such as cpu.2, cpu.32 or gpu.a100."""

    KIND: ClassVar[str] = "Flavor"
    PLURAL: ClassVar[str] = "flavors"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("fl",)
    NAMESPACED: ClassVar[bool] = False
    RECONCILED: ClassVar[bool] = False
    ID_PREFIX: ClassVar[str] = "fl"
    PRINTER_COLUMNS: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "CPU", "type": "string", "jsonPath": ".spec.cpu"},
        {"name": "Memory", "type": "string", "jsonPath": ".spec.memory"},
        {"name": "GPU", "type": "integer", "jsonPath": ".spec.gpu"},
        {"name": "Price/h", "type": "number", "jsonPath": ".spec.pricePerHour"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    )
