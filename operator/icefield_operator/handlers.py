"""How changes in the cluster arrive: the only module with kopf's decorators. It only reports: this may have changed.

kopf's `on.event` sees every event of the watch and keeps no state on the object: no annotation, no finalizer, nothing
that a GitOps tool would see. Everything else (order, retries, deadlines) is the queue's.

Runs and Pods come in thousands, and change often. kopf keeps a task, a queue and a memory for each object, and takes
longer over an event than we over its consequences, so a reflector of ours watches them
(docs/design/2026-11-30-runs-and-pods-are-watched-by-a-reflector.md).
"""

from __future__ import annotations

from collections.abc import Mapping, Set
from typing import Any

import kopf

from icefield_crds.labels import POD_SELECTOR
from icefield_crds.names import GROUP, VERSION
from icefield_kube.client import Manifest
from icefield_kube.watch import PAGE_SIZE, Reflector

from .cluster import Cluster
from .cluster_cache import MODELS, Kind
from .controllers import Controllers

WATCH_SECONDS = 300
"""After so long a watch is restarted from its last version: a connection may have died unnoticed."""

REFLECTED = {Kind.RUN: "", Kind.POD: POD_SELECTOR}
"""The kinds that a reflector watches, with the labels of those that concern us."""


def reflectors_for(controllers: Controllers, cluster: Cluster, versions: Mapping[str, str]) -> list[Reflector]:
    """Return the reflectors that feed these controllers.

    Args:
        controllers: they have the objects of a first list of each kind already.
        cluster: is watched.
        versions: resourceVersion of the first list, by kind.
    """
    return [
        cluster.reflector(kind, _Receiver(kind, controllers), selector=selector, version=versions[kind])
        for kind, selector in REFLECTED.items()
    ]


class _Receiver:
    """Reports what a reflector receives of one kind."""

    def __init__(self, kind: str, controllers: Controllers) -> None:
        self._kind = kind
        self._controllers = controllers

    def put(self, item: Manifest) -> None:
        """Report an object that was added or changed, or that a list has."""
        self._controllers.handle("MODIFIED", {**item, "kind": self._kind})

    def remove(self, item: Manifest) -> None:
        """Report a deletion; that of an unknown object is no news."""
        self._controllers.handle("DELETED", {**item, "kind": self._kind})

    def retain(self, listed: Set[str], version: int) -> None:
        """Report the end of a list that was made again."""
        self._controllers.handle_list(self._kind, listed, version)


def registry_for(controllers: Controllers, cluster: Cluster) -> kopf.OperatorRegistry:
    """Return kopf's registry with one handler for each kind that it watches, each feeding these controllers."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(**(await cluster.credentials())._asdict())

    kopf.on.startup(registry=registry)(_configure)

    for kind, model in MODELS.items():
        if kind in REFLECTED:
            continue

        @kopf.on.event(GROUP, VERSION, model.PLURAL, registry=registry, id=f"{model.PLURAL}-changed", param=kind)
        async def resource_changed(event: Any, param: Any = None, **_: Any) -> None:
            # kopf lists without the kind in each item, as the API server serves lists.
            controllers.handle(event["type"], {**event["object"], "kind": param})

    return registry


class _NoMemory(kopf.DiffBaseStorage):
    """Remembers nothing: events need no last state, and computing one would copy every object that arrives."""

    def build(self, **_: Any) -> kopf.BodyEssence:
        return kopf.BodyEssence({})

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


async def _configure(settings: kopf.OperatorSettings, **_: Any) -> None:
    settings.posting.enabled = False
    settings.persistence.diffbase_storage = _NoMemory()
    settings.peering.standalone = True
    settings.watching.server_timeout = WATCH_SECONDS
    settings.watching.chunk_size = PAGE_SIZE
    settings.networking.request_timeout = 30
