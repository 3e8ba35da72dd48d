"""Pure: from a Workspace's problem, if any, to its status and conditions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from icefield_crds import ConditionType, Reason, Workspace, WorkspaceStatus, merge_conditions
from icefield_operator.problem import Problem

from .cleanup_progress import Remaining, is_stalled


def ready(workspace: Workspace, now: datetime) -> WorkspaceStatus:
    """Return the status of a workspace that has everything."""
    message = f"namespace {workspace.namespace} is ready"
    return _status(workspace, now, Reason.AS_WANTED, message, is_ready=True)


def not_ready(workspace: Workspace, problem: Problem, now: datetime) -> WorkspaceStatus:
    """Return the status of a workspace that something keeps from being ready."""
    return _status(
        workspace, now, problem.reason, problem.message, stalled=problem.stalled, reconciling=not problem.stalled
    )


def deleting(workspace: Workspace, remaining: Remaining, now: datetime) -> WorkspaceStatus:
    """Return the status of a workspace that is being deleted."""
    before = workspace.status or WorkspaceStatus()
    stalled = is_stalled(before.condition(ConditionType.CLEANUP_STALLED), remaining)
    cleanup = (ConditionType.CLEANUP_STALLED, stalled, remaining.reason, remaining.message)
    return _status(workspace, now, Reason.DELETING, remaining.message, reconciling=True, more=[cleanup])


def _status(
    workspace: Workspace,
    now: datetime,
    reason: Reason,
    message: str,
    *,
    is_ready: bool = False,
    reconciling: bool = False,
    stalled: bool = False,
    more: Sequence[tuple[ConditionType, bool, Reason, str]] = (),
) -> WorkspaceStatus:
    before = workspace.status or WorkspaceStatus()
    generation = workspace.metadata.generation
    conditions = merge_conditions(
        before.conditions,
        [
            (ConditionType.READY, is_ready, reason, message),
            (ConditionType.RECONCILING, reconciling, reason, message),
            (ConditionType.STALLED, stalled, reason, message),
            *more,
        ],
        generation=generation,
        now=now,
    )
    owned = reason is not Reason.NAMESPACE_TAKEN
    return WorkspaceStatus(
        observed_generation=generation,
        conditions=conditions,
        namespace=workspace.namespace if owned else None,
    )
