"""SQL warehouses as REST says them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, model_validator

from icefield_crds import Warehouse, WarehousePhase, WarehouseState
from icefield_crds.warehouse import MAX_EXECUTORS

Name = Annotated[str, Field(min_length=1, max_length=253, description="Unique in the workspace.", examples=["main"])]
Size = Annotated[
    str, Field(min_length=1, max_length=253, description="Flavor of its pod; the workspace's default when absent.")
]
AutoStop = Annotated[
    str,
    Field(
        pattern="^(never|[1-9][0-9]{0,5}[smh])$",
        description="How long it may be idle before it stops, such as 90s, 30m or 2h; or never.",
        examples=["30m"],
    ),
]


class Executors(BaseModel):
    """Spark executors in pods of their own."""

    min: Annotated[int, Field(ge=0, le=MAX_EXECUTORS, description="How many are kept while the warehouse runs.")] = 0
    max: Annotated[int, Field(ge=1, le=MAX_EXECUTORS, description="How many there may be at once.")]
    size: Annotated[Size | None, Field(description="Flavor of each; the warehouse's own when absent.")] = None

    @model_validator(mode="after")
    def _min_is_at_most_max(self) -> Executors:
        if self.min > self.max:
            raise ValueError("min is at most max")
        return self


class WarehouseChange(BaseModel):
    """What shall be different; what is absent stays. Another size takes effect when the warehouse next starts anew."""

    name: Annotated[Name | None, Field(description="Name shown to people, unique in the workspace.")] = None
    size: Annotated[
        Size | None, Field(description="Flavor of its pod; null for the workspace's default.", examples=["cpu.2"])
    ] = None
    auto_stop: Annotated[
        AutoStop | None, Field(description="How long it may be idle before it stops, such as 30m; or never.")
    ] = None
    spark_executors: Annotated[
        Executors | None, Field(description="Spark executors in pods of their own; null for none.")
    ] = None

    def spec_patch(self) -> dict[str, Any]:
        """Return the merge patch of the spec, in Kubernetes' spelling; null clears a field."""
        spelling = {
            "name": "displayName",
            "size": "size",
            "auto_stop": "autoStop",
            "spark_executors": "sparkExecutors",
            "desired_state": "desiredState",
        }
        said = self.model_dump(mode="json", exclude_unset=True)
        if executors := said.get("spark_executors"):
            executors.setdefault("size", None)
        return {spelling[name]: value for name, value in said.items()}


class WarehouseCreate(WarehouseChange):
    """A warehouse that shall be."""

    name: Name
    desired_state: Annotated[
        WarehouseState, Field(description="running, or stopped until a statement or a start needs it.")
    ] = WarehouseState.RUNNING


class WarehouseRead(BaseModel):
    """A SQL warehouse."""

    id: Annotated[str, Field(description="Id of the warehouse.", examples=["wh_4a2b09c1d2e3"])]
    name: Annotated[str, Field(description="Name of the warehouse.")]
    status: Annotated[WarehousePhase, Field(description="stopped, starting, running (reads), stopping or error.")]
    desired_state: Annotated[WarehouseState, Field(description="running or stopped, as its owner wants it.")]
    size: Annotated[str | None, Field(description="Flavor of its pod; the workspace's default when null.")]
    auto_stop: Annotated[str, Field(description="How long it may be idle before it stops, or never.")]
    spark_executors: Annotated[Executors | None, Field(description="Spark executors in pods of their own.")]
    spark_ready: Annotated[bool, Field(description="Whether statements that write are served, too.")]
    ip_address: Annotated[str | None, Field(description="Its address inside the cluster, while it can be reached.")]
    error: Annotated[str | None, Field(description="Why it does not run, or what it waits for.")]
    created_at: Annotated[datetime | None, Field(description="When it was created.")]
    started_at: Annotated[datetime | None, Field(description="When it last became running.")]
    stopped_at: Annotated[datetime | None, Field(description="When it was last told to stop, idle or not.")]
    last_activity_at: Annotated[datetime | None, Field(description="When its last statement ended.")]


def name_of(warehouse: Warehouse) -> str:
    """Return the name people gave a warehouse."""
    return warehouse.spec.display_name or warehouse.metadata.name


def warehouse_of(warehouse: Warehouse) -> WarehouseRead:
    """Return a warehouse as REST shows it."""
    spec, status = warehouse.spec, warehouse.status
    executors = spec.spark_executors
    phase = effective_phase(warehouse)
    return WarehouseRead(
        id=warehouse.public_id,
        name=name_of(warehouse),
        status=phase,
        desired_state=spec.desired_state,
        size=spec.size,
        auto_stop=spec.auto_stop,
        spark_executors=Executors.model_validate(executors.model_dump()) if executors else None,
        spark_ready=phase is WarehousePhase.RUNNING and bool(status and status.spark_ready),
        ip_address=urlsplit(status.endpoint).hostname if status and status.endpoint else None,
        error=status.error if status else None,
        created_at=warehouse.metadata.creation_timestamp,
        started_at=status.start_time if status else None,
        stopped_at=status.stop_time if status else None,
        last_activity_at=status.last_activity_time if status else None,
    )


def effective_phase(warehouse: Warehouse) -> WarehousePhase:
    """Return the phase, ahead of the operator where what it will say next is certain.

    Clients that start a warehouse and then wait take `stopped` for the end; so from the start on it is `starting`.
    """
    phase, status, wake = warehouse.phase, warehouse.status, warehouse.wake_time
    stop = status.stop_time if status else None
    is_woken = wake is not None and (stop is None or wake > stop)
    is_wanted = warehouse.spec.desired_state is WarehouseState.RUNNING
    if phase is WarehousePhase.STOPPED:
        is_new = is_wanted and (status is None or (status.observed_generation or 0) < warehouse.metadata.generation)
        return WarehousePhase.STARTING if is_woken or is_new else phase
    if phase in (WarehousePhase.STARTING, WarehousePhase.RUNNING) and not is_wanted and not is_woken:
        return WarehousePhase.STOPPING
    return phase
