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
from .sandbox.build import Images as SandboxImages
from .sandbox.build import SandboxBuilder
from .sandbox.claims import Claims
from .sandbox.maker import SandboxMaker
from .sandbox.network import Servers
from .sandbox.network import policies as sandbox_policies
from .sandbox.pools import SandboxPools
from .sandbox.tokens import SandboxTokens
from .sandbox.workload import WorkloadWriter
from .sandbox.workloads import Address, Workloads, address_of
from .settings import Settings
from .spark.driver_rights import DriverRights
from .spark.executors import Executors
from .spark.maker import SparkMaker
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
    rights = DriverRights(cluster, controllers.world)
    plug_in_runs(controllers, cluster, settings, archiver, rights)
    plug_in_workspaces(controllers, cluster, settings, store, users, catalogs, archiver)
    plug_in_warehouses(controllers, cluster, settings, rights)
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
    servers = Servers(settings.api_url, store.config.endpoint)
    WorkspaceReconciler(
        cluster,
        controllers,
        access,
        cleanup,
        shared,
        settings.tls_ca_file,
        lambda workspace: sandbox_policies(workspace, servers),
    )


def plug_in_runs(
    controllers: Controllers,
    cluster: Cluster,
    settings: Settings,
    logs: Logs,
    rights: DriverRights,
    address: Address = address_of,
) -> None:
    """Plug in what reconciles Runs, and the sandboxes that some of them run in."""
    images = Images(settings.runtime_image, settings.tini_image, settings.image_pull_policy)
    signer = RunTokenSigner.from_file(settings.run_token_private_key_file)
    makers: dict[Work, Maker] = {
        Work.COMMAND: CommandMaker(cluster, PodSettings(images, settings.api_url), signer),
        Work.POLARS: _sandboxes(controllers, cluster, settings, signer, address),
        Work.SPARK: _applications(controllers, cluster, settings, signer, rights),
    }
    RunReconciler(cluster, controllers, makers, logs)
    run_relations.register(controllers)


def _sandboxes(
    controllers: Controllers, cluster: Cluster, settings: Settings, signer: RunTokenSigner, address: Address
) -> SandboxMaker:
    tokens = SandboxTokens(signer)
    images = SandboxImages(settings.polars_image, settings.polars_cloud_image, settings.image_pull_policy)
    builder = SandboxBuilder(images, tokens)
    workloads = Workloads(
        WorkloadWriter(cluster, signer, settings.api_url),
        tokens,
        lambda namespace, run: controllers.enqueue(Key(Kind.RUN, namespace, run)),
        address,
    )
    controllers.serve(workloads.run)
    pools = SandboxPools(cluster, controllers, builder)
    return SandboxMaker(cluster, builder, Claims(cluster, controllers.world), pools, workloads)


def _applications(
    controllers: Controllers, cluster: Cluster, settings: Settings, signer: RunTokenSigner, rights: DriverRights
) -> SparkMaker:
    images = Images(settings.warehouse_image, settings.tini_image, settings.image_pull_policy)
    executors = Executors(cluster, controllers, rights)
    return SparkMaker(cluster, PodSettings(images, settings.api_url), signer, rights, executors)


def plug_in_warehouses(controllers: Controllers, cluster: Cluster, settings: Settings, rights: DriverRights) -> None:
    """Plug in what reconciles Warehouses."""
    gateways = Gateways(cluster)
    controllers.serve(gateways.run)
    image = Image(settings.warehouse_image, settings.image_pull_policy)
    WarehouseReconciler(cluster, controllers, image, gateways, rights)
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
