"""Which controllers there are, and what each is given."""

from __future__ import annotations

from .cluster import Cluster
from .controllers import Controllers
from .logs.archiver import LogArchiver
from .objectstore.store import ObjectStore
from .queue import Key
from .run import relations
from .run.build import Images
from .run.reconcile import Logs, PodSettings, RunReconciler
from .run_token import RunTokenSigner
from .settings import Settings
from .world import Kind


def plug_in_all(controllers: Controllers, cluster: Cluster, settings: Settings, store: ObjectStore) -> None:
    """Plug in every controller of the operator."""
    plug_in_runs(controllers, cluster, settings, plug_in_logs(controllers, cluster, store))


def plug_in_runs(controllers: Controllers, cluster: Cluster, settings: Settings, logs: Logs) -> None:
    """Plug in what reconciles Runs."""
    images = Images(settings.runtime_image, settings.tini_image, settings.image_pull_policy)
    signer = RunTokenSigner.from_file(settings.run_token_private_key_file)
    RunReconciler(cluster, controllers, PodSettings(images, settings.api_url), signer, logs)
    relations.register(controllers)


def plug_in_logs(controllers: Controllers, cluster: Cluster, store: ObjectStore) -> Logs:
    """Plug in what archives the logs of task pods."""
    archiver = LogArchiver(
        store, cluster.pod_log, lambda namespace, run: controllers.enqueue(Key(Kind.RUN, namespace, run))
    )

    async def observe(key: Key) -> None:
        if pod := controllers.world.pod(key.namespace, key.name):
            archiver.observe(pod)

    controllers.register(Kind.POD, observe)
    controllers.serve(archiver.run)
    return archiver
