"""`python -m icefield_operator`: the operator, in a pod or, with KUBECONFIG, from a checkout."""

from __future__ import annotations

import asyncio
import logging

from .assembly import plug_in_all
from .catalog.access import open_catalogs
from .cluster import Cluster
from .controllers import Controllers
from .lifecycle import Operator
from .objectstore.access import open_users
from .objectstore.store import ObjectStore
from .settings import CatalogSettings, ObjectStoreSettings, Settings
from .world import World


async def serve() -> None:
    """Run one operator until SIGTERM."""
    settings = Settings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("kopf", "httpx"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    world = World()
    cluster = await Cluster.connect(world)
    try:
        config = ObjectStoreSettings().config()
        async with (
            ObjectStore.open(config) as store,
            open_users(config, store) as users,
            open_catalogs(CatalogSettings().config()) as catalogs,
        ):
            controllers = Controllers(world, settings.workers)
            plug_in_all(controllers, cluster, settings, store, users, catalogs)
            await Operator(settings, cluster, controllers).run()
    finally:
        await cluster.close()


if __name__ == "__main__":
    asyncio.run(serve())
