"""A running operator that knows Workspaces, in this process, and hands to work with it."""

from __future__ import annotations

import asyncio
import base64
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from icefield_crds import CatalogProvider, ConditionType, Workspace
from icefield_crds.names import API_VERSION
from icefield_operator.catalog.access import CatalogConfig, open_catalogs
from icefield_operator.cluster import Cluster
from icefield_operator.controllers import Controllers
from icefield_operator.kinds import register_kinds
from icefield_operator.lifecycle import Operator
from icefield_operator.logs.archiver import LogArchiver
from icefield_operator.logs.node_agents import NodeAgents
from icefield_operator.objectstore.access import Users, open_users
from icefield_operator.objectstore.config import Credentials, ObjectStoreConfig, Provider
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.platform import Platform, Storage
from icefield_operator.settings import Settings
from icefield_operator.workspace.register import register as register_workspaces
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.integration.own_cache import OwnCache
from tests.kubernetes_client import WORKSPACES
from tests.object_store import REGION, RunningObjectStore

ELSEWHERE = CatalogConfig(CatalogProvider.REST, "https://catalog.example/catalog", "", "")
"""A catalog of somebody else, which the operator only points at: for tests that are not about catalogs."""


@dataclass
class Site:
    """A control plane with a running operator that knows Workspaces, and its bucket."""

    cluster: Cluster
    plane: ControlPlane
    store: ObjectStore
    users: Users
    slug: str

    @property
    def namespace(self) -> str:
        """The namespace of the test's workspace."""
        return f"icefield-{self.slug}"

    async def apply(self, slug: str = "", **spec: Any) -> None:
        """Apply a Workspace as its owner does: with another field manager than the operator's."""
        manifest = {
            "apiVersion": API_VERSION,
            "kind": "Workspace",
            "metadata": {"name": slug or self.slug},
            "spec": spec,
        }
        await asyncio.to_thread(self.plane.client.apply, manifest)

    async def annotate(self, key: str, value: str) -> None:
        """Change the Workspace as somebody else: what the operator writes itself tells it nothing new."""
        patch = {"metadata": {"annotations": {key: value}}}
        await asyncio.to_thread(self.plane.client.patch, WORKSPACES, self.slug, patch)

    async def workspace(self) -> Workspace | None:
        """Return the test's Workspace as it is now."""
        found = await self.cluster.get("Workspace", None, self.slug)
        return Workspace.model_validate(found) if found else None

    async def until(self, condition: ConditionType, slug: str = "") -> Workspace:
        """Return the Workspace once a condition is true of its present generation."""

        async def satisfied() -> Workspace | None:
            found = Workspace.model_validate(await self.cluster.get("Workspace", None, slug or self.slug))
            current = found.status.condition(condition) if found.status else None
            up_to_date = current and current.observed_generation == found.metadata.generation
            return found if current and up_to_date and current.status == "True" else None

        found: Workspace = await eventually(satisfied)
        return found

    async def delete(self) -> None:
        """Delete the Workspace and wait until it is gone."""
        await self.cluster.delete("Workspace", None, self.slug)
        await eventually(lambda: self._is_gone(), patience=240)

    async def _is_gone(self) -> bool:
        return await self.workspace() is None

    async def environment(self, name: str = "icefield-object-store") -> dict[str, str]:
        """Return what the workspace's pods get from one of its Secrets."""
        secret = await self.cluster.get("Secret", self.namespace, name)
        assert secret
        return {key: base64.b64decode(value).decode() for key, value in (secret.get("data") or {}).items()}


@asynccontextmanager
async def running_operator(
    config: ObjectStoreConfig,
    own_ca: Path,
    limit: timedelta = timedelta(minutes=30),
    catalog: CatalogConfig = ELSEWHERE,
) -> AsyncIterator[tuple[Cluster, ObjectStore, Users]]:
    """Run an operator that knows Workspaces, and the warehouses in them."""
    async with AsyncExitStack() as stack:
        cache = OwnCache()
        cluster = await Cluster.connect(cache)
        stack.push_async_callback(cluster.close)
        store = await stack.enter_async_context(ObjectStore.open(config))
        users = await stack.enter_async_context(open_users(config, store))
        catalogs = await stack.enter_async_context(open_catalogs(catalog))
        settings = Settings(
            runtime_image="runtime",
            tini_image="tini",
            warehouse_image="warehouse",
            polars_image="polars",
            polars_cloud_image="polars-cloud",
            run_token_private_key_file=own_ca,
            tls_ca_file=own_ca,
            health_port=0,
        )
        controllers = Controllers(cache)
        archiver = LogArchiver(store, cluster.pod_log, NodeAgents(list), lambda namespace, run: None)
        controllers.serve(archiver.run)
        platform = Platform(cluster, controllers, settings, archiver, Storage(store, users, catalogs))
        register_workspaces(platform, limit)
        register_kinds(platform, ["warehouse"])
        operator = Operator(settings, cluster, controllers)
        task = asyncio.create_task(operator.run())
        try:
            yield cluster, store, users
        finally:
            operator.stop()
            await task


def config_of(server: RunningObjectStore, provider: Provider = Provider.VERSITYGW) -> ObjectStoreConfig:
    """Return the platform's configuration, with a bucket that nobody made yet."""
    credentials = Credentials(server.access_key_id, server.secret_access_key)
    return ObjectStoreConfig(provider, server.url, REGION, f"lake-{uuid.uuid4().hex[:8]}", credentials)
