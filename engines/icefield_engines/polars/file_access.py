"""What opens the files of the workspace to a script: `pl.scan_csv("s3://…")`, sinks, boto3, PyArrow."""

from __future__ import annotations

from icefield_crds import object_store
from icefield_crds.wire.workload import CatalogAccess


def variables(access: CatalogAccess) -> dict[str, str]:
    """Return the variables of the environment that a script's libraries find the object store by.

    Those of tasks (docs/jobs.md), and two more: Polars reads endpoints and keys from the environment as boto3 does, but
    refuses plain HTTP and puts the bucket into the host's name unless it is told otherwise.
    """
    store = access.object_store
    return {
        "AWS_ENDPOINT_URL": store.endpoint,
        "AWS_REGION": store.region,
        "AWS_ACCESS_KEY_ID": store.access_key_id,
        "AWS_SECRET_ACCESS_KEY": store.secret_access_key,
        "AWS_ALLOW_HTTP": str(store.endpoint.startswith("http://")).lower(),
        "AWS_VIRTUAL_HOSTED_STYLE_REQUEST": "false",
        "ICEFIELD_BUCKET": store.bucket,
        "ICEFIELD_PREFIX": object_store.workspace_prefix(access.warehouse),
    }
