"""The log archiver beside the queue: it observes every task pod, and the pods of the log agents."""

from __future__ import annotations

from icefield_crds.names import SYSTEM_NAMESPACE
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import Kind
from icefield_operator.controllers import Controllers
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.queue import Key

from .archiver import LogArchiver
from .node_agents import NodeAgents, is_log_agent


def observe_pods(controllers: Controllers, cluster: Cluster, store: ObjectStore) -> LogArchiver:
    """Plug the archiver into the controllers and return it."""
    cache = controllers.cache
    agents = NodeAgents(
        lambda: filter(None, (cache.pod(*key) for key in cache.names(Kind.POD) if key[0] == SYSTEM_NAMESPACE))
    )
    archiver = LogArchiver(
        store, cluster.pod_log, agents, lambda namespace, run: controllers.enqueue(Key(Kind.RUN, namespace, run))
    )

    async def observe(key: Key) -> None:
        pod = cache.pod(key.namespace, key.name)
        if key.namespace == SYSTEM_NAMESPACE:
            if pod is None:
                agents.observe_gone(key.name)
            elif is_log_agent(pod):
                agents.observe(pod)
        elif pod:
            archiver.observe(pod)

    controllers.register(Kind.POD, observe)
    controllers.serve(archiver.run)
    return archiver
