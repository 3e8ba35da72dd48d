"""Pods that are gone, as they were last seen: a pod may end, and be removed, between two passes over its run."""

from __future__ import annotations

from collections.abc import Mapping

from icefield_crds import Run
from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import Entry, Kind, owners


class LastSeen:
    """An index of pods that remembers those that go, until the run that owned them has had its pass."""

    def __init__(self) -> None:
        """Start with none."""
        self._gone: dict[tuple[str, str], dict[str, Manifest]] = {}
        """By namespace and name of the run, then by uid of the pod."""

    def update(self, uid: str, old: Entry | None, new: Entry | None) -> None:
        """Follow a pod: one that goes while a run owns it is remembered. Its run is enqueued with its deletion."""
        if old is None or new is not None:
            return
        for name, _ in owners(old.manifest, Kind.RUN):
            self._gone.setdefault((old.identity.namespace, name), {})[uid] = old.manifest

    def of(self, run: Run) -> Mapping[str, Manifest]:
        """Return the pods of a run that are gone, by uid; those are forgotten whose end its status records."""
        key = run.metadata.namespace or "", run.metadata.name
        attempts = run.status.attempts if run.status else ()
        recorded = {attempt.pod_uid for attempt in attempts if attempt.status.is_terminal}
        left = {uid: pod for uid, pod in self._gone.pop(key, {}).items() if uid not in recorded}
        if left:
            self._gone[key] = left
        return left

    def forget(self, namespace: str, name: str) -> None:
        """Forget the pods of a run that has ended or was deleted."""
        self._gone.pop((namespace, name), None)
