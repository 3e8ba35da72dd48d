"""Whose events are read, and for how long that is remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from icefield_crds import format_time
from icefield_kube.client import Manifest
from icefield_operator.cluster import Cluster
from icefield_operator.run import pod_events
from icefield_operator.run.pod_events import PodEvents

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


class Quiet(Cluster):
    """A cluster without events."""

    def __init__(self) -> None:
        self.lists = 0

    async def list(self, *_: Any, **__: Any) -> tuple[list[Manifest], str]:
        self.lists += 1
        return [], "1"


def _waiting(uid: str) -> Manifest:
    scheduled = {
        "type": "PodScheduled",
        "status": "True",
        "lastTransitionTime": format_time(NOW - timedelta(seconds=9)),
    }
    metadata = {"name": uid, "namespace": "icefield-demo", "uid": uid}
    return {"metadata": metadata, "status": {"phase": "Pending", "conditions": [scheduled]}}


async def test_pods_that_were_deleted_while_they_waited_are_forgotten_some_time() -> None:
    cluster = Quiet()
    events = PodEvents(cluster)
    for number in range(pod_events.MAX_REMEMBERED + 1):
        await events.read([_waiting(str(number))], NOW)
    assert cluster.lists == pod_events.MAX_REMEMBERED + 1
    assert len(events._reads) == pod_events.MAX_REMEMBERED
