"""Which runs of a workspace may run now: the oldest first, as many as its quota allows.

An admission is one synchronous step, so two runs never get the same place. A place is taken from the moment of the
admission, though the status that records it is written a little later; and a run that has pods always has a place.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from icefield_crds import ConditionType, DesiredState, Reason, Run, Workspace
from icefield_operator.cluster_cache import ClusterCache


class Admission(NamedTuple):
    """Whether a run may run."""

    admitted: bool
    reason: Reason
    message: str


NOT_REQUESTED = Admission(False, Reason.PENDING, "the run was never considered for admission")
WITHIN_QUOTA = Admission(True, Reason.WITHIN_QUOTA, "the quota of the workspace allows it")
TIMED_OUT = Admission(False, Reason.TIMED_OUT, "the run's timeout was over before it was admitted")
CANCELLED = Admission(False, Reason.CANCELLED, "the run was cancelled before it was admitted")


class Admissions:
    """Admits the runs of every workspace."""

    def __init__(self, cache: ClusterCache) -> None:
        """Decide by this snapshot."""
        self._cache = cache
        self._admitted: dict[tuple[str, str], str] = {}

    def admit(self, run: Run, workspace: Workspace) -> Admission:
        """Admit a run if there is a place and no earlier run waits; call it only for runs that could start."""
        limit = workspace.spec.quotas.max_running_runs
        if self.holds(run):
            return WITHIN_QUOTA
        runs = self._cache.unfinished_runs(run.metadata.namespace or "")
        current = sum(self.holds(other) for other in runs)
        earlier = sum(_order(other) < _order(run) and self._waits(other) for other in runs)
        if current + earlier < limit:
            self._admitted[run.metadata.namespace or "", run.metadata.name] = run.metadata.uid
            return WITHIN_QUOTA
        return Admission(False, Reason.QUOTA_EXCEEDED, f"max_running_runs={limit}, current={current}")

    def current(self, run: Run) -> Admission:
        """Return the admission of a run that is admitted, or that was cancelled before."""
        return WITHIN_QUOTA if self.holds(run) else CANCELLED

    def holds(self, run: Run) -> bool:
        """Return whether a run has a place."""
        if run.phase.is_terminal:
            return False
        uid = run.metadata.uid
        recorded = run.status is not None and run.status.holds_place
        is_admitted = self._admitted.get((run.metadata.namespace or "", run.metadata.name)) == uid
        return recorded or is_admitted or bool(self._cache.pods_of(uid))

    def release(self, namespace: str, name: str) -> None:
        """Free the place of a run that ended or was deleted."""
        self._admitted.pop((namespace, name), None)

    def next_in_line(self, namespace: str) -> list[Run]:
        """Return the waiting runs that there are places for, in their order."""
        workspace = self._cache.workspace_of_namespace(namespace)
        if workspace is None:
            return []
        runs = self._cache.unfinished_runs(namespace)
        room = workspace.spec.quotas.max_running_runs - sum(self.holds(run) for run in runs)
        return sorted((run for run in runs if self._waits(run)), key=_order)[: max(room, 0)]

    def _waits(self, run: Run) -> bool:
        if run.phase.is_terminal or run.metadata.deletion_timestamp or self.holds(run):
            return False
        if run.spec.desired_state is DesiredState.CANCELLED:
            return False
        answer = run.status.condition(ConditionType.ADMITTED) if run.status else None
        return answer is None or answer.reason == Reason.QUOTA_EXCEEDED


def _order(run: Run) -> tuple[datetime, str]:
    return run.metadata.creation_timestamp or datetime.max.replace(tzinfo=UTC), run.metadata.name
