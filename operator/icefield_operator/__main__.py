"""`python -m icefield_operator`: the operator, in a pod or, with KUBECONFIG, from a checkout."""

from __future__ import annotations

import asyncio
import logging
import signal

import uvloop

from icefield_crds.names import SYSTEM_NAMESPACE

from .catalog.access import open_catalogs
from .cluster import Cluster
from .cluster_cache import ClusterCache
from .controllers import Controllers
from .kinds import all_kinds, register_kinds
from .leader_election import LeaderElection, Timing
from .lifecycle import Operator
from .logs.observe import observe_pods
from .objectstore.access import open_users
from .objectstore.store import ObjectStore
from .platform import Platform, Storage
from .settings import CatalogSettings, ObjectStoreSettings, Settings


async def serve() -> None:
    """Run one operator until SIGTERM; it acts while it holds the Lease, and stands by while another does."""
    settings = Settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("kopf").setLevel(logging.WARNING)
    cache = ClusterCache()
    cluster = await Cluster.connect(cache)
    try:
        config, timing = ObjectStoreSettings().config(), Timing.of(settings.lease_seconds)
        async with (
            ObjectStore.open(config) as store,
            open_users(config, store) as users,
            open_catalogs(CatalogSettings().config()) as catalogs,
            LeaderElection.open(SYSTEM_NAMESPACE, settings.lease_name, settings.pod_name, timing) as election,
        ):
            controllers = Controllers(cache, settings.workers)
            logs = observe_pods(controllers, cluster, store)
            platform = Platform(cluster, controllers, settings, logs, Storage(store, users, catalogs))
            register_kinds(platform, all_kinds())
            cluster.write_only_while(election.is_leading)
            operator = Operator(settings, cluster, controllers, election)
            for number in (signal.SIGTERM, signal.SIGINT):
                asyncio.get_running_loop().add_signal_handler(number, operator.stop)
            await operator.run()
    finally:
        await cluster.close()


if __name__ == "__main__":
    uvloop.run(serve())
