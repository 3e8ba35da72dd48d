"""The finalizer that keeps a deleted Workspace until its clean-up is done."""

from __future__ import annotations

from icefield_crds import Workspace
from icefield_crds.names import WORKSPACE_FINALIZER
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import Kind


def has_finalizer(workspace: Workspace) -> bool:
    """Return whether a Workspace has the finalizer."""
    return WORKSPACE_FINALIZER in workspace.metadata.finalizers


async def add_finalizer(workspace: Workspace, cluster: Cluster) -> None:
    """Add the finalizer."""
    await _write(workspace, [*workspace.metadata.finalizers, WORKSPACE_FINALIZER], cluster)


async def remove_finalizer(workspace: Workspace, cluster: Cluster) -> None:
    """Remove the finalizer: the Workspace is deleted then."""
    others = [finalizer for finalizer in workspace.metadata.finalizers if finalizer != WORKSPACE_FINALIZER]
    await _write(workspace, others, cluster)


async def _write(workspace: Workspace, finalizers: list[str], cluster: Cluster) -> None:
    metadata = workspace.metadata
    patch = {
        "metadata": {"uid": metadata.uid, "resourceVersion": metadata.resource_version, "finalizers": finalizers},
    }
    await cluster.merge_patch(Kind.WORKSPACE, None, metadata.name, patch)
