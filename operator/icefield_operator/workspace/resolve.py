"""Reads what a pass over a Workspace needs."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from icefield_crds import Workspace, names
from icefield_crds.wire.fields import as_object
from icefield_kube.client import Manifest
from icefield_operator.catalog.provider import CatalogAccess
from icefield_operator.cluster import Cluster
from icefield_operator.cluster_cache import ClusterCache
from icefield_operator.objectstore.config import Access, Credentials
from icefield_operator.objectstore.member_users import Issued
from icefield_operator.secrets import decode_secret, read_secret

from . import build


@dataclass(frozen=True)
class WorkspaceFacts:
    """A Workspace and its namespace."""

    workspace: Workspace
    namespace: Manifest | None
    """The namespace of the workspace's name, whatever its owner."""

    @property
    def owns_namespace(self) -> bool:
        """Whether the namespace was made for this very Workspace."""
        owners = self.namespace["metadata"].get("ownerReferences", []) if self.namespace else []
        return any(owner["uid"] == self.workspace.metadata.uid for owner in owners)

    @property
    def namespace_is_deleting(self) -> bool:
        """Whether the namespace is being deleted."""
        return bool(self.namespace and self.namespace["metadata"].get("deletionTimestamp"))


@dataclass(frozen=True)
class HeldCatalog:
    """What a workspace's catalog Secret holds."""

    access: CatalogAccess
    configuration: str
    """The provider, and a digest of the configuration that it was sent (build.CATALOG_ANNOTATION)."""


async def facts(workspace: Workspace, cluster: Cluster) -> WorkspaceFacts:
    """Return a Workspace with its namespace, read from the API: namespaces are not cached."""
    return WorkspaceFacts(workspace, await cluster.get("Namespace", None, workspace.namespace))


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
    data = decode_secret(secret)
    access = CatalogAccess(
        data.get("ICEFIELD_CATALOG_URI", ""),
        data.get("ICEFIELD_CATALOG_WAREHOUSE", ""),
        data.get("ICEFIELD_CATALOG_TOKEN", ""),
    )
    configuration = (secret["metadata"].get("annotations") or {}).get(build.CATALOG_ANNOTATION, "")
    return HeldCatalog(access, configuration)


async def issued_keys(workspace: Workspace, cluster: Cluster) -> Issued | None:
    """Return how the keys that members have were issued; None where there are none, or it is not known."""
    secret = await cluster.get("Secret", workspace.namespace, names.OBJECT_STORE_MEMBERS_SECRET)
    annotations = (secret["metadata"].get("annotations") or {}) if secret else {}
    try:
        return Issued.from_json(as_object(json.loads(annotations[build.ISSUED_ANNOTATION]), "the annotation"))
    except (KeyError, ValueError):
        return None


def system_secrets(cluster: Cluster) -> Callable[[str], Awaitable[dict[str, str] | None]]:
    """Return what reads the Secrets that the platform team supplies, by name."""
    return lambda name: read_secret(cluster, names.SYSTEM_NAMESPACE, name)


def living(cache: ClusterCache) -> list[Workspace]:
    """Return the Workspaces that are not being deleted."""
    return [workspace for workspace in cache.workspaces() if not workspace.metadata.deletion_timestamp]


def with_managed_users(workspaces: Iterable[Workspace]) -> list[str]:
    """Return the slugs of the workspaces whose object store users the operator makes."""
    return [workspace.metadata.name for workspace in workspaces if workspace.spec.object_store is None]
