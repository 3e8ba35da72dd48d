"""The published `oleanderhq-sdk`, unmodified: catalogs, namespaces, tables, their metadata and sizes."""

from __future__ import annotations

from typing import Any

import pytest
from oleander_sdk import Oleander, OleanderHttpError
from tests.statements import Sql

pytestmark = pytest.mark.conformance


@pytest.fixture
def orders(sql: Sql, database: str) -> str:
    """A table partitioned by day, written to three times; one row of its first day is deleted."""
    table = f"{database}.orders"
    sql.rows(f"CREATE TABLE {table} (id BIGINT NOT NULL, at TIMESTAMP) PARTITIONED BY (days(at))")
    for day in (1, 2):
        moment = f"TIMESTAMP '2026-01-0{day} 12:00:00'"
        sql.rows(f"INSERT INTO {table} VALUES ({day}0, {moment}), ({day}1, {moment}), ({day}2, {moment})")
    sql.rows(f"DELETE FROM {table} WHERE id = 10")
    return table


async def test_what_there_is(oleander: Oleander, platform: Any, database: str, orders: str) -> None:
    listed = await oleander.list_catalogs(include_tables=True)
    assert listed.ok
    assert {found.name for found in listed.registered_catalogs} >= {platform.workspace, "oleander"}
    assert (platform.workspace, orders) in {(t.catalog, f"{t.namespace}.{t.table}") for t in listed.catalogs}
    for catalog in ("oleander", platform.workspace):
        assert database in (await oleander.list_catalog_namespaces(catalog)).namespaces
        assert orders in {f"{t.namespace}.{t.table}" for t in (await oleander.list_catalog_tables(catalog)).tables}
        [table] = (await oleander.list_catalog_tables(catalog, database)).tables
        assert (table.catalog, table.namespace, table.table) == (catalog, database, "orders")


async def test_a_table(oleander: Oleander, database: str, orders: str) -> None:
    metadata = (await oleander.get_catalog_table_metadata("orders", namespace=database)).table
    assert {"table-uuid", "location", "schemas", "partition-specs", "snapshots"} <= set(metadata)
    schema = await oleander.get_catalog_table_schema("orders", namespace=database)
    assert [(field.name, field.type, field.required) for field in schema.fields] == [
        ("id", "long", True),
        ("at", "timestamptz", False),
    ]


async def test_sizes(oleander: Oleander, database: str, orders: str) -> None:
    metadata = (await oleander.get_catalog_table_metadata("orders", namespace=database)).table
    whole = await oleander.get_catalog_table_size("orders", namespace=database)
    assert (whole.record_count, whole.snapshot_id) == ("5", str(metadata["current-snapshot-id"]))
    assert int(whole.size_bytes) > 0
    first = min(metadata["snapshots"], key=lambda snapshot: snapshot["timestamp-ms"])["snapshot-id"]
    before = await oleander.get_catalog_table_size("orders", namespace=database, snapshot_id=str(first))
    assert (before.record_count, before.data_file_count > 0) == ("3", True)
    counts = {}
    for day in ("2026-01-01", "2026-01-02", "2026-01-03"):
        of_day = {"key": "at_day", "value": day}
        part = await oleander.get_catalog_table_size("orders", namespace=database, partition_filters=[of_day])
        counts[day] = part.record_count
    assert counts == {"2026-01-01": "2", "2026-01-02": "3", "2026-01-03": "0"}


async def test_what_there_is_not(oleander: Oleander, database: str, orders: str) -> None:
    for catalog, namespace, table in (
        ("hive", database, "orders"),
        ("oleander", "none", "orders"),
        ("oleander", database, "none"),
    ):
        with pytest.raises(OleanderHttpError) as refused:
            await oleander.get_catalog_table_size(table, catalog=catalog, namespace=namespace)
        assert refused.value.status == 404
        assert str(refused.value) == refused.value.body["error"]
    with pytest.raises(OleanderHttpError, match="not partitioned by region") as unknown:
        await oleander.get_catalog_table_size(
            "orders", namespace=database, partition_filters=[{"key": "region", "value": "eu"}]
        )
    assert unknown.value.status == 400
