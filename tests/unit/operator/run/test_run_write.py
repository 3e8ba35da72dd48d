"""A status that is kept is never taken for written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from unittest.mock import Mock

import pytest

from icefield_crds import Run, RunPhase, RunStatus
from icefield_crds.names import API_VERSION
from icefield_kube.client import Manifest
from icefield_kube.errors import Conflict
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.controllers import Controllers
from icefield_operator.run import resolve
from icefield_operator.run.provisioner import PodProvisioners
from icefield_operator.run.reconcile import RunReconciler

KEPT = RunStatus(phase=RunPhase.RUNNING)
PAST = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Client:
    """A Kubernetes API that has version 6."""

    async def call(self, method: str, path: str, body: Manifest, **_: Any) -> Manifest:
        if body["metadata"]["resourceVersion"] != "6":
            raise Conflict(409, "it was changed")
        return run_of(7, status=body["status"])


def run_of(version: int, **fields: Any) -> Manifest:
    metadata = {"name": "r", "namespace": "icefield-demo", "uid": "u", "resourceVersion": str(version)}
    return {"apiVersion": API_VERSION, "kind": Kind.RUN, "metadata": metadata, "spec": {"command": "true"}, **fields}


async def test_a_run_that_changes_during_the_pass_that_writes_what_was_kept() -> None:
    cache = ClusterCache()
    reconciler = RunReconciler(Cluster(Client(), cache), Controllers(cache), PodProvisioners(), Mock())  # type: ignore[arg-type]
    for version in (5, 6):
        cache.observe("MODIFIED", run_of(5))
        run = Run.model_validate(run_of(version))
        reconciler._unwritten.keep(run, KEPT, PAST)
        facts = resolve.facts(reconciler._unwritten.on(run), run.status, cache)
        cache.observe("MODIFIED", run_of(6))
        if version == 5:
            with pytest.raises(Conflict):
                await reconciler._write(facts, KEPT)
            assert reconciler._unwritten.due(run)
        else:
            await reconciler._write(facts, KEPT)
            assert not reconciler._unwritten.due(run)
