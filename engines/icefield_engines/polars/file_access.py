"""What opens the files of the workspace to Polars' own readers and sinks: `pl.scan_csv("s3://…")`.

The keys are default credentials of Polars, and no variables of the environment, which scripts print and their programs
inherit.
"""

from __future__ import annotations

import os

import polars as pl

from icefield_crds import object_store
from icefield_crds.wire.workload import CatalogAccess


def open_files(access: CatalogAccess) -> None:
    """Let this process open the files of the workspace by their address.

    Args:
        access: where they are, and the keys.
    """
    os.environ.update(_variables(access))
    store = access.object_store
    keys = {"aws_access_key_id": store.access_key_id, "aws_secret_access_key": store.secret_access_key}
    pl.Config.set_default_credential_provider(lambda: (keys, None))


def _variables(access: CatalogAccess) -> dict[str, str]:
    store = access.object_store
    return {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_REGION": store.region,
        # Polars refuses plain HTTP, and puts the bucket into the host's name, unless it is told otherwise.
        "AWS_ALLOW_HTTP": str(store.endpoint.startswith("http://")).lower(),
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        "ICEFIELD_BUCKET": store.bucket,
        "ICEFIELD_PREFIX": object_store.workspace_prefix(access.warehouse),
    }
