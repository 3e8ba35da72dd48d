"""A workspace with a catalog and an object store: what the operator lays into its namespace."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from icefield_crds.names import CATALOG_SECRET, OBJECT_STORE_READER_SECRET, OBJECT_STORE_SECRET, namespace_of
from tests.catalog import RunningCatalog, Site
from tests.controlplane import ControlPlane

MakeLakehouse = Callable[..., Awaitable["Lakehouse"]]
"""`await make_lakehouse("sales", {"you@acme.eu": "viewer"})`, as `make_workspace`."""


@dataclass(frozen=True)
class Lakehouse:
    """A workspace, its catalog and its part of the bucket."""

    slug: str
    site: Site
    catalog: RunningCatalog


def furnish(control_plane: ControlPlane, catalog: RunningCatalog, slug: str) -> Lakehouse:
    """Make a workspace's catalog, and the Secrets that open it, as the operator would."""
    site = catalog.ensure(slug)
    reader = {**site.environment, "AWS_ACCESS_KEY_ID": f"reader-of-{slug}"}
    secrets = {
        CATALOG_SECRET: catalog.environment(slug),
        OBJECT_STORE_SECRET: site.environment,
        OBJECT_STORE_READER_SECRET: reader,
    }
    items = [_secret(slug, name, values) for name, values in secrets.items()]
    control_plane.kubectl("apply", "-f", "-", stdin=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))
    return Lakehouse(slug, site, catalog)


def _secret(slug: str, name: str, values: dict[str, str]) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace_of(slug)}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": values}
