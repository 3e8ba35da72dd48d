"""What the SQL benchmarks need: a warehouse, the API as a user calls it, and its peers on this machine."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import duckdb
import duckdb_extension_avro
import duckdb_extension_httpfs
import duckdb_extension_iceberg
import httpx
from botocore.config import Config
from pyiceberg.catalog import Catalog, load_catalog

WORKSPACE = "demo"
WAREHOUSE = "bench"
SIZE = "cpu.2"
ENDED = ("succeeded", "failed", "cancelled")
WAIT_SECONDS = 300
_EXTENSIONS = (duckdb_extension_httpfs, duckdb_extension_avro, duckdb_extension_iceberg)


@dataclass(frozen=True)
class Store:
    """The workspace's object store, as clients outside the cluster reach it."""

    endpoint: str
    region: str
    access_key_id: str
    secret_access_key: str

    def client(self) -> Any:
        """Return an S3 client."""
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=self.region,
            aws_access_key_id=self.access_key_id,
            aws_secret_access_key=self.secret_access_key,
            config=Config(s3={"addressing_style": "path"}, signature_version="s3v4"),
        )


class SqlPlatform:
    """Statements on the warehouse `bench` of the platform that `icefield env` points at.

    Args:
        warehouse: name of the warehouse, which is made if need be.
        size: its flavor.
    """

    def __init__(self, warehouse: str = WAREHOUSE, size: str = SIZE) -> None:
        self.warehouse = warehouse
        self.rest = httpx.Client(
            base_url=os.environ["POLNOR_API_URL"] + "/api/v1",
            headers={"Authorization": f"Bearer {os.environ['POLNOR_TOKEN']}"},
            limits=httpx.Limits(max_connections=64, max_keepalive_connections=64),
            timeout=WAIT_SECONDS,
        )
        self.save_warehouse(warehouse, size)

    def save_warehouse(self, name: str, size: str) -> None:
        """Create a warehouse unless it is there."""
        answer = self.rest.post("/sql/warehouses", json={"name": name, "size": size})
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()

    def warm_up(self) -> None:
        """Start the warehouse and wait until it reads and writes."""
        self.rest.post(f"/sql/warehouses/{self.warehouse}/start").raise_for_status()
        deadline = time.monotonic() + WAIT_SECONDS
        while not self.rest.get(f"/sql/warehouses/{self.warehouse}").raise_for_status().json()["spark_ready"]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"warehouse {self.warehouse} is not ready after {WAIT_SECONDS} s")
            time.sleep(0.2)

    def execute(self, query: str, **body: Any) -> dict[str, Any]:
        """Run a statement and return POST /sql/execute's body, once it has succeeded.

        Raises:
            RuntimeError: it failed, or took longer than fifty seconds.
        """
        request = {"query": query, "warehouse_id": self.warehouse, "wait_timeout": 50, **body}
        answer: dict[str, Any] = self.rest.post("/sql/execute", json=request).raise_for_status().json()
        if answer["status"] != "succeeded":
            raise RuntimeError(f"{query}: {answer}")
        return answer

    def submit(self, query: str) -> str:
        """Send a statement, do not wait for it, and return its id."""
        request = {"query": query, "warehouse_id": self.warehouse, "wait_timeout": 0}
        statement_id: str = self.rest.post("/sql/execute", json=request).raise_for_status().json()["statement_id"]
        return statement_id

    def wait(self, statement_id: str) -> dict[str, Any]:
        """Wait until a statement has succeeded, and return it."""
        deadline = time.monotonic() + WAIT_SECONDS
        while time.monotonic() < deadline:
            statement: dict[str, Any] = self.rest.get(f"/sql/statements/{statement_id}").raise_for_status().json()
            if statement["status"] in ENDED:
                if statement["status"] != "succeeded":
                    raise RuntimeError(f"{statement_id}: {statement}")
                return statement
            time.sleep(0.05)
        raise TimeoutError(f"{statement_id} has not ended after {WAIT_SECONDS} s")

    def create_database(self, name: str | None = None) -> str:
        """Create a database, unless it is there, and return its name; one of its own when no name is given."""
        name = name or f"bench_{secrets.token_hex(4)}"
        answer = self.rest.post("/databases", json={"name": name})
        if answer.status_code != httpx.codes.CONFLICT:
            answer.raise_for_status()
        return name

    def metadata_location(self, database: str, table: str) -> str:
        """Return where a table's current metadata lies."""
        found = self.rest.get(f"/databases/{database}/tables/{table}").raise_for_status().json()
        location: str = found["metadata_location"]
        return location


def catalog() -> Catalog:
    """Return the workspace's catalog, through the platform's Iceberg REST endpoint, for PyIceberg."""
    return load_catalog(
        "bench",
        type="rest",
        uri=f"{os.environ['POLNOR_API_URL']}/iceberg",
        warehouse=WORKSPACE,
        token=os.environ["POLNOR_TOKEN"],
    )


def store_of(database: str, table: str) -> Store:
    """Return the object store with the keys that the Iceberg REST endpoint hands out for a table."""
    properties = catalog().load_table(f"{database}.{table}").io.properties
    return Store(
        properties["s3.endpoint"],
        properties.get("s3.region", "us-east-1"),
        properties["s3.access-key-id"],
        properties["s3.secret-access-key"],
    )


def in_process_duckdb(store: Store, threads: int = 2) -> duckdb.DuckDBPyConnection:
    """Return DuckDB in this process, on the same object store and with as many threads as the warehouse has CPUs."""
    connection = duckdb.connect(config={"threads": threads})
    for extension in _EXTENSIONS:
        [binary] = Path(extension.__file__).parent.glob("extensions/*/*.duckdb_extension")
        connection.execute(f"LOAD '{binary}'")
    host = httpx.URL(store.endpoint)
    connection.execute(
        f"""CREATE SECRET (TYPE s3, KEY_ID '{store.access_key_id}', SECRET '{store.secret_access_key}',
                           REGION '{store.region}', ENDPOINT '{host.netloc.decode()}', URL_STYLE 'path',
                           USE_SSL {str(host.scheme == "https").lower()})"""
    )
    return connection


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least this share (0 to 1) of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
