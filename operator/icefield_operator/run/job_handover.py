"""What a Run that names a Job takes from it, and the Job's ownership of it."""

from __future__ import annotations

import logging

from icefield_crds import Run, RunStatus
from icefield_kube.errors import Conflict, Forbidden
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache

from . import resolve
from .resolve import RunFacts

log = logging.getLogger(__name__)


async def take_snapshot(run: Run, cluster: Cluster, cache: ClusterCache) -> Run:
    """Record what a Run executes that names only a Job, before anything of it starts; return the Run as it is then."""
    namespace = run.metadata.namespace or ""
    job = cache.job(namespace, run.spec.job_ref.name) if run.spec.job_ref else None
    if job is None:
        return run
    with_snapshot = (run.status or RunStatus()).model_copy(update={"snapshot": resolve.snapshot(run, job)})
    await cluster.write_status(run, with_snapshot)
    return cache.run(namespace, run.metadata.name) or run


async def set_owner(facts: RunFacts, cluster: Cluster) -> None:
    """Make the Job the owner of a Run that was applied without one, so that it is deleted with its Job."""
    run, job = facts.run, facts.job
    if job is None or run.metadata.owner_references:
        return
    try:
        await cluster.apply_owner(run, job)
    except (Conflict, Forbidden) as error:
        metadata = run.metadata
        log.warning("Run %s/%s stays without its job as owner: %s", metadata.namespace, metadata.name, error)
