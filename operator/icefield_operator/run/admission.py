"""Which runs of a workspace may run now: the oldest first, as many as its quota allows.

Asking takes no time and nothing else runs meanwhile, so two runs never get the same place. A place is taken from the
moment it is given, though the status that says so is written a little later; and a run that has pods has one, whatever
was lost.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import NamedTuple

from icefield_crds import ConditionType, DesiredState, Reason, Run, Workspace
from icefield_operator.world import World


class Admission(NamedTuple):
    """Whether a run may run."""

    admitted: bool
    reason: Reason
    message: str


NOT_ASKED = Admission(False, Reason.PENDING, "the run never came to be admitted")


class Admissions:
    """Gives out the places of every workspace."""

    def __init__(self, world: World) -> None:
        """Judge by this snapshot."""
        self._world = world
        self._given: dict[tuple[str, str], str] = {}

    def ask(self, run: Run, workspace: Workspace) -> Admission:
        """Give a run a place if there is one and nobody came earlier; ask only for runs that could start."""
        limit = workspace.spec.quotas.max_running_runs
        if self.holds(run):
            return Admission(True, Reason.WITHIN_QUOTA, "the quota of the workspace allows it")
        runs = self._world.unfinished_runs(run.metadata.namespace or "")
        current = sum(self.holds(other) for other in runs)
        earlier = sum(_order(other) < _order(run) and self._waits(other) for other in runs)
        if current + earlier < limit:
            self._given[run.metadata.namespace or "", run.metadata.name] = run.metadata.uid
            return Admission(True, Reason.WITHIN_QUOTA, "the quota of the workspace allows it")
        return Admission(False, Reason.QUOTA_EXCEEDED, f"max_running_runs={limit}, current={current}")

    def holds(self, run: Run) -> bool:
        """Say whether a run has a place."""
        if run.phase.is_terminal:
            return False
        uid = run.metadata.uid
        recorded = run.status is not None and run.status.is_true(ConditionType.ADMITTED)
        given = self._given.get((run.metadata.namespace or "", run.metadata.name)) == uid
        return recorded or given or bool(self._world.pods_of(uid))

    def release(self, namespace: str, name: str) -> None:
        """Forget a run that ended or is gone."""
        self._given.pop((namespace, name), None)

    def next_in_line(self, namespace: str) -> list[Run]:
        """Return the waiting runs that there is room for, in their order."""
        workspace = self._world.workspace_of_namespace(namespace)
        if workspace is None:
            return []
        runs = self._world.unfinished_runs(namespace)
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
