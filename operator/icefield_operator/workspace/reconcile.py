"""The story of a Workspace: resolve, validate, build, apply, say how it stands; cleanup.py tells its end."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from icefield_crds import Reason, Workspace
from icefield_crds.names import WORKSPACE_FINALIZER
from icefield_operator.catalog.provider import CatalogError, CatalogMissingError
from icefield_operator.cluster import Cluster, together
from icefield_operator.controllers import Controllers
from icefield_operator.errors import AlreadyExists
from icefield_operator.objectstore.config import CredentialsMissingError, ObjectStoreError
from icefield_operator.queue import Key
from icefield_operator.world import Kind, Manifest

from . import build, ca_bundle, resolve, status, validate
from .access import WorkspaceAccess
from .cleanup import Cleanup
from .resolve import Facts
from .shared import Shared
from .validate import Problem

LOOK_AGAIN = timedelta(seconds=10)
"""When to look again at what no watch tells of: a namespace that goes away, a store that is away, a supplied Secret."""


class WorkspaceReconciler:
    """Reconciles Workspaces."""

    def __init__(
        self,
        cluster: Cluster,
        controllers: Controllers,
        access: WorkspaceAccess,
        cleanup: Cleanup,
        shared: Shared,
        own_ca: Path | None,
        policies: Callable[[Workspace], list[Manifest]],
    ) -> None:
        """Plug into the controllers.

        Args:
            cluster: where namespaces are made.
            controllers: what to plug into.
            access: what gives a workspace its keys, catalog and token.
            cleanup: what a deleted workspace leaves behind.
            shared: what is computed from all workspaces.
            own_ca: PEM file of the CA behind our REST API, when it is none of the system's.
            policies: the network policies of a workspace's sandboxes.
        """
        self._cluster = cluster
        self._world = controllers.world
        self._access = access
        self._cleanup = cleanup
        self._shared = shared
        self._own_ca = own_ca
        self._policies = policies
        controllers.register(Kind.WORKSPACE, self.reconcile)

    async def reconcile(self, key: Key) -> timedelta | None:
        """Make one pass over a Workspace; return when the next is due though nothing changes."""
        workspace = self._world.workspace(key.name)
        if workspace is None:
            await self._shared.settle_roles()
            return None
        if workspace.metadata.deletion_timestamp:
            return await self._cleanup.advance(workspace)
        facts = await resolve.facts(workspace, self._cluster)
        problem = validate.first_problem(facts)
        if problem is None:
            # First of all: what is made below lies outside the cluster too, and must not be forgotten.
            workspace = await self._with_finalizer(workspace)
            problem = await self._build_up(facts)
        now = datetime.now(UTC)
        standing = status.held_up(workspace, problem, now) if problem else status.ready(workspace, now)
        await self._cluster.write_status(workspace, standing)
        return LOOK_AGAIN if problem else None

    async def _build_up(self, facts: Facts) -> Problem | None:
        workspace = facts.workspace
        if facts.namespace is None:
            try:
                await self._cluster.create(build.namespace(workspace))
            except AlreadyExists:
                # Made by somebody else meanwhile: the next pass sees whose it is.
                return Problem(Reason.IN_PROGRESS, f"looking at namespace {workspace.namespace} again", stalled=False)
        else:
            await self._cluster.apply(build.namespace(workspace))
        authorities = await asyncio.to_thread(ca_bundle.read, self._own_ca)
        # Before the policy of all other pods: a sandbox must not be without any.
        await together(*(self._cluster.apply(policy) for policy in self._policies(workspace)))
        await together(
            self._shared.settle_roles(),
            *(self._cluster.apply(child) for child in build.children(workspace, authorities)),
        )
        try:
            await self._access.settle(workspace)
        except ObjectStoreError as error:
            is_stalled = isinstance(error, CredentialsMissingError)
            return Problem(Reason.OBJECT_STORE_UNAVAILABLE, str(error), is_stalled)
        except CatalogError as error:
            is_stalled = isinstance(error, CatalogMissingError)
            return Problem(Reason.CATALOG_UNAVAILABLE, str(error), is_stalled)
        return None

    async def _with_finalizer(self, workspace: Workspace) -> Workspace:
        metadata = workspace.metadata
        if WORKSPACE_FINALIZER in metadata.finalizers:
            return workspace
        patch = {
            "metadata": {
                "uid": metadata.uid,
                "resourceVersion": metadata.resource_version,
                "finalizers": [*metadata.finalizers, WORKSPACE_FINALIZER],
            }
        }
        await self._cluster.merge_patch(Kind.WORKSPACE, None, metadata.name, patch)
        return self._world.workspace(metadata.name) or workspace
