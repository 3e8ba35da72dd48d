"""Registers the Job: passes over it when it, one of its Runs or its Workspace changes."""

from __future__ import annotations

from collections.abc import Iterator

from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import Kind
from icefield_operator.platform import Platform
from icefield_operator.queue import Key
from icefield_operator.relations import all_of, in_workspace

from .reconcile import JobReconciler


def register(platform: Platform) -> None:
    """Plug Jobs into the controllers."""
    controllers = platform.controllers
    controllers.register(Kind.JOB, JobReconciler(platform.cluster, controllers.cache).reconcile)
    controllers.relate(Kind.RUN, _job_of)
    controllers.relate(Kind.FLAVOR, all_of(controllers.cache.jobs))
    controllers.relate(Kind.WORKSPACE, in_workspace(controllers.cache.jobs))


def _job_of(run: Manifest) -> Iterator[Key]:
    if name := run["spec"].get("jobRef", {}).get("name"):
        yield Key(Kind.JOB, run["metadata"]["namespace"], name)
