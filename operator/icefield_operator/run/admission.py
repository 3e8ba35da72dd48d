"""Which runs of a workspace may run now: the oldest first, as many as its quota allows.

An admission is one synchronous step, so two runs never get the same place. A place is taken from the moment of the
admission, though the status that records it is written a little later; and a run that has pods always has a place.

Who has a place and who waits is kept with each change of the snapshot, so a pass over one run costs no more where
thousands wait.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import islice
from typing import NamedTuple

from icefield_crds import ConditionType, Reason, Run, Workspace
from icefield_crds.run import is_cancellation_requested, is_place_held
from icefield_kube.client import Manifest
from icefield_kube.store import GroupCounts, OrderedGroups
from icefield_operator.cluster_cache import ClusterCache, Entry, Kind, RunRecord, owners
from icefield_operator.queue import Key


class Admission(NamedTuple):
    """Whether a run may run."""

    admitted: bool
    reason: Reason
    message: str


NOT_REQUESTED = Admission(False, Reason.PENDING, "the run was never considered for admission")
WITHIN_QUOTA = Admission(True, Reason.WITHIN_QUOTA, "the quota of the workspace allows it")
TIMED_OUT = Admission(False, Reason.TIMED_OUT, "the run's timeout was over before it was admitted")
CANCELLED = Admission(False, Reason.CANCELLED, "the run was cancelled before it was admitted")


class Candidate(NamedTuple):
    """How an unfinished run stands."""

    namespace: str
    order: tuple[datetime, str]
    """Its place in the line, by creation and name."""
    holds: bool
    """Whether it has a place."""
    waits: bool
    """Whether it stands in line for one."""


def stand(record: RunRecord, manifest: Manifest, *, is_admitted: bool, has_pods: bool) -> Candidate:
    """Return how an unfinished run stands.

    Args:
        record: the run.
        manifest: the same, as the API serves it.
        is_admitted: whether it was admitted, though its status need not say so yet.
        has_pods: whether it has pods.
    """
    answer = _recorded_admission(manifest)
    is_leaving = bool(manifest["metadata"].get("deletionTimestamp"))
    is_recorded = bool(answer) and is_place_held(answer["status"], answer["reason"])
    holds = has_pods or is_recorded or (is_admitted and not is_leaving)
    could_start = not answer or answer.get("reason") == Reason.QUOTA_EXCEEDED
    is_cancelled = is_cancellation_requested(
        manifest["spec"].get("desiredState"), manifest["metadata"].get("annotations") or {}
    )
    waits = could_start and not (holds or is_leaving or is_cancelled)
    return Candidate(record.namespace, record.order, holds, waits)


def is_told(run: Run, refusal: Admission) -> bool:
    """Return whether the status of a run says already, and about its newest spec, why it is not admitted."""
    told = run.status.condition(ConditionType.ADMITTED) if run.status else None
    return (
        told is not None
        and (told.status, told.reason, told.message) == ("False", refusal.reason, refusal.message)
        and told.observed_generation == run.metadata.generation
    )


class Admissions:
    """Admits the runs of every workspace."""

    def __init__(self, cache: ClusterCache) -> None:
        """Decide by this snapshot, and follow it."""
        self._cache = cache
        self._unfinished: dict[str, tuple[RunRecord, Manifest]] = {}
        self._admitted: set[str] = set()
        """uids of the runs that were admitted since this process started."""
        self._candidates: dict[str, Candidate] = {}
        self._places: GroupCounts[Candidate] = GroupCounts(lambda run: (run.namespace,) if run.holds else ())
        self._line: OrderedGroups[Candidate] = OrderedGroups(
            lambda run: run.order, lambda run: (run.namespace,) if run.waits else ()
        )
        cache.add_index(Kind.RUN, _Follower(self._follow_run))
        cache.add_index(Kind.POD, _Follower(self._follow_pod))

    def admit(self, run: Run, workspace: Workspace) -> Admission:
        """Admit a run if there is a place and no earlier run waits; call it only for runs that could start."""
        if refusal := self.refusal(run, workspace):
            return refusal
        self._admitted.add(run.metadata.uid)
        self._reconsider(run.metadata.uid)
        return WITHIN_QUOTA

    def refusal(self, run: Run, workspace: Workspace) -> Admission | None:
        """Return why a run would not be admitted now, or None."""
        if self.holds(run):
            return None
        limit, namespace = workspace.spec.quotas.max_running_runs, run.metadata.namespace or ""
        candidate, current = self._candidates.get(run.metadata.uid), self._places.count(namespace)
        if candidate:
            earlier = self._line.count_before(namespace, (*candidate.order, run.metadata.uid))
            if current + earlier < limit:
                return None
        message = f"waiting for its turn: max_running_runs={limit}, current={current}"
        return Admission(False, Reason.QUOTA_EXCEEDED, message)

    def current(self, run: Run) -> Admission:
        """Return the admission of a run that is admitted, or that was cancelled before."""
        return WITHIN_QUOTA if self.holds(run) else CANCELLED

    def holds(self, run: Run) -> bool:
        """Return whether a run has a place."""
        candidate = self._candidates.get(run.metadata.uid)
        return candidate is not None and candidate.holds

    def next_in_line(self, namespace: str) -> list[Key]:
        """Return the waiting runs that there are places for, in their order."""
        workspace = self._cache.workspace_of_namespace(namespace)
        if workspace is None:
            return []
        room = workspace.spec.quotas.max_running_runs - self._places.count(namespace)
        return [Key(Kind.RUN, namespace, name) for _, name, _ in islice(self._line.keys(namespace), max(room, 0))]

    def _follow_run(self, uid: str, _: Entry | None, run: Entry | None) -> None:
        # A run that does not validate has no passes: in the line it would keep its place for ever.
        if run is not None and run.run and run.run.is_unfinished and run.model is not None:
            self._unfinished[uid] = run.run, run.manifest
        else:
            self._unfinished.pop(uid, None)
            self._admitted.discard(uid)
        self._reconsider(uid)

    def _follow_pod(self, _: str, old: Entry | None, new: Entry | None) -> None:
        for pod in (old, new):
            for _, uid in owners(pod.manifest, Kind.RUN) if pod else ():
                candidate = self._candidates.get(uid)
                if candidate and candidate.holds != bool(self._cache.pods_of(uid)):
                    self._reconsider(uid)

    def _reconsider(self, uid: str) -> None:
        before, run = self._candidates.pop(uid, None), self._unfinished.get(uid)
        now = None
        if run is not None:
            has_pods = bool(self._cache.pods_of(uid))
            now = self._candidates[uid] = stand(*run, is_admitted=uid in self._admitted, has_pods=has_pods)
        if now != before:
            self._places.update(uid, before, now)
            self._line.update(uid, before, now)


class _Follower:
    """An index that calls a function."""

    def __init__(self, follow: Callable[[str, Entry | None, Entry | None], None]) -> None:
        self._follow = follow

    def update(self, uid: str, old: Entry | None, new: Entry | None) -> None:
        self._follow(uid, old, new)


def _recorded_admission(run: Manifest) -> Manifest:
    conditions = (run.get("status") or {}).get("conditions") or ()
    return next((found for found in conditions if found["type"] == ConditionType.ADMITTED), {})
