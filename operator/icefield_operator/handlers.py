"""The only module with kopf's decorators. A handler only reports: this may have changed.

kopf's `on.event` sees every event of the watch and keeps no state on the object: no annotation, no finalizer, nothing
that a GitOps tool would see. Everything else (order, retries, deadlines) is the queue's.
"""

from __future__ import annotations

from typing import Any

import kopf

from icefield_crds.labels import POD_SELECTOR
from icefield_crds.names import GROUP, VERSION
from icefield_kube.client import Manifest
from icefield_kube.watch import PAGE_SIZE

from .cluster import Cluster
from .cluster_cache import MODELS, Kind
from .controllers import Controllers

WATCH_SECONDS = 300
"""After so long a watch is restarted from its last version: a connection may have died unnoticed."""


def registry_for(controllers: Controllers, cluster: Cluster) -> kopf.OperatorRegistry:
    """Return kopf's registry with one handler per watched kind, each feeding these controllers."""
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        return kopf.ConnectionInfo(**(await cluster.credentials())._asdict())

    kopf.on.startup(registry=registry)(_configure)

    def seen(kind: str, event: Any) -> None:
        # kopf lists without the kind in each item, as the API server serves lists.
        manifest: Manifest = {**event["object"], "kind": kind}
        controllers.handle(event["type"], manifest)

    for kind, model in MODELS.items():

        @kopf.on.event(GROUP, VERSION, model.PLURAL, registry=registry, id=f"{model.PLURAL}-changed", param=kind)
        async def resource_changed(event: Any, param: Any = None, **_: Any) -> None:
            seen(param, event)

    @kopf.on.event("v1", "pods", registry=registry)
    async def pod_changed(event: Any, **_: Any) -> None:
        seen(Kind.POD.value, event)

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
    settings.watching.label_selectors["v1", "pods"] = POD_SELECTOR
    settings.networking.request_timeout = 30
