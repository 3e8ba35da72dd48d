"""The log archiver beside the queue: it observes every task pod."""

from __future__ import annotations

from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import Kind
from icefield_operator.controllers import Controllers
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.queue import Key

from .archiver import LogArchiver


def observe_pods(controllers: Controllers, cluster: Cluster, store: ObjectStore) -> LogArchiver:
    """Plug the archiver into the controllers and return it."""
    archiver = LogArchiver(
        store, cluster.pod_log, lambda namespace, run: controllers.enqueue(Key(Kind.RUN, namespace, run))
    )

    async def observe(key: Key) -> None:
        if pod := controllers.cache.pod(key.namespace, key.name):
            archiver.observe(pod)

    controllers.register(Kind.POD, observe)
    controllers.serve(archiver.run)
    return archiver
