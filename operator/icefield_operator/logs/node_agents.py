"""Which nodes have a log agent that works, as its pod shows: pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from icefield_crds import labels

from .attempt import node_of

GRACE = timedelta(seconds=60)
"""How long an agent may be away, to be updated or restarted, before others read the logs of its node: it has them all
when it returns, also those that were rotated."""


def is_log_agent(pod: Mapping[str, Any]) -> bool:
    """Return whether a pod is a log agent."""
    marks = pod["metadata"].get("labels") or {}
    return marks.get(labels.COMPONENT) == labels.LOG_AGENT_COMPONENT


def works_until(pod: Mapping[str, Any]) -> datetime | None:
    """Return until when a log agent counts as working if nothing changes; None for as long as it is Ready.

    One that never was Ready has from its creation on.
    """
    conditions = (pod.get("status") or {}).get("conditions") or []
    ready: Mapping[str, Any] = next((each for each in conditions if each["type"] == "Ready"), {})
    if ready.get("status") == "True":
        return None
    since = ready.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
    return datetime.fromisoformat(since) + GRACE


class NodeAgents:
    """The agents of all nodes."""

    def __init__(
        self,
        listed: Callable[[], Iterable[Mapping[str, Any]]],
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Initialize.

        Args:
            listed: returns the agents' pods that are known before the first of them was observed.
            clock: returns the time.
        """
        self._listed = listed
        self._clock = clock
        self._until: dict[str, datetime | None] | None = None
        self._node_of: dict[str, str] = {}

    def observe(self, pod: Mapping[str, Any]) -> None:
        """Observe the current state of an agent's pod."""
        self._take(self._known(), pod)

    def observe_gone(self, name: str) -> None:
        """Record that the pod of this name is gone, if it was an agent; another may take its place."""
        known = self._known()
        if node := self._node_of.pop(name, None):
            until = known.get(node)
            known[node] = min(until or datetime.max.replace(tzinfo=UTC), self._clock() + GRACE)

    def work_on(self, node: str | None) -> bool:
        """Return whether an agent archives the logs of this node."""
        return node is not None and node in self.nodes()

    def nodes(self) -> Collection[str]:
        """Return the nodes that have a working agent."""
        known = self._known()
        now = self._clock()
        for node in [node for node, until in known.items() if until is not None and until <= now]:
            del known[node]
        return known.keys()

    def _known(self) -> dict[str, datetime | None]:
        if self._until is None:
            self._until = {}
            for pod in self._listed():
                self._take(self._until, pod)
        return self._until

    def _take(self, known: dict[str, datetime | None], pod: Mapping[str, Any]) -> None:
        if (node := node_of(pod)) and is_log_agent(pod):
            self._node_of[pod["metadata"]["name"]] = node
            known[node] = works_until(pod)
