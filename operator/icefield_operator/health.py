"""The operator's probes and metrics.

Alive means: each kind's watch has recently proven that it delivers (see ClusterCache.watch_age). An operator whose
watch died silently would wait for events for ever; a restart repairs it.
"""

from __future__ import annotations

from collections.abc import Callable

from icefield_kube.request_review import RequestReview

from .cluster_cache import WATCHED_KINDS
from .controllers import Controllers
from .metrics import WATCH_AGE
from .probes import Probes


class Health(Probes):
    """Serves the probes and metrics of one operator process."""

    def __init__(
        self, controllers: Controllers, watch_age_limit: float, is_ready: Callable[[], bool], review: RequestReview
    ) -> None:
        """Answer for these controllers; no watch may be silent for longer than the limit, in seconds."""
        super().__init__(is_ready, review)
        self._cache = controllers.cache
        self._exports = controllers.exports
        self._limit = watch_age_limit

    def problems(self) -> list[str]:
        """Return a message for each watch that has been silent for too long."""
        ages = {kind: self._cache.watch_age(kind) for kind in WATCHED_KINDS}
        return [
            f"no watch event for {kind} in {age:.0f} s"
            for kind, age in ages.items()
            if age > self._limit and age != float("inf")
        ]

    def export(self) -> None:
        """Set the metrics that are computed from the snapshot."""
        for export in self._exports:
            export(self._cache)
        for kind in WATCHED_KINDS:
            WATCH_AGE.labels(kind).set(self._cache.watch_age(kind))
