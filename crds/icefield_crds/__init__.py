"""The contract of Icefield: its custom resources, as typed models, and every name that rooms must agree on."""

from .conditions import ConditionType, Reason
from .crd import KINDS
from .execution import EnvVar, EnvVarSource, Execution, File, KeySelector, Task
from .flavor import Flavor, FlavorSpec
from .job import ConcurrencyPolicy, Job, JobSpec, JobStatus, LastRun
from .meta import Condition, ObjectMeta, OwnerReference, Resource, Status, format_time, merge_conditions
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
    Role,
    Sandboxes,
    WarmPool,
    Workspace,
    WorkspaceSpec,
    WorkspaceStatus,
)

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
    "Quotas",
    "Reason",
    "Resource",
    "Role",
    "Run",
    "RunPhase",
    "RunSpec",
    "RunStatus",
    "Sandboxes",
    "SaveMode",
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
