"""Engines outside the cluster on the workspace's tables, through /iceberg with an API key; and equality deletes."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_avro
import duckdb_extension_httpfs
import duckdb_extension_iceberg
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import ForbiddenError

from tests.equality_deletes import delete_where_equal
from tests.statements import Sql

pytestmark = pytest.mark.e2e

ROWS = pa.table({"id": [1, 2, 3, 4], "name": ["a", "b", "c", "d"]})
EXTENSIONS = (duckdb_extension_httpfs, duckdb_extension_avro, duckdb_extension_iceberg)


@pytest.fixture(autouse=True)
def trust(platform: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the platform's certificate, as `icefield env` does for everything that is made of requests."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(platform.ca_bundle))


def catalog_with(platform: Any, key: str) -> Catalog:
    """PyIceberg as somebody outside the cluster sets it up: an address and a key."""
    uri = f"{platform.api_url}/iceberg"
    return load_catalog("outside", type="rest", uri=uri, warehouse=platform.workspace, token=key)


@pytest.fixture
def viewer_key(platform: Any) -> str:
    """The API key of a person who may only read in the workspace."""
    person = {"email": f"viewer-{secrets.token_hex(3)}@acme.eu", "password": secrets.token_urlsafe(16)}
    administrator = platform.administrator()
    administrator.post("/users", json=person).raise_for_status()
    member = f"/workspaces/{platform.workspace}/members/{person['email']}"
    administrator.put(member, json={"role": "viewer"}).raise_for_status()
    login = administrator.post("/auth/login", json=person).raise_for_status().json()
    viewer = platform.client(login["access_token"])
    answer = viewer.post("/auth/keys", json={"name": "outside", "workspace": platform.workspace})
    key: str = answer.raise_for_status().json()["key"]
    return key


@pytest.fixture
def outside_duckdb(platform: Any) -> Iterator[duckdb.DuckDBPyConnection]:
    """DuckDB on this machine, with the workspace attached as `lake`."""
    connection = duckdb.connect()
    for extension in EXTENSIONS:
        [binary] = Path(extension.__file__).parent.glob("extensions/*/*.duckdb_extension")
        connection.execute(f"LOAD '{binary}'")
    connection.execute(f"SET ca_cert_file = '{platform.ca_bundle}'")
    connection.execute(f"CREATE SECRET icefield (TYPE iceberg, TOKEN '{platform.api_key}')")
    connection.execute(
        f"ATTACH '{platform.workspace}' AS lake (TYPE iceberg, SECRET icefield, ENDPOINT '{platform.api_url}/iceberg')"
    )
    yield connection
    connection.close()


def test_pyiceberg_reads_and_writes_from_outside(platform: Any, sql: Sql, database: str) -> None:
    catalog = catalog_with(platform, platform.api_key)
    table = catalog.create_table(f"{database}.mine", schema=ROWS.schema)
    table.append(ROWS)
    assert sql.rows(f"SELECT count(*), max(name) FROM {database}.mine") == [[4, "d"]]
    sql.rows(f"INSERT INTO {database}.mine VALUES (5, 'e')")
    assert sorted(table.refresh().scan().to_arrow().column("id").to_pylist()) == [1, 2, 3, 4, 5]
    assert (database, "mine") in catalog.list_tables(database)


def test_duckdb_reads_and_writes_from_outside(
    outside_duckdb: duckdb.DuckDBPyConnection, sql: Sql, database: str
) -> None:
    sql.rows(f"CREATE TABLE {database}.theirs AS SELECT id, CAST(id AS STRING) AS name FROM range(100)")
    assert outside_duckdb.execute(f"SELECT count(*), sum(id) FROM lake.{database}.theirs").fetchall() == [(100, 4950)]
    outside_duckdb.execute(f"INSERT INTO lake.{database}.theirs VALUES (100, 'x')")
    assert sql.value(f"SELECT max(id) FROM {database}.theirs") == 100


def test_a_viewer_reads_and_cannot_write(platform: Any, viewer_key: str, sql: Sql, database: str) -> None:
    sql.rows(f"CREATE TABLE {database}.kept AS SELECT id FROM range(3)")
    table = catalog_with(platform, viewer_key).load_table(f"{database}.kept")
    rows = table.scan().to_arrow()
    assert rows.num_rows == 3
    # The keys it was given refuse the file, before the catalog is asked to refuse the commit.
    with pytest.raises(OSError, match=r"ACCESS_DENIED|Access ?Denied|403"):
        table.append(rows)
    with pytest.raises(ForbiddenError):
        catalog_with(platform, viewer_key).drop_table(f"{database}.kept")
    viewer = Sql(platform.client(viewer_key), sql.warehouse)
    assert viewer.value(f"SELECT count(*) FROM {database}.kept") == 3
    write = {"query": f"DELETE FROM {database}.kept", "warehouse_id": sql.warehouse}
    assert viewer.rest.post("/sql/execute", json=write).status_code == 403


def test_equality_deletes_are_heeded(platform: Any, sql: Sql, database: str) -> None:
    table = catalog_with(platform, platform.api_key).create_table(f"{database}.streamed", schema=ROWS.schema)
    table.append(ROWS)
    delete_where_equal(table, "id", [2, 3])
    table.append(pa.table({"id": [2], "name": ["again"]}))
    for engine in ("duckdb", "spark"):
        rows = sql.rows(f"SELECT id, name FROM {database}.streamed ORDER BY id", engine=engine)
        assert rows == [[1, "a"], [2, "again"], [4, "d"]], engine
        assert sql.value(f"SELECT count(*) FROM {database}.streamed", engine=engine) == 3, engine
