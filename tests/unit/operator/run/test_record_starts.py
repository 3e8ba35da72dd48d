"""An attempt that is recorded before its pod is created, where something fails between the two."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import pytest

from icefield_crds import labels, names
from icefield_crds.names import API_VERSION
from icefield_kube.client import Manifest
from icefield_kube.errors import Conflict, Forbidden, KubernetesError, NotFound, Unreachable
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key
from icefield_operator.run.pods import PodObserver
from icefield_operator.run.provisioner import AttemptStart, PodProvisioner, PodProvisioners
from icefield_operator.run.reconcile import RunReconciler
from icefield_operator.run.resolve import RunFacts
from icefield_operator.run.run_type import RunType

NAMESPACE, RUN = "icefield-demo", Key(Kind.RUN, "icefield-demo", "r")
POD = names.pod_name("r", "main", 0)
REFUSED = "task main cannot start: exceeded quota; it is tried again"
CONDITION = {
    "type": "Admitted",
    "status": "False",
    "reason": "QuotaExceeded",
    "message": "max_running_runs=1, current=1",
    "lastTransitionTime": "2026-11-30T12:00:00Z",
}
WAITED = {"phase": "pending", "conditions": [CONDITION]}


class Api:
    """One Run and its pods; what `interfere` raises is the answer to a request that it is given beforehand."""

    def __init__(self) -> None:
        self.version = 5
        self.run = self._stored(
            {
                "apiVersion": API_VERSION,
                "kind": Kind.RUN,
                "metadata": {"name": "r", "namespace": NAMESPACE, "uid": "u"},
                "spec": {"spark": {"mainApplicationFile": "local:///a.py"}},
                "status": WAITED,
            }
        )
        self.pods: dict[str, Manifest] = {}
        self.written: list[Manifest] = []
        self.interfere: Callable[[str], None] = lambda method: None
        self.interfere_afterwards: Callable[[str], None] = lambda method: None

    async def call(self, method: str, path: str, body: Manifest | None = None, **_: Any) -> Manifest:
        self.interfere(method)
        if method == "GET":
            name = path.rpartition("/")[2]
            if name not in self.pods:
                raise NotFound(404, name, details={"name": name})
            return self.pods[name]
        assert body
        if method == "POST":
            self.pods[body["metadata"]["name"]] = self._stored(body)
            return self.pods[body["metadata"]["name"]]
        if body["metadata"]["resourceVersion"] != self.run["metadata"]["resourceVersion"]:
            raise Conflict(409, "it was changed")
        merged = {**self.run["status"], **body["status"]}
        self.change(status={key: value for key, value in merged.items() if value is not None})
        self.written.append(self.run["status"])
        self.interfere_afterwards(method)
        return self.run

    def change(self, **fields: Any) -> None:
        self.run = self._stored({**self.run, **fields})

    def _stored(self, manifest: Manifest) -> Manifest:
        self.version += 1
        return {**manifest, "metadata": {**manifest["metadata"], "resourceVersion": str(self.version)}}


class Drivers(PodProvisioner):
    """Pods of nothing but metadata, whose work must not be started twice."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def observer(self, facts: RunFacts, run_pods: Any) -> PodObserver:
        return PodObserver(restarts_begun_work=False)

    async def ensure_pod(self, start: AttemptStart) -> Manifest:
        name = names.pod_name("r", start.task.key, start.attempt)
        owner = {"apiVersion": API_VERSION, "kind": Kind.RUN, "name": "r", "uid": "u", "controller": True}
        metadata = {
            "name": name,
            "namespace": NAMESPACE,
            "uid": name,
            "labels": labels.of_task_pod("demo", "w", "r", start.task.key, start.attempt),
            "ownerReferences": [owner],
        }
        spec = {"containers": [{"name": "task", "image": "a"}], "nodeName": "n"}
        return await self._cluster.create_or_adopt(
            {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": {"phase": "Pending"}}
        )


class Operator:
    """An operator of runs, whose passes see what the API has."""

    def __init__(self, api: Api) -> None:
        self._api, self._cache = api, ClusterCache()
        workspace = {
            "apiVersion": API_VERSION,
            "kind": Kind.WORKSPACE,
            "metadata": {"name": "demo", "uid": "w", "resourceVersion": "1"},
            "spec": {},
            "status": {"conditions": [{**CONDITION, "type": "Ready", "status": "True"}]},
        }
        self._cache.observe("ADDED", workspace)
        cluster, provisioners = Cluster(api, self._cache), PodProvisioners()  # type: ignore[arg-type]
        provisioners.add(RunType.SPARK, Drivers(cluster))
        logs = Mock(**{"is_complete.return_value": False})
        self._reconciler = RunReconciler(cluster, Controllers(self._cache), provisioners, logs)

    def observe(self, event: str, manifest: Manifest) -> None:
        self._cache.observe(event, manifest)

    async def make_pass(self) -> None:
        self.observe("MODIFIED", self._api.run)
        await self._reconciler.reconcile(RUN)


def _attempts(status: Manifest) -> list[tuple[int, str, bool]]:
    tried = [attempt for task in status["tasks"] for attempt in task.get("attempts", [])]
    return [(attempt["attempt"], attempt["status"], "podUid" in attempt) for attempt in tried]


def _raise(error: Exception) -> None:
    raise error


@pytest.mark.parametrize("is_changed", [True, False], ids=["the run is changed", "the API is unavailable"])
async def test_what_was_refused_is_no_lost_attempt_though_that_cannot_be_recorded(is_changed: bool) -> None:
    api = Api()
    operator = Operator(api)

    def refuse(method: str) -> None:
        if method == "POST":
            api.interfere = lambda _: None if is_changed else _raise(KubernetesError(503, "unavailable"))
            if is_changed:
                api.change()
            raise Forbidden(403, "exceeded quota")

    api.interfere = refuse
    with pytest.raises(KubernetesError):
        await operator.make_pass()
    api.interfere = lambda _: None
    await operator.make_pass()
    assert list(api.pods) == [POD]
    assert [_attempts(status) for status in api.written] == [[(0, "pending", False)], [(0, "pending", True)]]


async def test_no_pod_was_created_while_its_start_was_recorded_without_an_answer() -> None:
    api = Api()
    operator = Operator(api)
    api.interfere_afterwards = lambda _: _raise(Unreachable("no answer"))
    with pytest.raises(Unreachable):
        await operator.make_pass()
    api.interfere_afterwards = lambda _: None
    assert not api.pods
    await operator.make_pass()
    assert list(api.pods) == [POD]
    assert _attempts(api.written[-1]) == [(0, "pending", True)]


async def test_what_is_refused_stays_told_while_it_is_tried_again() -> None:
    api = Api()
    operator = Operator(api)
    api.interfere = lambda method: _raise(Forbidden(403, "exceeded quota")) if method == "POST" else None
    for _ in range(3):
        await operator.make_pass()
    assert len(api.written) == 6
    for status in api.written[1:]:
        admitted = next(each for each in status["conditions"] if each["type"] == "Admitted")
        assert (status["error"], admitted["reason"], admitted["message"]) == (REFUSED, "PodRefused", REFUSED)


async def test_a_start_that_is_not_known_is_not_a_refused_pod() -> None:
    api = Api()
    api.interfere_afterwards = lambda _: _raise(Unreachable("the operator ends"))
    with pytest.raises(Unreachable):
        await Operator(api).make_pass()
    api.interfere_afterwards = lambda _: None
    await Operator(api).make_pass()
    assert _attempts(api.run["status"]) == [(0, "failed", False)]
    admitted = next(each for each in api.run["status"]["conditions"] if each["type"] == "Admitted")
    assert admitted["reason"] == "WithinQuota"


async def test_a_run_that_has_the_name_of_one_whose_start_was_recorded_gets_nothing_of_it() -> None:
    api = Api()
    operator = Operator(api)

    def replace(_: str) -> None:
        operator.observe("DELETED", api.run)
        api.change(metadata={"name": "r", "namespace": NAMESPACE, "uid": "other"}, status={})
        operator.observe("ADDED", api.run)

    api.interfere_afterwards = replace
    with pytest.raises(Conflict):
        await operator.make_pass()
    assert api.run["status"] == {}
    assert len(api.written) == 1
