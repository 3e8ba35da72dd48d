"""Files that DuckDB itself writes into tables, against those of the gateway's own writer; the operator is played."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import pytest_asyncio
from pyiceberg.catalog import Catalog
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import (
    BinaryType,
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    FloatType,
    IntegerType,
    LongType,
    NestedField,
    StringType,
    TimestampType,
    TimestamptzType,
)

from .site import RunningGateway, run
from .test_files import parquet, upload

pytestmark = pytest.mark.integration

ROWS = 130_000
"""More than DuckDB puts into a row group."""
MOMENT = dt.datetime.fromisoformat("1969-12-31T23:59:59.999999")
TYPES = {
    "flag": (BooleanType(), lambda row: row % 2 == 0),
    "small": (IntegerType(), lambda row: row - 7),
    "id": (LongType(), lambda row: row),
    "short": (FloatType(), lambda row: row / 8),
    "zero": (DoubleType(), lambda row: 0.0 if row % 2 else -0.0),
    "price": (DecimalType(9, 2), lambda row: Decimal(row) / 100),
    "wide": (DecimalType(18, 4), lambda row: Decimal(row - 10) / 10_000),
    "day": (DateType(), lambda row: dt.date(1969, 12, 1) + dt.timedelta(days=row % 90)),
    "at": (TimestampType(), lambda row: MOMENT + dt.timedelta(seconds=row)),
    "seen": (TimestamptzType(), lambda row: (MOMENT + dt.timedelta(minutes=row)).replace(tzinfo=dt.UTC)),
    "name": (StringType(), lambda row: f"ä name that is longer than sixteen characters {row % 999}"),
    "raw": (BinaryType(), lambda row: bytes([row % 256])),
    "empty": (StringType(), lambda row: None),
    "some": (LongType(), lambda row: row if row % 3 else None),
}
BY_THE_GATEWAY = {"write.parquet.page-size-bytes": "1048576"}
"""A property that DuckDB does not know, so that it does not write the table."""


@pytest_asyncio.fixture
async def client_with_volume(client: httpx.AsyncClient, gateway: RunningGateway, outside: Catalog) -> httpx.AsyncClient:
    """The administrator, with a volume raw in the database sales."""
    outside.create_namespace("sales")
    assert (await client.post("/databases/sales/volumes", json={"name": "raw"})).status_code == 201
    return client


async def copied(client: httpx.AsyncClient, table: str, file: str, form: str = "PARQUET") -> dict[str, Any]:
    """Run COPY INTO, and return the statement."""
    query = f"COPY INTO sales.{table} FROM 'volumes/sales/raw/{file}' FILEFORMAT = {form}"
    return await run(client, query, wait_timeout=50)


def written_by(table: Table) -> set[str]:
    """Return the programs that wrote the files of a table."""
    paths = table.inspect.files()["file_path"].to_pylist()
    found = set()
    for path in paths:
        with table.io.new_input(path).open() as stream:
            found.add(str(pq.read_metadata(stream).created_by).split(" ")[0])
    return found


def metrics(table: Table) -> dict[str, dict[str, Any]]:
    """Return what the manifest says of each column; there is one file."""
    [file] = table.inspect.files().to_pylist()
    names = ("value_count", "null_value_count", "nan_value_count", "lower_bound", "upper_bound")
    return {
        column: {name: value for name, value in found.items() if name in names}
        for column, found in file["readable_metrics"].items()
    }


async def test_files_of_duckdb_are_as_those_of_the_gateway(
    client_with_volume: httpx.AsyncClient, outside: Catalog
) -> None:
    client = client_with_volume
    schema = Schema(*(NestedField(10 + at, name, kind) for at, (name, (kind, _)) in enumerate(TYPES.items())))
    columns = {name: [value(row) for row in range(ROWS)] for name, (_, value) in TYPES.items()}
    arrow = schema.as_arrow()
    values = {name: pa.array(column, arrow.field(name).type) for name, column in columns.items()}
    await upload(client, "rows.parquet", parquet(**values))
    for name, properties in (("ours", BY_THE_GATEWAY), ("theirs", {})):
        outside.create_table(f"sales.{name}", schema, properties=properties)
        ran = await copied(client, name, "rows.parquet")
        assert (ran["status"], ran["rows"]) == ("succeeded", [[ROWS, ROWS, 0, 0]]), ran
    ours, theirs = outside.load_table("sales.ours"), outside.load_table("sales.theirs")
    assert (written_by(ours), written_by(theirs)) == ({"parquet-cpp-arrow"}, {"DuckDB"})
    assert metrics(theirs) == metrics(ours)
    assert theirs.scan().to_arrow().sort_by("id") == ours.scan().to_arrow().sort_by("id")
    summary = ours.current_snapshot().summary.additional_properties  # type: ignore[union-attr]
    found = theirs.current_snapshot().summary.additional_properties  # type: ignore[union-attr]
    differing = {name for name in {*summary, *found} if summary.get(name) != found.get(name)}
    assert differing == {"icefield.statement-id", "added-files-size", "total-files-size"}


async def test_a_column_with_nan_in_a_row_group_has_no_bounds_that_leave_rows_out(
    client_with_volume: httpx.AsyncClient, outside: Catalog
) -> None:
    client = client_with_volume
    outside.create_table("sales.t", pa.schema([("id", pa.int64()), ("f", pa.float64())]))
    numbers = [float(row) for row in range(ROWS)]
    numbers[5] = float("nan")
    await upload(client, "rows.parquet", parquet(id=list(range(ROWS)), f=numbers))
    assert (await copied(client, "t", "rows.parquet"))["status"] == "succeeded"
    table = outside.load_table("sales.t")
    assert written_by(table) == {"DuckDB"}
    found = metrics(table)["f"]
    assert (found["lower_bound"], found["upper_bound"], found["nan_value_count"]) == (None, None, None)
    assert table.scan(row_filter="f < 3").to_arrow()["id"].to_pylist() == [0, 1, 2]
    ran = await run(client, "SELECT count(*) FROM sales.t WHERE f < 10")
    assert ran["rows"] == [[9]]


async def test_a_missing_value_of_a_column_that_needs_one_leaves_nothing(
    client_with_volume: httpx.AsyncClient, outside: Catalog
) -> None:
    client = client_with_volume
    outside.create_table("sales.t", Schema(NestedField(1, "id", LongType(), required=True)))
    await upload(client, "rows.csv", b'id\n1\n""\n')
    ran = await copied(client, "t", "rows.csv", "CSV")
    assert ran["status"] == "failed", ran
    assert "NULL cannot be written into the column id" in ran["error_message"]
    assert outside.load_table("sales.t").current_snapshot() is None


async def test_no_rows_are_a_snapshot_without_files(client_with_volume: httpx.AsyncClient, outside: Catalog) -> None:
    client = client_with_volume
    outside.create_table("sales.t", pa.schema([("id", pa.int64())]))
    await upload(client, "rows.parquet", parquet(id=pa.array([], pa.int64())))
    ran = await copied(client, "t", "rows.parquet")
    assert (ran["status"], ran["rows"]) == ("succeeded", [[0, 0, 0, 0]]), ran
    snapshot = outside.load_table("sales.t").current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert (snapshot.summary["total-data-files"], snapshot.summary["total-records"]) == ("0", "0")
