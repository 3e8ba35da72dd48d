"""The contract of Icefield: its custom resources, as typed models, and every name that rooms must agree on."""

from .conditions import ConditionType, Reason
from .crd import KINDS
from .execution import EnvVar, EnvVarSource, Execution, File, KeySelector, Task
from .flavor import Flavor, FlavorSpec
from .job import ConcurrencyPolicy, Job, JobSpec, JobStatus, LastRun
from .meta import Condition, ObjectMeta, OwnerReference, Resource, Status, format_time, merge_conditions
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
from .warehouse import SparkExecutors, Warehouse, WarehousePhase, WarehouseSpec, WarehouseState, WarehouseStatus
from .workspace import Catalog, CatalogProvider, Member, Quotas, Role, Workspace, WorkspaceSpec, WorkspaceStatus

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
    "Quotas",
    "Reason",
    "Resource",
    "Role",
    "Run",
    "RunPhase",
    "RunSpec",
    "RunStatus",
    "SparkExecutors",
    "Status",
    "Task",
    "TaskPhase",
    "TaskStatus",
    "Warehouse",
    "WarehousePhase",
    "WarehouseSpec",
    "WarehouseState",
    "WarehouseStatus",
    "Workspace",
    "WorkspaceSpec",
    "WorkspaceStatus",
    "format_time",
    "merge_conditions",
]
