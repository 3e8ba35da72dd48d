"""Registers the Run: passes over it when it, its pods, or what it waits for changes. Its tasks' pods are provided here;
the folders of the other types of runs add their provisioners."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import ClusterCache, Kind
from icefield_operator.platform import Platform
from icefield_operator.queue import Key
from icefield_operator.relations import all_of, in_workspace, keys_of, owner_of_pod

from .build import TaskImages
from .command_provisioner import CommandProvisioner, PodSettings
from .metrics import export_runs
from .provisioner import PodProvisioners
from .reconcile import RunReconciler
from .run_type import RunType


def register(platform: Platform) -> None:
    """Plug Runs into the controllers."""
    controllers, settings = platform.controllers, platform.settings
    cache = controllers.cache
    images = TaskImages(settings.runtime_image, settings.tini_image, settings.image_pull_policy)
    provisioners = platform.singleton(PodProvisioners, PodProvisioners)
    provisioners.add(
        RunType.COMMAND, CommandProvisioner(platform.cluster, PodSettings(images, settings.api_url), platform.signer)
    )
    reconciler = RunReconciler(platform.cluster, controllers, provisioners, platform.logs)
    controllers.register(Kind.RUN, reconciler.reconcile)
    controllers.export(export_runs)
    controllers.relate(Kind.POD, owner_of_pod(Kind.RUN))
    controllers.relate(Kind.FLAVOR, all_of(cache.unfinished_runs))
    controllers.relate(Kind.WORKSPACE, in_workspace(cache.unfinished_runs))
    controllers.relate(Kind.JOB, lambda job: _runs_waiting_for(cache, job))


def _runs_waiting_for(cache: ClusterCache, job: Manifest) -> Iterator[Key]:
    metadata = job["metadata"]
    return keys_of(
        run
        for run in cache.unfinished_runs(metadata["namespace"])
        if run.spec.job_ref and run.spec.job_ref.name == metadata["name"] and run.execution is None
    )
