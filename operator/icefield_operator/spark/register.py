"""Registers Spark applications: their drivers as a type of Run, and the passes over their executors."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import Kind
from icefield_operator.environment.register import environments_of
from icefield_operator.platform import Platform
from icefield_operator.queue import Key
from icefield_operator.run.build import TaskImages
from icefield_operator.run.command_provisioner import PodSettings
from icefield_operator.run.provisioner import PodProvisioners
from icefield_operator.run.run_type import RunType

from .driver_rbac import APPLICATIONS, DriverRbac, has_executors
from .executors import KEY_KIND, ExecutorReconciler
from .provisioner import SparkProvisioner


def register(platform: Platform) -> None:
    """Plug Spark applications into the controllers."""
    cluster, controllers, settings = platform.cluster, platform.controllers, platform.settings
    rbac = platform.singleton(DriverRbac, lambda: DriverRbac(platform.children, controllers.cache))
    executors = ExecutorReconciler(cluster, controllers, rbac)
    controllers.register(KEY_KIND, executors.reconcile, names_of=Kind.RUN)
    controllers.relate(Kind.RUN, _executors_of)

    def applications_of(child: Manifest) -> Iterator[Key]:
        namespace = child["metadata"].get("namespace", "")
        if child["metadata"]["name"] == APPLICATIONS:
            for run in filter(has_executors, controllers.cache.unfinished_runs(namespace)):
                yield Key(KEY_KIND, namespace, run.metadata.name)

    platform.children.relate(applications_of)
    images = TaskImages(settings.warehouse_image, settings.tini_image, settings.image_pull_policy)
    pod_settings = PodSettings(images, settings.api_url)
    platform.singleton(PodProvisioners, PodProvisioners).add(
        RunType.SPARK,
        SparkProvisioner(cluster, pod_settings, platform.signer, rbac, executors, environments_of(platform)),
    )


def _executors_of(run: Manifest) -> Iterator[Key]:
    if ((run.get("spec") or {}).get("spark") or {}).get("executors"):
        yield Key(KEY_KIND, run["metadata"]["namespace"], run["metadata"]["name"])
