"""A workspace with a catalog and an object store: what the operator lays into its namespace."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from icefield_crds import Workspace
from icefield_crds.names import (
    CATALOG_SECRET,
    OBJECT_STORE_READER_SECRET,
    OBJECT_STORE_SECRET,
    namespace_of,
)
from icefield_operator.objectstore import member_users
from icefield_operator.objectstore.access import VersityUsers
from icefield_operator.objectstore.config import Access, Credentials, ObjectStoreConfig, Provider
from icefield_operator.objectstore.store import ObjectStore
from icefield_operator.objectstore.versitygw import VersityAdmin
from icefield_operator.workspace.build import members_secret
from tests.catalog import RunningCatalog, Site
from tests.controlplane import ControlPlane
from tests.kubernetes_client import WORKSPACES
from tests.object_store import REGION

MakeLakehouse = Callable[..., Awaitable["Lakehouse"]]
"""`await make_lakehouse("sales", {"you@acme.eu": "viewer"})`, as `make_workspace`."""


@dataclass(frozen=True)
class Lakehouse:
    """A workspace, its catalog and its part of the bucket.

    Attributes:
        site: what the workspace's own keys open.
        reader: the same for those that only read.
        members: the keys that members share, by what they open.
    """

    slug: str
    site: Site
    reader: Site
    members: Mapping[Access, Credentials]
    catalog: RunningCatalog

    @property
    def pyiceberg(self) -> dict[str, str]:
        """The properties with which PyIceberg opens the catalog itself, with the workspace's own keys."""
        return {**self.catalog.pyiceberg(self.slug), **self.site.pyiceberg}


async def furnish(control_plane: ControlPlane, catalog: RunningCatalog, slugs: list[str]) -> Lakehouse:
    """Make the catalog and the keys of the last of these workspaces, and the Secrets that hold them.

    Args:
        control_plane: where the Secrets go.
        catalog: the catalog server.
        slugs: the workspaces there are: the bucket has one policy for all.
    """
    slug = slugs[-1]
    root = catalog.ensure(slug)
    platform = Credentials(root.access_key_id, root.secret_access_key)
    config = ObjectStoreConfig(Provider.VERSITYGW, root.endpoint, REGION, root.bucket, platform)
    admin = VersityAdmin(config)
    async with ObjectStore.open(config) as store:
        users = VersityUsers(admin, store)
        site = _with(root, await users.ensure(slug, Access.READ_WRITE, None))
        reader = _with(root, await users.ensure(slug, Access.READ_ONLY, None))
        workspace = Workspace.model_validate(control_plane.client.get(WORKSPACES, slug))
        issued = await users.ensure_members(slug, member_users.accesses(workspace), None, datetime.now(UTC))
        await users.settle(lambda: slugs)
    await admin.aclose()
    catalog.manage("PUT", slug, catalog.specification(site)).raise_for_status()
    secrets = {
        CATALOG_SECRET: catalog.environment(slug),
        OBJECT_STORE_SECRET: site.environment,
        OBJECT_STORE_READER_SECRET: reader.environment,
    }
    control_plane.client.apply(
        *(_secret(slug, name, values) for name, values in secrets.items()), members_secret(workspace, issued)
    )
    return Lakehouse(slug, site, reader, issued.keys, catalog)


def _with(site: Site, credentials: Credentials) -> Site:
    return replace(site, access_key_id=credentials.access_key_id, secret_access_key=credentials.secret_access_key)


def _secret(slug: str, name: str, values: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace_of(slug)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
