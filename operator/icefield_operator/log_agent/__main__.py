"""`python -m icefield_operator.log_agent`: the agent of one node, in a pod or, with KUBECONFIG, from a checkout."""

from __future__ import annotations

import asyncio
import logging
import signal

import uvloop

from icefield_crds.labels import TASK_POD_SELECTOR
from icefield_kube.client import KubeClient
from icefield_kube.paths import path_of
from icefield_kube.request_review import RequestReview
from icefield_kube.watch import Reflector
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.probes import Probes
from icefield_operator.settings import ObjectStoreSettings

from .collector import Collector, Limits
from .settings import AgentSettings


async def serve(settings: AgentSettings, store: ObjectStore) -> None:
    """Run one agent until cancelled."""
    client = await KubeClient.connect()
    try:
        limits = Limits(settings.log_bytes_per_second, settings.log_backlog_bytes)
        collector = Collector(store, settings.pod_logs, limits)
        pods = Reflector(
            client,
            path_of("Pod", None),
            collector,
            label_selector=TASK_POD_SELECTOR,
            field_selector=f"spec.nodeName={settings.node_name}",
        )
        probes = Probes(lambda: pods.is_synced and collector.can_read, RequestReview(client))
        async with asyncio.TaskGroup() as group:
            group.create_task(probes.serve(settings.health_port))
            group.create_task(pods.run())
            group.create_task(collector.run())
    finally:
        await client.close()


async def main() -> None:
    """Run the agent until SIGTERM."""
    settings = AgentSettings()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    async with ObjectStore.open(ObjectStoreSettings().config()) as store:
        serving = asyncio.ensure_future(serve(settings, store))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, serving.cancel)
        try:
            await serving
        except asyncio.CancelledError:
            logging.getLogger(__name__).info("stopped")


if __name__ == "__main__":
    uvloop.run(main())
