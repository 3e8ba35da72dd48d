"""What published clients send: nothing of it may be refused as unknown.

Read from the source of the clients at the versions that `CLIENTS` names: a new version is to be read anew.
"""

from __future__ import annotations

from typing import Any, NamedTuple

CLIENTS = {"polnor": "1.6.1", "polnor-sqlalchemy": "0.1.0", "oleanderhq-sdk": "0.8.0"}
"""Versions, by distribution. dbt-polnor 0.1.0 sends what polnor.sql does."""


class PublishedRequest(NamedTuple):
    """A request of a published client, with every field and query parameter that it may have."""

    client: str
    method: str
    path: str
    """As the route has it, with its parameters in braces."""
    query: tuple[str, ...] = ()
    body: dict[str, Any] | None = None
    form: tuple[str, ...] = ()
    """Fields of a form, besides the file."""


_SPARK_PROPERTIES = {
    "entrypoint": "daily.py",
    "entrypointArguments": [],
    "driverMachineType": "spark.2.b",
    "executorMachineType": "spark.2.b",
    "executorNumbers": 2,
    "sparkConf": [],
    "packages": [],
}
_POLARS = {
    "mode": "query",
    "query": "SELECT 1",
    "script": "result = 1",
    "tables": ["flowers=default.flowers", {"alias": "a", "table": "b"}],
    "params": {"limit": "25"},
    "distributed": False,
    "instanceType": "t4g.medium",
    "clusterSize": 4,
    "vcpus": 2,
    "catalog": "oleander",
    "destination": "default.flower_summary",
    "saveMode": "overwrite",
}
_STATEMENT = {
    "query": "SELECT 1",
    "warehouse_id": "a",
    "schema": "b",
    "format": "arrow",
    "lineage_run_id": "c",
    "lineage_context": "job_run",
}
_JOB = {
    "name": "a",
    "description": "",
    "tasks": [{"key": "a", "command": "x", "image": "i", "depends_on": []}],
    "schedule": "@daily",
    "env_vars": {"A": "b", "C": {"secret_key_ref": {"name": "d", "key": "e"}}},
    "timeout_seconds": 1,
    "max_retries": 1,
}
_TABLE = {
    "name": "a",
    "description": "",
    "columns": [{"name": "id", "type": "long", "nullable": False}],
    "partition_columns": ["id"],
    "properties": {"a": "b"},
}
_QUERY = {"query": "x", "script": "x", "tables": ["a", {"alias": "a", "table": "b"}], "engine": "auto"}
_SPARK_QUERY = {
    "namespace": "a",
    "name": "b",
    "query": "SELECT 1",
    "output_table": "a.b",
    "write_mode": "append",
    "driver_machine_type": "spark.2.b",
    "executor_machine_type": "spark.2.b",
    "executor_numbers": 2,
}
_TABLE_SIZE = "/api/v1/catalogs/{catalog}/namespaces/{namespace}/tables/{table}/size"
_VOLUME = "/api/v1/databases/{id}/volumes/{volume}/files"

POLNOR = [
    PublishedRequest("polnor", "POST", "/api/v1/jobs", body=_JOB),
    PublishedRequest("polnor", "POST", "/api/v1/jobs", body={"name": "a", "command": "x", "image": "i"}),
    PublishedRequest("polnor", "POST", "/api/v1/jobs/{id}/run", body={"params": {"a": 1}}),
    PublishedRequest("polnor", "GET", "/api/v1/runs/{id}/logs", query=("tail",)),
    PublishedRequest("polnor", "GET", "/api/v1/runs/{id}/tasks/{key}/logs", query=("tail",)),
    PublishedRequest(
        "polnor", "POST", "/api/v1/databases", body={"name": "a", "description": "", "location": "s3://a"}
    ),
    PublishedRequest("polnor", "POST", "/api/v1/databases/{id}/tables", body=_TABLE),
    PublishedRequest("polnor", "GET", _VOLUME, query=("path",)),
    PublishedRequest("polnor", "POST", _VOLUME, form=("path",)),
    PublishedRequest("polnor", "GET", f"{_VOLUME}/download", query=("path",)),
    PublishedRequest("polnor", "DELETE", _VOLUME, query=("path",)),
    PublishedRequest("polnor", "POST", "/api/v1/sql/execute", body=_STATEMENT),
]
OLEANDER = [
    PublishedRequest("oleanderhq-sdk", "GET", "/api/v1/catalogs", query=("counts",)),
    PublishedRequest("oleanderhq-sdk", "GET", _TABLE_SIZE, query=("snapshotId", "partitionKey", "partitionValue")),
    PublishedRequest("oleanderhq-sdk", "POST", "/api/v1/environment-variables", body={"name": "A", "value": "b"}),
    PublishedRequest("oleanderhq-sdk", "POST", "/api/v1/warehouse/polars", body=_POLARS),
    PublishedRequest(
        "oleanderhq-sdk", "POST", "/api/v1/warehouse/query", body={"query": "SELECT 1", "autoSaveByHash": False}
    ),
    PublishedRequest("oleanderhq-sdk", "POST", "/api/v1/query", body={**_QUERY, "explain": False}),
    PublishedRequest(
        "oleanderhq-sdk",
        "POST",
        "/api/v1/query",
        body={**_QUERY, "destination": "a.b", "write_mode": "append", "explain": True},
    ),
    PublishedRequest("oleanderhq-sdk", "POST", "/api/v2/spark/query", body=_SPARK_QUERY),
    PublishedRequest(
        "oleanderhq-sdk",
        "POST",
        "/api/v2/spark/jobs",
        body={
            "cluster": "oleander",
            "namespace": "a",
            "name": "b",
            "jobTags": [],
            "runTags": [],
            "properties": _SPARK_PROPERTIES,
        },
    ),
]
REQUESTS = [*POLNOR, *OLEANDER]
