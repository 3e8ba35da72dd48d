"""What is left of an object that a DELETE, or another write, was answered about."""

from __future__ import annotations

from typing import Any

import pytest

from icefield_crds import Run, RunStatus
from icefield_crds.names import API_VERSION
from icefield_kube.client import Manifest, still_exists
from icefield_kube.errors import KubernetesError, NotFound
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind

RUN: Manifest = {
    "apiVersion": API_VERSION,
    "kind": Kind.RUN,
    "metadata": {"name": "r", "namespace": "icefield-demo", "uid": "u", "resourceVersion": "5"},
    "spec": {"command": "true"},
}
GONE = b'{"kind":"Status","reason":"NotFound","details":{"name":"r","group":"icefield.dev","kind":"runs"}}'
NOT_SERVED = b'{"kind":"Status","reason":"NotFound","message":"the server could not find the requested resource"}'


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"deletionGracePeriodSeconds": 30}, True),
        ({"deletionGracePeriodSeconds": 0}, False),
        ({"deletionGracePeriodSeconds": 0, "finalizers": ["example.com/kept"]}, True),
        ({"finalizers": ["icefield.dev/workspace-cleanup"]}, True),
        ({}, False),
    ],
)
def test_only_a_grace_period_or_a_finalizer_keeps_it(metadata: dict[str, Any], expected: bool) -> None:
    assert still_exists("Pod", {"kind": "Pod", "metadata": metadata}) is expected
    assert not still_exists("Pod", {"kind": "Status", "metadata": {}})


class Refusing:
    """A Kubernetes API, or a proxy before it, that answers every request with this."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    async def call(self, *_: Any, **__: Any) -> Manifest:
        raise KubernetesError.of(404, self._body)


@pytest.mark.parametrize(("body", "is_kept"), [(GONE, False), (NOT_SERVED, True), (b"404 page not found", True)])
async def test_only_what_is_told_to_be_gone_is_forgotten_for_ever(body: bytes, is_kept: bool) -> None:
    cache = ClusterCache()
    cluster = Cluster(Refusing(body), cache)  # type: ignore[arg-type]
    cache.observe("ADDED", RUN)
    with pytest.raises(NotFound):
        await cluster.write_status(Run.model_validate(RUN), RunStatus(error="x"))
    assert bool(cache.run("icefield-demo", "r")) is is_kept
    await cluster.delete(Kind.RUN, "icefield-demo", "r", uid="u")
    cache.replace(Kind.RUN, [{**RUN, "metadata": {**RUN["metadata"], "resourceVersion": "6"}}], "7")
    assert bool(cache.run("icefield-demo", "r")) is is_kept
