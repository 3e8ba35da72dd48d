"""Which keys an event of another object concerns: the relations that most kinds register."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from icefield_crds import Resource
from icefield_crds.names import namespace_of
from icefield_kube.client import Manifest

from .cluster_cache import Kind, key_of, pod_owner
from .controllers import Relation
from .queue import Key


def owner_of_pod(kind: str) -> Relation:
    """Return the relation from a pod to the resource of this kind that owns it."""

    def relate(pod: Manifest) -> Iterator[Key]:
        if (owner := pod_owner(pod)) and owner.kind == kind:
            namespace = "" if kind == Kind.WORKSPACE else pod["metadata"]["namespace"]
            yield Key(kind, namespace, owner.name)

    return relate


def all_of(resources: Callable[[], Iterable[Resource[Any, Any]]]) -> Relation:
    """Return the relation from any object to each of these resources."""
    return lambda _: keys_of(resources())


def in_workspace(resources: Callable[[str], Iterable[Resource[Any, Any]]]) -> Relation:
    """Return the relation from a Workspace to these resources of its namespace."""
    return lambda workspace: keys_of(resources(namespace_of(key_of(workspace)[1])))


def keys_of(resources: Iterable[Resource[Any, Any]]) -> Iterator[Key]:
    """Yield the key of each resource."""
    for resource in resources:
        yield Key(resource.KIND, resource.metadata.namespace or "", resource.metadata.name)
