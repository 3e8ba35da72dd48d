"""Pure: whether the clean-up of a Workspace makes progress, and when it is given up.

Since when it makes none is the transition time of the condition CleanupStalled, so that a restart of the operator does
not count again from the start.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from icefield_crds import Condition, Reason
from icefield_kube.client import Manifest

NAMESPACE_PATIENCE = timedelta(minutes=1)
"""Longer than a namespace takes to go whose pods end in their grace period."""

_REMAINING = ("NamespaceContentRemaining", "NamespaceFinalizersRemaining", "NamespaceDeletionContentFailure")
"""Conditions of a namespace that is being deleted (kubernetes v1.34, pkg/controller/namespace/deletion)."""


class Progress(StrEnum):
    """What a pass did."""

    MADE = "made"
    NONE = "none"
    UNKNOWN = "unknown"
    """Others do it: it is progress when what is left is another than before."""


@dataclass(frozen=True)
class Remaining:
    """What a pass left.

    Attributes:
        reason: which part of the clean-up it is.
        message: what is left of it.
    """

    reason: Reason
    message: str
    progress: Progress


def of_namespace(namespace: Manifest, now: datetime) -> Remaining:
    """Return what is left while a namespace is being deleted, which for its first minute counts as progress."""
    conditions = (namespace.get("status") or {}).get("conditions") or []
    messages = [
        c["message"] for c in conditions if c["type"] in _REMAINING and c["status"] == "True" and c.get("message")
    ]
    what = f"waiting for namespace {namespace['metadata']['name']} to be deleted"
    since = namespace["metadata"].get("deletionTimestamp")
    is_young = since is None or now - datetime.fromisoformat(since) < NAMESPACE_PATIENCE
    return Remaining(
        Reason.NAMESPACE_DELETED, ": ".join([what, *messages]), Progress.MADE if is_young else Progress.UNKNOWN
    )


def is_stalled(before: Condition | None, remaining: Remaining) -> bool:
    """Return whether a pass made no progress.

    Args:
        before: the condition CleanupStalled as it was last written.
        remaining: what the pass left.
    """
    if remaining.progress is Progress.MADE or before is None or before.reason != remaining.reason:
        return remaining.progress is Progress.NONE and (before is None or before.status == "False")
    return remaining.progress is Progress.NONE or before.message == remaining.message


def is_given_up(stalled: Condition | None, limit: timedelta, now: datetime) -> bool:
    """Return whether the clean-up made no progress for so long that it is given up."""
    return stalled is not None and stalled.status == "True" and now - stalled.last_transition_time > limit
