"""Condition types and reasons: the closed vocabulary in which the operator reports the state of a resource.

`Ready`, `Reconciling` and `Stalled` follow kstatus (sigs.k8s.io/cli-utils, pkg/kstatus), so `kubectl wait`, Flux and
Argo CD read them without configuration.
"""

from __future__ import annotations

from enum import StrEnum


class ConditionType(StrEnum):
    """What a condition is about."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    ADMITTED = "Admitted"
    COMPLETE = "Complete"
    FAILED = "Failed"
    CLEANUP_STALLED = "CleanupStalled"


class Reason(StrEnum):
    """Why a condition has its status: metav1.Condition's reason."""

    AS_WANTED = "AsWanted"
    IN_PROGRESS = "InProgress"
    DELETING = "Deleting"

    PENDING = "Pending"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    TASK_WAITING = "TaskWaiting"
    TASK_FAILED = "TaskFailed"
    CANCELLED = "Cancelled"
    REPLACED = "Replaced"
    REPLACING = "Replacing"
    TIMED_OUT = "TimedOut"
    QUOTA_EXCEEDED = "QuotaExceeded"
    WITHIN_QUOTA = "WithinQuota"
    POD_REFUSED = "PodRefused"

    INVALID_SPEC = "InvalidSpec"
    DEPENDENCY_CYCLE = "DependencyCycle"
    INVALID_SCHEDULE = "InvalidSchedule"
    RUN_ALREADY_ACTIVE = "RunAlreadyActive"
    MISS_SCHEDULE = "MissSchedule"
    NAME_TAKEN = "NameTaken"
    RUN_REFUSED = "RunRefused"
    NOTHING_TO_RUN = "NothingToRun"
    ALREADY_MAINTAINED = "AlreadyMaintained"
    JOB_NOT_FOUND = "JobNotFound"
    FLAVOR_NOT_FOUND = "FlavorNotFound"
    WORKSPACE_NOT_FOUND = "WorkspaceNotFound"
    CREDENTIALS_NOT_FOUND = "CredentialsNotFound"
    NAMESPACE_TAKEN = "NamespaceTaken"
    NAMESPACE_DELETED = "NamespaceDeleted"
    WORKSPACE_NOT_READY = "WorkspaceNotReady"
    DATA_LEFT_BEHIND = "DataLeftBehind"
    DELETING_OBJECTS = "DeletingObjects"
    OBJECT_STORE_UNAVAILABLE = "ObjectStoreUnavailable"
    CATALOG_UNAVAILABLE = "CatalogUnavailable"

    STARTING = "Starting"
    STOPPING = "Stopping"
    STOPPED = "Stopped"
    IDLE = "Idle"
    POD_FAILED = "PodFailed"
