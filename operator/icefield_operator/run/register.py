"""Registers the Run: passes over it when it, its pods, or what it waits for changes. Its tasks' pods are provided here;
the folders of the other types of runs add their provisioners."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_crds.run import REPLACED_BY_ANNOTATION
from icefield_kube.client import Manifest
from icefield_kube.store import GroupCounts, GroupIndex
from icefield_operator.cluster_cache import Entry, Kind, key_of
from icefield_operator.environment.register import environments_of
from icefield_operator.platform import Platform
from icefield_operator.queue import Key
from icefield_operator.relations import all_of, in_workspace, owner_of_pod

from .build import TaskImages
from .command_provisioner import CommandProvisioner, PodSettings
from .metrics import export_runs, phases_of
from .provisioner import PodProvisioners
from .reconcile import RunReconciler
from .run_type import RunType


def register(platform: Platform) -> None:
    """Plug Runs into the controllers."""
    controllers, settings = platform.controllers, platform.settings
    cache = controllers.cache
    images = TaskImages(settings.runtime_image, settings.tini_image, settings.image_pull_policy)
    provisioners = platform.singleton(PodProvisioners, PodProvisioners)
    pod_settings = PodSettings(images, settings.api_url)
    provisioners.add(
        RunType.COMMAND,
        CommandProvisioner(platform.cluster, pod_settings, platform.signer, environments_of(platform)),
    )
    reconciler = RunReconciler(platform.cluster, controllers, provisioners, platform.logs)
    controllers.register(Kind.RUN, reconciler.reconcile)
    phases = GroupCounts(phases_of)
    cache.add_index(Kind.RUN, phases)
    controllers.export(lambda _: export_runs(phases))
    controllers.relate(Kind.POD, owner_of_pod(Kind.RUN))
    controllers.relate(Kind.FLAVOR, all_of(cache.unfinished_runs))
    controllers.relate(Kind.WORKSPACE, in_workspace(cache.unfinished_runs))
    controllers.relate(Kind.RUN, _replacement_of)
    waiting = GroupIndex(_awaited_job)
    cache.add_index(Kind.RUN, waiting)
    controllers.relate(Kind.JOB, lambda job: _runs_waiting_for(waiting, job))


def _replacement_of(run: Manifest) -> Iterator[Key]:
    if name := (run["metadata"].get("annotations") or {}).get(REPLACED_BY_ANNOTATION):
        yield Key(Kind.RUN, run["metadata"]["namespace"], name)


def _runs_waiting_for(waiting: GroupIndex[Entry], job: Manifest) -> list[Key]:
    found = waiting.of("/".join(key_of(job)))
    return [Key(Kind.RUN, run.identity.namespace, run.identity.name) for run in found]


def _awaited_job(run: Entry) -> tuple[str, ...]:
    """Return the job without which it is not known what an unfinished run executes."""
    if not run.run or not run.run.is_unfinished:
        return ()
    spec, status = run.manifest["spec"], run.manifest.get("status") or {}
    job = (spec.get("jobRef") or {}).get("name")
    is_known = spec.keys() & {"command", "tasks"} or "snapshot" in status
    return (f"{run.identity.namespace}/{job}",) if job and not is_known else ()
