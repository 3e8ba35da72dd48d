"""What a Run that names a Job takes from it, and the Job's ownership of it."""

from __future__ import annotations

import logging

from icefield_crds import Run, RunStatus
from icefield_crds.stored_size import size_problem
from icefield_kube.errors import Conflict, Forbidden, KubernetesError
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache

from . import resolve
from .resolve import RunFacts

log = logging.getLogger(__name__)


class JobTooLargeError(ValueError):
    """What a Run would execute is larger than a Run can be; the message is for its owner."""


async def take_snapshot(run: Run, cluster: Cluster, cache: ClusterCache) -> Run:
    """Record what a Run executes that names only a Job, before anything of it starts; return the Run as it is then.

    Raises:
        JobTooLargeError: it cannot be stored in the Run.
    """
    namespace = run.metadata.namespace or ""
    job = cache.job(namespace, run.spec.job_ref.name) if run.spec.job_ref else None
    if job is None:
        return run
    with_snapshot = (run.status or RunStatus()).model_copy(update={"snapshot": resolve.snapshot(run, job)})
    if problem := size_problem(run.model_copy(update={"status": with_snapshot})):
        raise JobTooLargeError(problem)
    try:
        await cluster.write_status(run, with_snapshot)
    except KubernetesError as error:
        if error.is_too_large:  # a cluster may store less than etcd does by default
            raise JobTooLargeError("with its job, the run is larger than the cluster can store") from error
        raise
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
