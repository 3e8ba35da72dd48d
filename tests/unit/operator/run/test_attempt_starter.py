"""Attempts are started once, also when an operator ended between a run's Secret and the record of its attempts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from icefield_crds import AttemptStatus, Flavor, Run, RunStatus, Task, TaskPhase, TaskStatus, Workspace
from icefield_crds.names import API_VERSION, pod_name
from icefield_kube.client import Manifest
from icefield_kube.errors import AlreadyExists, Forbidden, KubernetesError, Unreachable
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.run.attempt_starter import AttemptStarter
from icefield_operator.run.leftovers import Leftovers
from icefield_operator.run.provisioner import AttemptStart, PodProvisioner, PodProvisioners
from icefield_operator.run.resolve import RunFacts
from icefield_operator.run.run_type import RunType

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
RUN = Run.model_validate(
    {
        "apiVersion": API_VERSION,
        "kind": "Run",
        "metadata": {"name": "r", "namespace": "icefield-demo", "uid": "u", "resourceVersion": "1"},
        "spec": {"command": "true"},
    }
)
WORKSPACE = Workspace.model_validate(
    {"apiVersion": API_VERSION, "kind": "Workspace", "metadata": {"name": "demo", "uid": "w"}, "spec": {}}
)
TASKS = [Task(key="a", command="true"), Task(key="b", command="true")]
POD_A, POD_B = (pod_name("r", task.key, 0) for task in TASKS)
SECRET = {"kind": "Secret", "metadata": {"name": "r-token", "namespace": "icefield-demo"}}


class Objects(Cluster):
    """A cluster of names; a call fails as often as `failures` says."""

    def __init__(self, *names: str) -> None:
        self.names = set(names)
        self.failures = 0
        self.failed_reads = 0
        self.refusal: Exception | None = None
        """How the creation of pods is answered."""

    async def create(self, manifest: Manifest) -> Manifest:
        if self.failures:
            self.failures -= 1
            raise Unreachable("no answer")
        name = manifest["metadata"]["name"]
        if name in self.names:
            raise AlreadyExists(409, name)
        self.names.add(name)
        return manifest

    async def create_or_adopt(self, manifest: Manifest) -> Manifest:
        self.names.add(manifest["metadata"]["name"])
        return manifest

    async def delete(self, kind: str, namespace: str | None, name: str, **_: Any) -> None:
        self.names.discard(name)

    async def get(self, kind: str, namespace: str | None, name: str) -> Manifest | None:
        if self.failed_reads:
            self.failed_reads -= 1
            raise Unreachable("no answer")
        return {"metadata": {"name": name}} if name in self.names else None


class SecretAndPods(PodProvisioner):
    """A Secret for each run, and pods of which nothing but the name matters."""

    def __init__(self, cluster: Objects) -> None:
        self._cluster = cluster

    def prerequisites(self, facts: RunFacts, now: datetime) -> list[Manifest]:
        return [SECRET]

    async def ensure_pod(self, start: AttemptStart) -> Manifest:
        name = pod_name("r", start.task.key, start.attempt)
        if self._cluster.refusal:
            raise self._cluster.refusal
        return await self._cluster.create_or_adopt({"kind": "Pod", "metadata": {"name": name}})


def facts_of(status: RunStatus | None) -> RunFacts:
    flavors: dict[str, Flavor] = {}
    return RunFacts(RUN.model_copy(update={"status": status}), WORKSPACE, None, RUN.spec, TASKS, flavors, status)


def starter_of(cluster: Objects) -> AttemptStarter:
    provisioners = PodProvisioners()
    provisioners.add(RunType.COMMAND, SecretAndPods(cluster))
    return AttemptStarter(cluster, provisioners, Leftovers(cluster, ClusterCache()))


async def start(cluster: Objects, starter: AttemptStarter, status: RunStatus | None = None) -> Any:
    return await starter.start(facts_of(status), [(task, 0) for task in TASKS], None, NOW)


async def test_a_new_run_gets_its_secret_and_its_pods() -> None:
    cluster = Objects()
    rejected = await start(cluster, starter_of(cluster))
    assert not rejected.lost
    assert cluster.names == {"r-token", POD_A, POD_B}


@pytest.mark.parametrize("status", [None, RunStatus()], ids=["nothing is recorded", "it is recorded that it waits"])
async def test_a_pod_that_may_have_been_deleted_unseen_is_not_created_again(status: RunStatus | None) -> None:
    cluster = Objects("r-token", POD_A)
    rejected = await start(cluster, starter_of(cluster), status)
    assert cluster.names == {"r-token", POD_A}, "the pod that exists is taken over, the other is not made again"
    assert rejected.lost == [("b", 0)]


async def test_what_was_lost_is_found_though_the_first_look_was_not_answered() -> None:
    cluster = Objects("r-token", POD_A)
    cluster.failed_reads = 1
    starter = starter_of(cluster)
    assert (await start(cluster, starter)).temporary
    assert (await start(cluster, starter)).lost == [("b", 0)]
    assert cluster.names == {"r-token", POD_A}
    assert not (await start(cluster, starter)).lost, "what starts later was not begun by another process"


@pytest.mark.parametrize(("task", "attempt"), [(Task(key="b", command="true", depends_on=["a"]), 0), (TASKS[1], 1)])
async def test_what_starts_when_something_has_ended_is_no_loss(task: Task, attempt: int) -> None:
    cluster = Objects("r-token", POD_A)
    rejected = await starter_of(cluster).start(facts_of(None), [(task, attempt)], None, NOW)
    assert not rejected.lost
    assert pod_name("r", "b", attempt) in cluster.names


async def test_a_run_whose_attempts_are_recorded_goes_on() -> None:
    cluster = Objects("r-token")
    attempt = AttemptStatus(attempt=0, pod_name=POD_A, status=TaskPhase.PENDING)
    status = RunStatus(tasks=[TaskStatus(key="a", status=TaskPhase.PENDING, attempts=[attempt])])
    assert not (await start(cluster, starter_of(cluster), status)).lost
    assert {POD_A, POD_B} <= cluster.names


async def test_a_run_whose_pods_are_refused_leaves_nothing_that_tells_that_it_was_started() -> None:
    cluster = Objects()
    cluster.refusal = Forbidden(403, "exceeded quota")
    starter = starter_of(cluster)
    assert (await start(cluster, starter)).temporary
    assert not cluster.names
    cluster.refusal = None
    for each in (starter, starter_of(cluster)):
        assert not (await start(cluster, each, RunStatus())).lost
        cluster.names.clear()


@pytest.mark.parametrize(
    "answer", [Unreachable("no answer"), KubernetesError(504, "etcd timed out"), KubernetesError(408, "timed out")]
)
async def test_a_creation_without_an_answer_may_have_been_one(answer: Exception) -> None:
    cluster = Objects()
    cluster.refusal = answer
    assert (await start(cluster, starter_of(cluster))).temporary
    cluster.refusal = None
    assert (await start(cluster, starter_of(cluster), RunStatus())).lost == [("a", 0), ("b", 0)]


@pytest.mark.parametrize("secret_was_created", [False, True])
async def test_what_this_process_began_itself_is_no_loss(secret_was_created: bool) -> None:
    cluster = Objects()
    cluster.failures = 1
    starter = starter_of(cluster)
    assert (await start(cluster, starter)).temporary
    if secret_was_created:
        cluster.names.add("r-token")
    assert not (await start(cluster, starter)).lost
    assert {POD_A, POD_B} <= cluster.names
