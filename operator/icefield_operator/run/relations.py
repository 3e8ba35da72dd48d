"""Which Runs an event of something else concerns."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_crds import Run
from icefield_crds.names import namespace_of
from icefield_operator.controllers import Controllers
from icefield_operator.queue import Key
from icefield_operator.world import Kind, Manifest, World, pod_owner


def register(controllers: Controllers) -> None:
    """Have pods enqueue their Run, and whatever a Run may wait for enqueue the unfinished ones."""
    world = controllers.world
    controllers.relate(Kind.POD, _owner)
    controllers.relate(Kind.FLAVOR, lambda _: _unfinished(world))
    controllers.relate(
        Kind.WORKSPACE, lambda workspace: _unfinished(world, namespace_of(workspace["metadata"]["name"]))
    )
    controllers.relate(Kind.JOB, lambda job: _waiting_for(world, job))


def _owner(pod: Manifest) -> Iterator[Key]:
    if (owner := pod_owner(pod)) and owner.kind is Kind.RUN:
        yield Key(Kind.RUN, pod["metadata"]["namespace"], owner.name)


def _unfinished(world: World, namespace: str | None = None) -> Iterator[Key]:
    return (_key(run) for run in world.unfinished_runs(namespace))


def _waiting_for(world: World, job: Manifest) -> Iterator[Key]:
    metadata = job["metadata"]
    for run in world.unfinished_runs(metadata["namespace"]):
        if run.spec.job_ref and run.spec.job_ref.name == metadata["name"] and run.execution is None:
            yield _key(run)


def _key(run: Run) -> Key:
    return Key(Kind.RUN, run.metadata.namespace or "", run.metadata.name)
