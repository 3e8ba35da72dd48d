"""The lifecycle of a Workspace: resolve, validate, build, apply, write the status; cleanup.py has its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from icefield_crds import Reason, Workspace
from icefield_kube.client import Manifest
from icefield_kube.errors import AlreadyExists
from icefield_operator.catalog.provider import CatalogError, CatalogMissingError
from icefield_operator.cluster import Cluster, together
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.objectstore.config import CredentialsMissingError, ObjectStoreError
from icefield_operator.problem import Problem
from icefield_operator.queue import Key

from . import build, ca_bundle, resolve, status, validate
from .cleanup import Cleanup
from .cluster_policies import ClusterPolicies
from .credentials import Applied, WorkspaceCredentials
from .finalizer import add_finalizer, has_finalizer
from .resolve import WorkspaceFacts

RETRY_INTERVAL = timedelta(seconds=10)
"""When to retry what no watch reports: a namespace being deleted, a store that is unavailable, a supplied Secret."""


class WorkspaceReconciler:
    """Reconciles Workspaces."""

    def __init__(
        self,
        cluster: Cluster,
        cache: ClusterCache,
        credentials: WorkspaceCredentials,
        cleanup: Cleanup,
        cluster_policies: ClusterPolicies,
        own_authorities: Sequence[Path],
        policies: Callable[[Workspace], list[Manifest]],
    ) -> None:
        """Initialize.

        Args:
            cluster: where namespaces are made.
            cache: the cached snapshot of the cluster.
            access: what gives a workspace its keys, catalog and token.
            cleanup: what a deleted workspace leaves behind.
            cluster_policies: what is computed from all workspaces.
            own_authorities: PEM files of CAs that are none of the system's.
            policies: the network policies of a workspace's sandboxes.
        """
        self._cluster = cluster
        self._cache = cache
        self._credentials = credentials
        self._cleanup = cleanup
        self._cluster_policies = cluster_policies
        self._own_authorities = own_authorities
        self._policies = policies

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Workspace; return when the next is due though nothing changes."""
        workspace = self._cache.workspace(key.name)
        if workspace is None:
            await self._cluster_policies.apply_impersonator_role()
            return None
        if workspace.metadata.deletion_timestamp:
            return await self._cleanup.advance(workspace)
        facts = await resolve.facts(workspace, self._cluster)
        applied = Applied(validate.find_problem(facts))
        if applied.problem is None:
            # First of all: some of what is created below is outside the cluster, and must be cleaned up.
            workspace = await self._with_finalizer(workspace)
            applied = await self._apply(facts)
        now, problem = datetime.now(UTC), applied.problem
        written = status.not_ready(workspace, problem, now) if problem else status.ready(workspace, now)
        await self._cluster.write_status(workspace, written)
        return RETRY_INTERVAL if problem else applied.next_pass

    async def _apply(self, facts: WorkspaceFacts) -> Applied:
        workspace = facts.workspace
        if facts.namespace is None:
            try:
                await self._cluster.create(build.namespace(workspace))
            except AlreadyExists:
                # Created by another client meanwhile: the next pass sees its owner.
                message = f"namespace {workspace.namespace} was just created by another client"
                return Applied(Problem(Reason.IN_PROGRESS, message, stalled=False))
        else:
            await self._cluster.apply(build.namespace(workspace))
        authorities = await asyncio.to_thread(ca_bundle.read, *self._own_authorities)
        # Before the policy of all other pods: a sandbox must not be without any.
        await together(*(self._cluster.apply(policy) for policy in self._policies(workspace)))
        await together(
            self._cluster_policies.apply_impersonator_role(),
            *(self._cluster.apply(child) for child in build.admin_access(workspace)),
            *(self._cluster.apply(child) for child in build.children(workspace, authorities)),
        )
        try:
            return await self._credentials.apply(workspace)
        except ObjectStoreError as error:
            is_stalled = isinstance(error, CredentialsMissingError)
            return Applied(Problem(Reason.OBJECT_STORE_UNAVAILABLE, str(error), is_stalled))
        except CatalogError as error:
            is_stalled = isinstance(error, CatalogMissingError)
            return Applied(Problem(Reason.CATALOG_UNAVAILABLE, str(error), is_stalled))

    async def _with_finalizer(self, workspace: Workspace) -> Workspace:
        if has_finalizer(workspace):
            return workspace
        await add_finalizer(workspace, self._cluster)
        return self._cache.workspace(workspace.metadata.name) or workspace
