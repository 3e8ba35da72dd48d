"""REST schemas of SQL warehouses."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, model_validator

from icefield_apiserver.core.schemas import RequestBody
from icefield_crds import Warehouse, WarehousePhase, WarehouseSpec, WarehouseState
from icefield_crds.execution import IN_A_PATH
from icefield_crds.warehouse import MAX_EXECUTORS

from .service import display_name, effective_phase

Name = Annotated[
    str,
    Field(
        min_length=1,
        max_length=253,
        pattern=IN_A_PATH,
        description="Display name, unique in the workspace.",
        examples=["main"],
    ),
]
Size = Annotated[
    str, Field(min_length=1, max_length=253, description="Flavor of its pod; the workspace's default when absent.")
]
AutoStop = Annotated[
    str,
    Field(
        pattern="^(never|[1-9][0-9]{0,5}[smh])$",
        description="Idle time after which it stops, such as 90s, 30m or 2h; or never.",
        examples=["30m"],
    ),
]


class Executors(BaseModel):
    """Spark executors in pods of their own."""

    min: Annotated[int, Field(ge=0, le=MAX_EXECUTORS, description="Minimum number while the warehouse runs.")] = 0
    max: Annotated[int, Field(ge=1, le=MAX_EXECUTORS, description="Maximum number.")]
    size: Annotated[Size | None, Field(description="Flavor of each; the warehouse's own when absent.")] = None

    @model_validator(mode="after")
    def _min_is_at_most_max(self) -> Executors:
        if self.min > self.max:
            raise ValueError("min is at most max")
        return self


class ExecutorsWrite(RequestBody, Executors):
    """Spark executors in pods of their own, as requests have them."""


class WarehouseChange(RequestBody):
    """Request body to change a warehouse; absent fields keep their value. A new size applies from the next start."""

    name: Annotated[Name | None, Field(description="Display name, unique in the workspace.")] = None
    size: Annotated[
        Size | None, Field(description="Flavor of its pod; null for the workspace's default.", examples=["cpu.2"])
    ] = None
    auto_stop: Annotated[
        AutoStop | None, Field(description="Idle time after which it stops, such as 30m; or never.")
    ] = None
    spark_executors: Annotated[
        ExecutorsWrite | None, Field(description="Spark executors in pods of their own; null for none.")
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
        given = self.model_dump(mode="json", exclude_unset=True)
        if executors := given.get("spark_executors"):
            executors.setdefault("size", None)
        return {spelling[name]: value for name, value in given.items()}


class WarehouseCreate(WarehouseChange):
    """Request body to create a warehouse."""

    name: Name
    desired_state: Annotated[
        WarehouseState, Field(description="running, or stopped until a statement or a start call wakes it.")
    ] = WarehouseState.RUNNING

    def to_spec(self) -> WarehouseSpec:
        """Return the spec of the new warehouse."""
        given = {name: value for name, value in self.spec_patch().items() if value is not None}
        return WarehouseSpec.model_validate(given)


class WarehouseRead(BaseModel):
    """A SQL warehouse."""

    id: Annotated[str, Field(description="Id of the warehouse.", examples=["wh_4a2b09c1d2e3"])]
    name: Annotated[str, Field(description="Name of the warehouse.")]
    status: Annotated[WarehousePhase, Field(description="stopped, starting, running (reads), stopping or error.")]
    desired_state: Annotated[WarehouseState, Field(description="Requested state: running or stopped.")]
    size: Annotated[str | None, Field(description="Flavor of its pod; the workspace's default when null.")]
    auto_stop: Annotated[str, Field(description="Idle time after which it stops, or never.")]
    spark_executors: Annotated[Executors | None, Field(description="Spark executors in pods of their own.")]
    spark_ready: Annotated[bool, Field(description="Whether statements that write are served as well.")]
    ip_address: Annotated[str | None, Field(description="Its address inside the cluster, while it is reachable.")]
    error: Annotated[str | None, Field(description="Why it is not running, or what it is waiting for.")]
    created_at: Annotated[datetime | None, Field(description="When it was created.")]
    started_at: Annotated[datetime | None, Field(description="When it last became running.")]
    stopped_at: Annotated[
        datetime | None, Field(description="When it last stopped, on request or because it was idle.")
    ]
    last_activity_at: Annotated[datetime | None, Field(description="When its last statement ended.")]


def warehouse_of(warehouse: Warehouse) -> WarehouseRead:
    """Return a warehouse as REST shows it."""
    spec, status = warehouse.spec, warehouse.status
    executors = spec.spark_executors
    phase = effective_phase(warehouse)
    return WarehouseRead(
        id=warehouse.public_id,
        name=display_name(warehouse),
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
