"""Registers the Workspace: passes over it when it changes, and its clean-up when it is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from icefield_crds import labels
from icefield_kube.client import Manifest
from icefield_operator.cluster_cache import Kind
from icefield_operator.platform import Platform
from icefield_operator.queue import Key
from icefield_operator.sandbox.network import Servers, policies

from .catalog import WorkspaceCatalogs
from .cleanup import LIMIT, Cleanup
from .cluster_policies import ClusterPolicies
from .credentials import WorkspaceCredentials
from .reconcile import WorkspaceReconciler


def register(platform: Platform, cleanup_limit: timedelta = LIMIT) -> None:
    """Plug Workspaces into the controllers; the clean-up of a deleted one is given up after `cleanup_limit`."""
    cluster, controllers, settings = platform.cluster, platform.controllers, platform.settings
    store, users = platform.storage.store, platform.storage.users
    cluster_policies = ClusterPolicies(cluster, controllers.cache, users)
    catalogs = WorkspaceCatalogs(cluster, platform.storage.catalogs, store.config)
    servers = Servers(settings.api_url, store.config.endpoint)
    reconciler = WorkspaceReconciler(
        cluster,
        controllers.cache,
        WorkspaceCredentials(cluster, store, users, cluster_policies, catalogs),
        Cleanup(cluster, store, users, catalogs, cluster_policies, platform.logs, cleanup_limit),
        cluster_policies,
        [file for file in (settings.tls_ca_file, settings.package_index_ca_file) if file],
        lambda workspace: policies(workspace, servers),
    )
    controllers.register(Kind.WORKSPACE, reconciler.reconcile)

    def workspace_of(child: Manifest) -> Iterator[Key]:
        slug = (child["metadata"].get("labels") or {}).get(labels.WORKSPACE, "")
        if controllers.cache.workspace(slug):
            yield Key(Kind.WORKSPACE, "", slug)

    platform.children.relate(workspace_of)
