"""Which controllers there are, and what each is given."""

from __future__ import annotations

from datetime import timedelta

from .catalog.access import Catalogs
from .cluster import Cluster
from .controllers import Controllers
from .job.reconcile import JobReconciler
from .logs.archiver import LogArchiver
from .objectstore.access import Users
from .objectstore.store import ObjectStore
from .queue import Key
from .run import relations as run_relations
from .run.build import Images
from .run.command import CommandMaker, PodSettings
from .run.maker import Maker
from .run.reconcile import Logs, RunReconciler
from .run.work import Work
from .run_token import RunTokenSigner
from .settings import Settings
from .spark.driver_rights import DriverRights
from .warehouse import relations as warehouse_relations
from .warehouse.build import Image
from .warehouse.gateway import Gateways
from .warehouse.reconcile import WarehouseReconciler
from .workspace.access import WorkspaceAccess
from .workspace.catalog import WorkspaceCatalogs
from .workspace.cleanup import LIMIT as CLEANUP_LIMIT
from .workspace.cleanup import Cleanup
from .workspace.reconcile import WorkspaceReconciler
from .workspace.shared import Shared
from .world import Kind


def plug_in_all(
    controllers: Controllers,
    cluster: Cluster,
    settings: Settings,
    store: ObjectStore,
    users: Users,
    catalogs: Catalogs,
) -> None:
    """Plug in every controller of the operator."""
    archiver = plug_in_logs(controllers, cluster, store)
    plug_in_runs(controllers, cluster, settings, archiver)
    plug_in_workspaces(controllers, cluster, settings, store, users, catalogs, archiver)
    plug_in_warehouses(controllers, cluster, settings)
    JobReconciler(cluster, controllers)


def plug_in_workspaces(
    controllers: Controllers,
    cluster: Cluster,
    settings: Settings,
    store: ObjectStore,
    users: Users,
    catalogs: Catalogs,
    archiver: LogArchiver,
    cleanup_limit: timedelta = CLEANUP_LIMIT,
) -> None:
    """Plug in what reconciles Workspaces."""
    shared = Shared(cluster, controllers.world, users)
    own = WorkspaceCatalogs(cluster, catalogs, store.config)
    access = WorkspaceAccess(cluster, store, users, shared, own)
    cleanup = Cleanup(cluster, store, users, own, shared, archiver, cleanup_limit)
    WorkspaceReconciler(cluster, controllers, access, cleanup, shared, settings.tls_ca_file)


def plug_in_runs(controllers: Controllers, cluster: Cluster, settings: Settings, logs: Logs) -> None:
    """Plug in what reconciles Runs."""
    images = Images(settings.runtime_image, settings.tini_image, settings.image_pull_policy)
    signer = RunTokenSigner.from_file(settings.run_token_private_key_file)
    makers: dict[Work, Maker] = {Work.COMMAND: CommandMaker(cluster, PodSettings(images, settings.api_url), signer)}
    RunReconciler(cluster, controllers, makers, logs)
    run_relations.register(controllers)


def plug_in_warehouses(controllers: Controllers, cluster: Cluster, settings: Settings) -> None:
    """Plug in what reconciles Warehouses."""
    gateways = Gateways(cluster)
    controllers.serve(gateways.run)
    image = Image(settings.warehouse_image, settings.image_pull_policy)
    WarehouseReconciler(cluster, controllers, image, gateways, DriverRights(cluster, controllers.world))
    warehouse_relations.register(controllers)


def plug_in_logs(controllers: Controllers, cluster: Cluster, store: ObjectStore) -> LogArchiver:
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
