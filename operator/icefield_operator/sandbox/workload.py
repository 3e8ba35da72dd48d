"""The workload of a sandbox, with the credentials for the workspace's tables."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from icefield_crds import PolarsWorkload, Run, Workspace, names, object_store
from icefield_crds.polars import DEFAULT_TIMEOUT_SECONDS
from icefield_crds.wire.workload import CatalogAccess, ObjectStoreAccess, Workload
from icefield_operator.cluster import Cluster
from icefield_operator.run.run_type import timeout_seconds
from icefield_operator.run_token import RunTokenSigner
from icefield_operator.secrets import read_secret

OUTLIVES = timedelta(hours=1)
"""How much longer than its workload the token of a sandbox lives."""


class ObjectStoreKeysMissingError(Exception):
    """The workspace has no keys of the object store, for now."""


class WorkloadWriter:
    """Writes workloads, each with what its workspace's Secrets hold at that moment."""

    def __init__(self, cluster: Cluster, signer: RunTokenSigner, api_url: str) -> None:
        """Read Secrets in this cluster, sign tokens with this signer, name this API."""
        self._cluster = cluster
        self._signer = signer
        self._api_url = api_url

    async def write(
        self,
        run: Run,
        spec: PolarsWorkload,
        workspace: Workspace,
        warehouse_id: str | None,
        environment_key: str | None,
        now: datetime,
    ) -> Workload:
        """Return the workload of a run.

        Args:
            run: the run.
            spec: what it executes.
            workspace: where.
            warehouse_id: public id of the warehouse that programs use when they name none.
            environment_key: key of the environment of its requirements, if it has any.
            now: the present.

        Raises:
            KubernetesError: a Secret cannot be read.
            ObjectStoreKeysMissingError: there is no Secret with keys of the object store.
        """
        keys, environment = await asyncio.gather(
            read_secret(self._cluster, workspace.namespace, names.OBJECT_STORE_SECRET),
            read_secret(self._cluster, workspace.namespace, names.ENVIRONMENT_SECRET),
        )
        if not keys or not keys.get("AWS_SECRET_ACCESS_KEY"):
            raise ObjectStoreKeysMissingError(f"the workspace has no Secret {names.OBJECT_STORE_SECRET} with keys yet")
        limit = timeout_seconds(run) or 0
        token = self._signer.sign_for_catalog(run, workspace.metadata.name, now, timedelta(seconds=limit) + OUTLIVES)
        defaults = {"POLNOR_WAREHOUSE_ID": warehouse_id} if warehouse_id else {}
        made = document(run, spec, workspace, keys, defaults | (environment or {}), token, self._api_url)
        return replace(made, environment_key=environment_key)


def document(
    run: Run,
    spec: PolarsWorkload,
    workspace: Workspace,
    keys: Mapping[str, str],
    environment: Mapping[str, str],
    token: str,
    api_url: str,
) -> Workload:
    """Return the workload of a run as sandboxes read it.

    Args:
        run: the run.
        spec: what it executes.
        workspace: where.
        keys: the variables of the workspace's object store Secret.
        environment: the variables that its users set for all tasks.
        token: opens the catalog.
        api_url: where our REST API is.
    """
    slug = workspace.metadata.name
    return Workload(
        id=run.metadata.uid,
        mode=spec.used_mode,
        text=(spec.script if spec.is_script else spec.query) or "",
        tables={table.alias: table.table for table in spec.tables},
        params=spec.params,
        catalog=spec.catalog,
        catalog_names=tuple(workspace.catalog_names),
        destination=spec.destination,
        save_mode=spec.save_mode,
        distributed=spec.distributed,
        instance_type=spec.instance_type,
        cluster_size=spec.cluster_size,
        timeout_seconds=timeout_seconds(run) or DEFAULT_TIMEOUT_SECONDS,
        environment=dict(environment),
        access=CatalogAccess(
            catalog_uri=f"{api_url}/iceberg",
            warehouse=slug,
            token=token,
            object_store=ObjectStoreAccess(
                endpoint=keys.get("AWS_ENDPOINT_URL", ""),
                region=keys.get("AWS_REGION", ""),
                bucket=keys.get("ICEFIELD_BUCKET", ""),
                access_key_id=keys.get("AWS_ACCESS_KEY_ID", ""),
                secret_access_key=keys.get("AWS_SECRET_ACCESS_KEY", ""),
            ),
        ),
        result_key=object_store.run_result_key(slug, run.metadata.uid),
    )
