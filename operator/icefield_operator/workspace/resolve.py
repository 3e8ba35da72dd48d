"""Reads what a pass over a Workspace needs; writes nothing."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from icefield_crds import Workspace, names
from icefield_operator.catalog.provider import CatalogAccess
from icefield_operator.cluster import Cluster
from icefield_operator.objectstore.config import Access, Credentials
from icefield_operator.world import Manifest, World

from . import build


@dataclass(frozen=True)
class Facts:
    """What is known around a Workspace."""

    workspace: Workspace
    namespace: Manifest | None
    """The namespace of the workspace's name, whoever made it."""

    @property
    def owns_namespace(self) -> bool:
        """Whether the namespace was made for this very Workspace."""
        owners = self.namespace["metadata"].get("ownerReferences", []) if self.namespace else []
        return any(owner["uid"] == self.workspace.metadata.uid for owner in owners)

    @property
    def namespace_is_going(self) -> bool:
        """Whether the namespace is being deleted."""
        return bool(self.namespace and self.namespace["metadata"].get("deletionTimestamp"))


@dataclass(frozen=True)
class HeldCatalog:
    """What a workspace's catalog Secret says."""

    access: CatalogAccess
    told: str
    """Who keeps the catalog, and a digest of what that keeper was told (build.CATALOG_ANNOTATION)."""


async def facts(workspace: Workspace, cluster: Cluster) -> Facts:
    """Return what the cluster says around a Workspace, now: namespaces are not cached."""
    return Facts(workspace, await cluster.get("Namespace", None, workspace.namespace))


async def held_credentials(workspace: Workspace, access: Access, cluster: Cluster) -> Credentials | None:
    """Return the object store credentials for this access that the workspace already has."""
    secret = await read_secret(cluster, workspace.namespace, build.KEY_SECRETS[access])
    if not secret or not secret.get("AWS_SECRET_ACCESS_KEY"):
        return None
    return Credentials(secret.get("AWS_ACCESS_KEY_ID", ""), secret["AWS_SECRET_ACCESS_KEY"])


async def held_catalog(workspace: Workspace, cluster: Cluster) -> HeldCatalog | None:
    """Return the access to its catalog that the workspace already has."""
    secret = await cluster.get("Secret", workspace.namespace, names.CATALOG_SECRET)
    if secret is None:
        return None
    data = _decoded(secret)
    access = CatalogAccess(
        data.get("ICEFIELD_CATALOG_URI", ""),
        data.get("ICEFIELD_CATALOG_WAREHOUSE", ""),
        data.get("ICEFIELD_CATALOG_TOKEN", ""),
    )
    told = (secret["metadata"].get("annotations") or {}).get(build.CATALOG_ANNOTATION, "")
    return HeldCatalog(access, told)


async def read_secret(cluster: Cluster, namespace: str, name: str) -> dict[str, str] | None:
    """Return the decoded keys of a Secret, or None when there is none; what is no text is left out."""
    secret = await cluster.get("Secret", namespace, name)
    return None if secret is None else _decoded(secret)


def system_secrets(cluster: Cluster) -> Callable[[str], Awaitable[dict[str, str] | None]]:
    """Return what reads the Secrets that the platform team supplies, by name."""
    return lambda name: read_secret(cluster, names.SYSTEM_NAMESPACE, name)


def _decoded(secret: Manifest) -> dict[str, str]:
    decoded = {key: base64.b64decode(value) for key, value in (secret.get("data") or {}).items()}
    return {key: value.decode() for key, value in decoded.items() if value.isascii()}


def living(world: World) -> list[Workspace]:
    """Return the Workspaces that are not being deleted."""
    return [workspace for workspace in world.workspaces() if not workspace.metadata.deletion_timestamp]


def with_managed_users(workspaces: Iterable[Workspace]) -> list[str]:
    """Return the slugs of the workspaces whose object store users the operator makes."""
    return [workspace.metadata.name for workspace in workspaces if workspace.spec.object_store is None]
