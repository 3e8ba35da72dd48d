"""Warehouse: SQL over the workspace's Iceberg tables; it becomes a pod with a gateway, DuckDB and Spark Connect."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar

from pydantic import ConfigDict, Field

from .execution import IN_A_PATH, matching
from .meta import Model, Resource, Status, Time
from .names import GROUP

WAKE_ANNOTATION = f"{GROUP}/wake"
"""RFC 3339 time at which somebody last needed the warehouse; newer than status.stopTime, it starts it again."""

MAX_EXECUTORS = 100


class WarehouseState(StrEnum):
    """What the owner of a warehouse wants of it."""

    RUNNING = "running"
    STOPPED = "stopped"


class WarehousePhase(StrEnum):
    """Status of a warehouse (API reference, "SQL warehouses")."""

    STOPPED = "stopped"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ERROR = "error"


class SparkExecutors(Model):
    """Spark executors in pods of their own, for what one machine cannot hold."""

    model_config = ConfigDict(
        json_schema_extra={
            "x-kubernetes-validations": [
                {"rule": "self.min <= self.max", "message": "min of sparkExecutors is at most max"},
            ]
        }
    )

    min: Annotated[int, Field(description="How many are kept while the warehouse runs.", ge=0, le=MAX_EXECUTORS)] = 0
    max: Annotated[int, Field(description="How many there may be at once.", ge=1, le=MAX_EXECUTORS)]
    size: Annotated[
        str | None, Field(description="Flavor of each; the warehouse's own when absent.", min_length=1, max_length=253)
    ] = None


class WarehouseSpec(Model):
    """What the owner of a warehouse wants."""

    display_name: Annotated[
        str | None, Field(description="Display name.", max_length=253, json_schema_extra=matching(IN_A_PATH))
    ] = None
    size: Annotated[
        str | None,
        Field(description="Flavor of its pod; the workspace's default when absent.", min_length=1, max_length=253),
    ] = None
    auto_stop: Annotated[
        str,
        Field(
            description="How long it may be idle before it stops, such as 90s, 30m or 2h; never to keep it running.",
            pattern="^(never|[1-9][0-9]{0,5}[smh])$",
        ),
    ] = "30m"
    desired_state: Annotated[
        WarehouseState, Field(description="running (it still stops when idle), or stopped until a statement needs it.")
    ] = WarehouseState.RUNNING
    spark_executors: Annotated[
        SparkExecutors | None,
        Field(description="Spark executors in pods of their own; Spark runs inside the warehouse's pod when absent."),
    ] = None


class DrainingPod(Model):
    """A pod that another one has replaced: it takes no new statement, and ends with its last one."""

    pod_name: Annotated[str, Field(description="Name of the pod.", max_length=253)]
    endpoint: Annotated[
        str | None, Field(description="URL of its gateway inside the cluster, while it can be reached.")
    ] = None
    start_time: Annotated[Time, Field(description="Since when it drains; for as long as autoStop, at most.")]


class WarehouseStatus(Status):
    """Observed state of the warehouse."""

    phase: Annotated[
        WarehousePhase, Field(description="stopped, starting, running (reads are served), stopping or error.")
    ] = WarehousePhase.STOPPED
    endpoint: Annotated[
        str | None, Field(description="URL of its gateway inside the cluster, while it can be reached.")
    ] = None
    spark_ready: Annotated[bool, Field(description="Whether statements that write are served, too.")] = False
    pod_name: Annotated[str | None, Field(description="Name of the pod that takes new statements.")] = None
    draining_pods: Annotated[
        list[DrainingPod],
        Field(
            description="Pods that were replaced and still run statements.",
            max_length=64,
            json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["podName"]},
        ),
    ] = []
    start_time: Annotated[Time | None, Field(description="When it last became running.")] = None
    stop_time: Annotated[
        Time | None, Field(description="When it was last stopped, because it was idle or on request.")
    ] = None
    wake_time: Annotated[
        Time | None, Field(description="Latest time in the annotation icefield.dev/wake that was handled.")
    ] = None
    last_activity_time: Annotated[Time | None, Field(description="When its last statement ended.")] = None
    error: Annotated[
        str | None, Field(description="Reason why it does not run, or what it waits for.", max_length=4096)
    ] = None


class Warehouse(Resource[WarehouseSpec, WarehouseStatus]):
    """SQL over the workspace's Iceberg tables: DuckDB for reads, Spark for writes, started on demand."""

    KIND: ClassVar[str] = "Warehouse"
    PLURAL: ClassVar[str] = "warehouses"
    SHORT_NAMES: ClassVar[tuple[str, ...]] = ("wh",)
    ID_PREFIX: ClassVar[str] = "wh"
    PRINTER_COLUMNS: ClassVar[tuple[dict[str, Any], ...]] = (
        {"name": "Status", "type": "string", "jsonPath": ".status.phase"},
        {"name": "Size", "type": "string", "jsonPath": ".spec.size"},
        {"name": "Spark", "type": "boolean", "jsonPath": ".status.sparkReady"},
        {"name": "Auto Stop", "type": "string", "jsonPath": ".spec.autoStop"},
        {"name": "Active", "type": "date", "jsonPath": ".status.lastActivityTime"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
        {"name": "Error", "type": "string", "jsonPath": ".status.error", "priority": 1},
    )
    NAME_RULES: ClassVar[tuple[dict[str, str], ...]] = (
        {"rule": "size(self.metadata.name) <= 50", "message": "a warehouse's name is at most 50 characters long"},
    )

    @property
    def phase(self) -> WarehousePhase:
        """Status of the warehouse; stopped before the operator first reconciled it."""
        return self.status.phase if self.status else WarehousePhase.STOPPED

    @property
    def endpoints(self) -> tuple[str, ...]:
        """URLs of its gateways that can be reached: first the one that takes new statements, then those that drain."""
        if self.status is None:
            return ()
        found = (self.status.endpoint, *(pod.endpoint for pod in self.status.draining_pods))
        return tuple(endpoint for endpoint in found if endpoint)

    @property
    def wake_time(self) -> datetime | None:
        """Time of the annotation icefield.dev/wake; None when it is absent or no time."""
        try:
            moment = datetime.fromisoformat(self.metadata.annotations[WAKE_ANNOTATION])
        except (KeyError, ValueError):
            return None
        return moment if moment.tzinfo else None
