"""What a run that names only a job takes from it, and when that does not fit."""

from __future__ import annotations

from typing import Any
from unittest.mock import AsyncMock

import pytest

from icefield_crds import Run
from icefield_kube.errors import KubernetesError
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.run.job_handover import JobTooLargeError, take_snapshot

RUN = Run.model_validate(
    {"metadata": {"name": "r", "namespace": "icefield-demo", "uid": "r"}, "spec": {"jobRef": {"name": "etl"}}}
)


def cache_with(tasks: int) -> ClusterCache:
    """Return a snapshot with a job that has so many tasks of 30,000 characters."""
    cache = ClusterCache()
    spec: dict[str, Any] = {"tasks": [{"key": f"t{n}", "command": "x" * 30_000} for n in range(tasks)]}
    metadata = {"name": "etl", "namespace": "icefield-demo", "uid": "etl", "resourceVersion": "1"}
    cache.record({"kind": "Job", "metadata": metadata, "spec": spec})
    return cache


async def test_a_job_that_fits_is_recorded() -> None:
    cluster = AsyncMock(Cluster)
    await take_snapshot(RUN, cluster, cache_with(43))
    _, status = cluster.write_status.await_args.args
    assert len(status.snapshot.tasks) == 43


async def test_a_job_that_does_not_fit_is_not_sent_to_the_cluster() -> None:
    cluster = AsyncMock(Cluster)
    with pytest.raises(
        JobTooLargeError, match=r"the run has 13\d+ bytes as the cluster stores it, more than the 1310720"
    ):
        await take_snapshot(RUN, cluster, cache_with(44))
    cluster.write_status.assert_not_awaited()


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (KubernetesError(500, "etcdserver: request is too large"), JobTooLargeError),
        (KubernetesError(503, "try again"), KubernetesError),
    ],
)
async def test_what_a_cluster_refuses_that_stores_less(error: KubernetesError, raised: type[Exception]) -> None:
    cluster = AsyncMock(Cluster)
    cluster.write_status.side_effect = error
    with pytest.raises(raised):
        await take_snapshot(RUN, cluster, cache_with(1))
