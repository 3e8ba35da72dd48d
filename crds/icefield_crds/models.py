"""The custom resources as typed models: what `from icefield_crds import ...` offers."""

from .conditions import ConditionType, Reason
from .execution import EnvVar, EnvVarSource, Execution, File, KeySelector, Task
from .flavor import Flavor, FlavorSpec
from .grants import Grant, Group, Privilege
from .job import ConcurrencyPolicy, Job, JobSpec, JobStatus, LastRun, SkippedSchedule
from .meta import AnyResource, Condition, ObjectMeta, OwnerReference, Resource, Status, format_time, merge_conditions
from .polars import PolarsOutcome, PolarsTable, PolarsWorkload, SaveMode
from .run import (
    AttemptStatus,
    DesiredState,
    JobReference,
    Run,
    RunPhase,
    RunSpec,
    RunStatus,
    TaskPhase,
    TaskStatus,
)
from .spark import SparkApplication, SparkPod, SparkQuery
from .warehouse import SparkExecutors, Warehouse, WarehousePhase, WarehouseSpec, WarehouseState, WarehouseStatus
from .workspace import (
    Catalog,
    CatalogProvider,
    Member,
    Quotas,
    Retention,
    Role,
    Sandboxes,
    WarmPool,
    Workspace,
    WorkspaceSpec,
    WorkspaceStatus,
)

KINDS: tuple[type[AnyResource], ...] = (Workspace, Flavor, Job, Run, Warehouse)
"""All kinds, each after those it refers to. A new one is added here; `python -m icefield_crds` renders its YAML."""

__all__ = [
    "KINDS",
    "AttemptStatus",
    "Catalog",
    "CatalogProvider",
    "ConcurrencyPolicy",
    "Condition",
    "ConditionType",
    "DesiredState",
    "EnvVar",
    "EnvVarSource",
    "Execution",
    "File",
    "Flavor",
    "FlavorSpec",
    "Grant",
    "Group",
    "Job",
    "JobReference",
    "JobSpec",
    "JobStatus",
    "KeySelector",
    "LastRun",
    "Member",
    "ObjectMeta",
    "OwnerReference",
    "PolarsOutcome",
    "PolarsTable",
    "PolarsWorkload",
    "Privilege",
    "Quotas",
    "Reason",
    "Resource",
    "Retention",
    "Role",
    "Run",
    "RunPhase",
    "RunSpec",
    "RunStatus",
    "Sandboxes",
    "SaveMode",
    "SkippedSchedule",
    "SparkApplication",
    "SparkExecutors",
    "SparkPod",
    "SparkQuery",
    "Status",
    "Task",
    "TaskPhase",
    "TaskStatus",
    "Warehouse",
    "WarehousePhase",
    "WarehouseSpec",
    "WarehouseState",
    "WarehouseStatus",
    "WarmPool",
    "Workspace",
    "WorkspaceSpec",
    "WorkspaceStatus",
    "format_time",
    "merge_conditions",
]
