"""The published `polnor` SDK, unmodified: databases, tables, volumes and warehouses."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import polnor
import pytest
from polnor._client import Client, PolnorAPIError
from tests.statements import Sql, save_warehouse

pytestmark = [pytest.mark.conformance, pytest.mark.usefixtures("sql_sdk")]

COLUMNS = [
    {"name": "id", "type": "long", "nullable": False},
    {"name": "email", "type": "string"},
    {"name": "created_at", "type": "timestamp"},
    {"name": "day", "type": "date"},
]


@pytest.fixture
def volume(sql_sdk: Client, database: str) -> str:
    """An empty volume, as the SDK names volumes."""
    sql_sdk.post(f"/databases/{database}/volumes", json={"name": "raw"})
    return f"{database}.raw"


@pytest.fixture
def second_warehouse(sql_sdk: Client, sql: Sql) -> Iterator[str]:
    """The name of a stopped warehouse."""
    name = f"second-{secrets.token_hex(3)}"
    save_warehouse(sql.rest, name, size="cpu.1", desired_state="stopped")
    yield name
    polnor.warehouses.stop(name)
    sql.rest.delete(f"/sql/warehouses/{name}").raise_for_status()


def test_databases_and_tables(sql_sdk: Client) -> None:
    database = f"sdk_{secrets.token_hex(3)}"
    polnor.tables.create_database(name=database, description="made by the SDK")
    assert database in {found["name"] for found in polnor.tables.list_databases()}
    assert polnor.tables.get_database(database)["description"] == "made by the SDK"

    polnor.tables.create(
        database, "users", columns=COLUMNS, description="who there is", partition_columns=["day"], properties={"k": "v"}
    )
    polnor.sql(f"INSERT INTO {database}.users VALUES (1, 'a@b.c', TIMESTAMP '2024-01-01 00:00:00', DATE '2024-01-01')")
    [listed] = polnor.tables.list(database)
    assert (listed["name"], listed["row_count"], bool(listed["current_snapshot_id"])) == ("users", 1, True)
    table = polnor.tables.get(database, "users")
    assert [(c["name"], c["type"], c["nullable"]) for c in table["columns"]] == [
        ("id", "long", False),
        ("email", "string", True),
        ("created_at", "timestamp", True),
        ("day", "date", True),
    ]
    with pytest.raises(PolnorAPIError) as holds_tables:
        polnor.tables.delete_database(database)
    assert holds_tables.value.status == 409
    with pytest.raises(PolnorAPIError) as exists:
        polnor.tables.create(database, "users", columns=COLUMNS)
    assert exists.value.status == 409

    polnor.tables.delete(database, "users")
    assert polnor.tables.list(database) == []
    polnor.tables.delete_database(database)
    with pytest.raises(PolnorAPIError) as gone:
        polnor.tables.get_database(database)
    assert gone.value.status == 404


def test_volumes(volume: str, database: str, tmp_path: Path) -> None:
    source = tmp_path / "patients.bin"
    source.write_bytes(secrets.token_bytes(6 << 20))
    polnor.volumes.upload(volume, source, "/2026/patients.bin")
    polnor.volumes.upload(volume, source)
    assert [found["name"] for found in polnor.volumes.list(database)] == ["raw"]
    assert {found["name"] for found in polnor.volumes.list_files(volume)} == {"2026", "patients.bin"}
    [found] = polnor.volumes.list_files(volume, "/2026")
    assert (found["name"], found["size"]) == ("patients.bin", 6 << 20)

    copy = polnor.volumes.download(volume, "/2026/patients.bin", tmp_path / "copy.bin")
    assert copy.read_bytes() == source.read_bytes()
    polnor.volumes.delete(volume, "/2026/patients.bin")
    assert [found["name"] for found in polnor.volumes.list_files(volume)] == ["patients.bin"]
    for absent in ("/2026/patients.bin", "/../../other"):
        with pytest.raises(PolnorAPIError) as refused:
            polnor.volumes.download(volume, absent, tmp_path / "none")
        assert refused.value.status in (400, 404)


def test_warehouses_start_and_stop(second_warehouse: str, sql: Sql) -> None:
    found = polnor.warehouses.get(second_warehouse)
    assert (found["status"], polnor.warehouses.get(found["id"])["name"]) == ("stopped", second_warehouse)
    assert {sql.warehouse, found["id"]} <= {warehouse["id"] for warehouse in polnor.warehouses.list()}

    assert polnor.warehouses.start(second_warehouse)["status"] == "running"
    assert polnor.warehouses.start(found["id"])["status"] == "running"
    assert polnor.warehouses.stop(second_warehouse)["status"] == "stopped"
    assert polnor.warehouses.stop(found["id"])["status"] == "stopped"
    usable = polnor.warehouses.default()
    assert usable is not None
    assert usable["status"] == "running"
