"""Registers Polars workloads: their sandboxes as a type of Run, and the passes over each workspace's warm pool."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_crds.names import workspace_of
from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import Kind, pod_owner
from icefield_operator.environment.register import environments_of
from icefield_operator.platform import Platform
from icefield_operator.queue import Key
from icefield_operator.run.provisioner import PodProvisioners
from icefield_operator.run.run_type import RunType

from .build import SandboxBuilder, SandboxImages
from .claims import Claims
from .dispatcher import Address, WorkloadDispatcher, address_of
from .metrics import export_sandboxes
from .pool_reconcile import KEY_KIND, SandboxPoolReconciler, key_of_pool
from .provisioner import SandboxProvisioner
from .tokens import SandboxTokens
from .workload import WorkloadWriter


def register(platform: Platform, address: Address = address_of) -> None:
    """Plug Polars workloads into the controllers; `address` returns where the sandbox of a pod listens."""
    cluster, controllers, settings = platform.cluster, platform.controllers, platform.settings
    tokens = SandboxTokens(platform.signer)
    images = SandboxImages(settings.polars_image, settings.polars_cloud_image, settings.image_pull_policy)
    builder = SandboxBuilder(images, tokens)
    dispatcher = WorkloadDispatcher(
        WorkloadWriter(cluster, platform.signer, settings.api_url),
        tokens,
        lambda namespace, run: controllers.enqueue(Key(Kind.RUN, namespace, run)),
        address,
    )
    controllers.serve(dispatcher.run)
    pools = SandboxPoolReconciler(cluster, controllers, builder)
    controllers.register(KEY_KIND, pools.reconcile, names_of=Kind.WORKSPACE)
    controllers.relate(Kind.WORKSPACE, lambda workspace: [key_of_pool(workspace["metadata"]["name"])])
    controllers.relate(Kind.POD, _pool_of_pod)
    controllers.relate(Kind.RUN, _pool_of_run)
    controllers.export(export_sandboxes)
    claims = Claims(cluster, controllers.cache)
    platform.singleton(PodProvisioners, PodProvisioners).add(
        RunType.POLARS,
        SandboxProvisioner(cluster, builder, claims, pools, dispatcher, environments_of(platform)),
    )


def _pool_of_pod(pod: Manifest) -> Iterator[Key]:
    if (owner := pod_owner(pod)) and owner.kind == Kind.WORKSPACE:
        yield key_of_pool(owner.name)


def _pool_of_run(run: Manifest) -> Iterator[Key]:
    slug = workspace_of(run["metadata"]["namespace"])
    if slug and (run.get("spec") or {}).get("polars") is not None:
        yield key_of_pool(slug)
