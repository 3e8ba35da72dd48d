"""COPY INTO: real object store, catalog, DuckDB and writer; the operator is played."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from pyiceberg.catalog import Catalog

from tests.api.conftest import SignIn
from tests.api.lakehouse import Lakehouse

from .site import RunningGateway, ended, run
from .test_files import parquet, upload

pytestmark = pytest.mark.integration

RAW = "volumes/sales/raw"
COUNTS = ["num_affected_rows", "num_inserted_rows", "num_skipped_files", "num_skipped_bad_rows"]


@pytest_asyncio.fixture
async def trips(client: httpx.AsyncClient, gateway: RunningGateway, outside: Catalog) -> httpx.AsyncClient:
    """The administrator, with an empty table sales.trips and a volume raw."""
    outside.create_namespace("sales")
    schema = pa.schema([("id", pa.int64()), ("Zone", pa.string()), ("fare", pa.float64()), ("day", pa.date32())])
    outside.create_table("sales.trips", schema)
    assert (await client.post("/databases/sales/volumes", json={"name": "raw"})).status_code == 201
    return client


async def copied(client: httpx.AsyncClient, source: str, more: str = "", **body: Any) -> list[int]:
    """Run COPY INTO sales.trips, and return the numbers that it answers."""
    ran = await run(client, f"COPY INTO sales.trips FROM '{RAW}/{source}' {more}", wait_timeout=50, **body)
    assert ran["status"] == "succeeded", ran["error_message"]
    assert (ran["columns"], ran["truncated"]) == (COUNTS, False)
    [[*counts, bad]] = ran["rows"]
    return [*counts, bad] if bad else counts


async def refused(client: httpx.AsyncClient, source: str, more: str = "") -> str:
    """Run COPY INTO sales.trips, and return why it fails."""
    ran = await run(client, f"COPY INTO sales.trips FROM '{RAW}/{source}' {more}", wait_timeout=50)
    assert ran["status"] == "failed", ran
    return str(ran["error_message"])


def ids(outside: Catalog) -> list[int]:
    """Return the ids in sales.trips."""
    return sorted(outside.load_table("sales.trips").scan().to_arrow()["id"].to_pylist())


async def test_a_folder_is_loaded_and_each_file_once(trips: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(trips, "in/a.csv", b"ID,zone,fare,day\n1,North,2.5,2026-01-01\n2,South,,2026-01-02\n")
    assert await copied(trips, "in", "FILEFORMAT = CSV") == [2, 2, 0]
    await upload(trips, "in/b.csv", b"day,fare,id\n2026-01-03,1,3\n")
    assert await copied(trips, "in", "FILEFORMAT = CSV") == [1, 1, 1]
    assert await copied(trips, "in", "FILEFORMAT = CSV") == [0, 0, 2]
    rows = outside.load_table("sales.trips").scan().to_arrow().sort_by("id").to_pylist()
    assert [(row["id"], row["Zone"], row["fare"], str(row["day"])) for row in rows] == [
        (1, "North", 2.5, "2026-01-01"),
        (2, "South", None, "2026-01-02"),
        (3, None, 1.0, "2026-01-03"),
    ]
    await upload(trips, "in/b.csv", b"day,fare,id\n2026-01-03,1,4\n")  # another content is another file
    assert await copied(trips, "in", "FILEFORMAT = CSV") == [1, 1, 1]
    assert await copied(trips, "in", "FILEFORMAT = CSV COPY_OPTIONS ('force' = 'true')") == [3, 3, 0]
    assert ids(outside) == [1, 1, 2, 2, 3, 4, 4]


async def test_its_statement_is_in_the_history_with_files_and_snapshot(
    trips: httpx.AsyncClient, outside: Catalog, lakehouse: Lakehouse
) -> None:
    await upload(trips, "a.csv", b"id\n1\n")
    ran = await run(trips, f"COPY INTO sales.trips FROM '{RAW}/a.csv' FILEFORMAT = CSV", wait_timeout=50)
    statement = await ended(trips, ran["statement_id"], 60)
    snapshot = outside.load_table("sales.trips").current_snapshot()
    assert snapshot is not None and snapshot.summary is not None
    assert snapshot.summary["icefield.statement-id"] == ran["statement_id"]
    table = f"{lakehouse.slug}.sales.trips"
    assert statement["lineage"]["written_snapshots"] == [{"table": table, "snapshot_id": snapshot.snapshot_id}]
    assert statement["lineage"]["read_files"] == [f"{RAW}/a.csv"]
    assert (await trips.get(f"/sql/statements/{ran['statement_id']}/results")).json()["data"] == [[1, 1, 0, 0]]


async def test_two_at_once_load_a_file_once(trips: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(trips, "a.csv", b"id\n" + b"\n".join(b"%d" % number for number in range(1000)))
    counts = await asyncio.gather(*(copied(trips, "a.csv", "FILEFORMAT = CSV") for _ in range(4)))
    assert sorted(counts) == [[0, 0, 1]] * 3 + [[1000, 1000, 0]]
    assert ids(outside) == list(range(1000))


async def test_a_file_that_failed_is_loaded_once_it_is_mended(trips: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(trips, "in/a.csv", b"id,fare\n1,2.5\n2,many\n")
    message = await refused(trips, "in", "FILEFORMAT = CSV")
    assert f"Line 3 of {RAW}/in/a.csv: column fare: " in message, message
    assert ids(outside) == []
    assert "Line 3" in await refused(trips, "in", "FILEFORMAT = CSV")
    await upload(trips, "in/a.csv", b"id,fare\n1,2.5\n2,3\n")
    assert await copied(trips, "in", "FILEFORMAT = CSV") == [2, 2, 0]


async def test_new_columns_are_added_on_request(trips: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(trips, "a.parquet", parquet(id=[1], tip=[0.5], at=pa.array([0], pa.timestamp("us", "UTC"))))
    more = "FILEFORMAT = PARQUET"
    assert "columns that sales.trips does not have: tip, at" in await refused(trips, "a.parquet", more)
    assert await copied(trips, "a.parquet", f"{more} COPY_OPTIONS ('mergeSchema' = 'true')") == [1, 1, 0]
    table = outside.load_table("sales.trips")
    assert [(field.name, str(field.field_type)) for field in table.schema().fields][-2:] == [
        ("tip", "double"),
        ("at", "timestamptz"),
    ]
    assert table.scan().to_arrow()["tip"].to_pylist() == [0.5]


async def test_files_without_names_of_columns_go_by_position(trips: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(trips, "in/x.csv", b"7;North;1,5\n8;NA;2\n")
    options = "'header' = 'false', 'sep' = ';', 'nullValue' = 'NA', 'decimal_separator' = ','"
    assert await copied(trips, "in/", f"FILEFORMAT = CSV PATTERN = '*.csv' FORMAT_OPTIONS ({options})") == [2, 2, 0]
    assert outside.load_table("sales.trips").scan().to_arrow()["fare"].to_pylist() == [1.5, 2.0]


async def test_json_and_named_files(trips: httpx.AsyncClient, outside: Catalog) -> None:
    for name in ("a", "b", "c"):
        await upload(trips, f"in/{name}.json", b'{"id": 1, "zone": "x"}\n')
    assert await copied(trips, "in", "FILEFORMAT = JSON FILES = ('a.json', 'c.json')") == [2, 2, 0]
    assert ids(outside) == [1, 1]


@pytest.mark.parametrize(
    ("source", "more", "why"),
    [
        ("none", "FILEFORMAT = CSV", f"There is no file {RAW}/none."),
        ("a.csv", "FILEFORMAT = CSV FORMAT_OPTIONS ('header' = 'false')", "by position"),
    ],
)
async def test_what_cannot_be_loaded_says_why(trips: httpx.AsyncClient, source: str, more: str, why: str) -> None:
    await upload(trips, "a.csv", b"a,b,c,d,e\n1,2,3,4,5\n")
    message = await refused(trips, source, more)
    assert why in message or "columns without names" in message, message


async def test_viewers_load_nothing(trips: httpx.AsyncClient, sign_in: SignIn, lakehouse: Lakehouse) -> None:
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    query = f"COPY INTO sales.trips FROM '{RAW}/a.csv' FILEFORMAT = CSV"
    answer = await viewer.post("/sql/execute", json={"query": query, "warehouse_id": "main"})
    assert (answer.status_code, answer.json()["error"]) == (403, "Your role viewer may only read; COPY INTO writes.")


async def test_a_table_is_filled_by_insert_from_files(trips: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(trips, "a.csv", b"id\n1\n2\n")
    query = f"INSERT INTO sales.trips (id) SELECT id + 10 FROM read_csv('{RAW}/a.csv')"
    ran = await run(trips, query, wait_timeout=50)
    assert (ran["status"], ran["engine"], ran["lineage"]["read_files"]) == ("succeeded", "duckdb", [f"{RAW}/a.csv"])
    assert ids(outside) == [11, 12]


async def test_rows_that_cannot_be_read_are_kept_with_line_and_reason(
    trips: httpx.AsyncClient, outside: Catalog
) -> None:
    await upload(trips, "in/a.csv", b"id,fare\n1,2.5\n2,many\n3,1\nx,2,9\n4,2\n")
    message = await refused(trips, "in", "FILEFORMAT = CSV COPY_OPTIONS ('maxBadRecords' = '1')")
    assert message.startswith(f"More than 1 rows cannot be read; the first is {RAW}/in/a.csv, line 3: "), message
    assert ids(outside) == []
    options = f"COPY_OPTIONS ('maxBadRecords' = '2', 'badRecordsPath' = '{RAW}/bad')"
    assert await copied(trips, "in", f"FILEFORMAT = CSV {options}") == [3, 3, 0, 2]
    assert ids(outside) == [1, 3, 4]
    query = f"SELECT file, line, record, reason FROM read_json('{RAW}/bad') ORDER BY line"
    found = (await run(trips, query))["rows"]
    assert [row[:3] for row in found] == [[f"{RAW}/in/a.csv", 3, "2,many"], [f"{RAW}/in/a.csv", 5, "x,2,9"]]
    assert "many" in found[0][3]


RIDES = b"""id,started,fare
1,2026-11-30 07:00:00,2.5
2,yesterday,1
3,2026-11-30 08:00:00+02:00,1
4,2026-11-30 07:00:00 Europe/Vienna,1
5,,1
6,later,x
"""


async def _rides(client: httpx.AsyncClient, outside: Catalog, more: str = "") -> dict[str, Any]:
    """Load rides.csv into sales.rides, whose `started` is a time with a zone."""
    if not outside.table_exists("sales.rides"):
        fields = [("id", pa.int64()), ("started", pa.timestamp("us", tz="UTC")), ("fare", pa.float64())]
        outside.create_table("sales.rides", pa.schema(fields))
        await upload(client, "rides.csv", RIDES)
    return await run(client, f"COPY INTO sales.rides FROM '{RAW}/rides.csv' FILEFORMAT = CSV {more}", wait_timeout=50)


async def test_a_text_that_is_no_time_is_no_null(trips: httpx.AsyncClient, outside: Catalog) -> None:
    await _rides(trips, outside)
    await upload(trips, "unreadable.csv", b"id,started\n1,2026-11-30 07:00:00\n2,yesterday\n")
    query = f"COPY INTO sales.rides FROM '{RAW}/unreadable.csv' FILEFORMAT = CSV"
    ran = await run(trips, query, wait_timeout=50)
    assert (ran["status"], "yesterday" in str(ran["error_message"])) == ("failed", True), ran["error_message"]


async def test_a_row_whose_time_cannot_be_read_is_kept_with_line_and_reason(
    trips: httpx.AsyncClient, outside: Catalog
) -> None:
    ran = await _rides(trips, outside, f"COPY_OPTIONS ('maxBadRecords' = '2', 'badRecordsPath' = '{RAW}/bad')")
    assert ran["rows"] == [[4, 4, 0, 2]], ran["error_message"]
    rows = outside.load_table("sales.rides").scan().to_arrow().sort_by("id").to_pylist()
    assert [(row["id"], row["started"] and row["started"].hour) for row in rows] == [(1, 7), (3, 6), (4, 6), (5, None)]
    found = (await run(trips, f"SELECT line, record, reason FROM read_json('{RAW}/bad') ORDER BY line"))["rows"]
    assert [row[:2] for row in found] == [[3, "2,yesterday,1"], [7, "6,later,x"]]
    assert "yesterday" in found[0][2]


async def test_times_in_a_format_are_held_to_it(trips: httpx.AsyncClient, outside: Catalog) -> None:
    await upload(trips, "formatted.csv", b"id,started\n1,30.11.2026 07:00\n2,2026-11-30 07:00\n")
    await _rides(trips, outside)
    options = "FORMAT_OPTIONS ('timestampFormat' = 'dd.MM.yyyy HH:mm') COPY_OPTIONS ('maxBadRecords' = '1')"
    query = f"COPY INTO sales.rides FROM '{RAW}/formatted.csv' FILEFORMAT = CSV {options}"
    ran = await run(trips, query, wait_timeout=50)
    assert ran["rows"] == [[1, 1, 0, 1]], ran["error_message"]
