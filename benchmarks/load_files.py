"""A large CSV by COPY INTO, against DuckDB's own COPY of it into a Parquet file and its upload; a load of 100,000 rows.

The file is uploaded to a volume before. `eval "$(icefield env)"; python -m benchmarks.load_files`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from statistics import median

import duckdb
from rich.console import Console
from rich.table import Table

from benchmarks.sql_under_test import SqlPlatform, store_of

ROW_BYTES = 64
LOAD_ROWS = 100_000
COPY_BAR, LOAD_BAR_SECONDS = 1.3, 3.0
COLUMNS = {"id": "long", "zone": "string", "fare": "double", "at": "timestamptz", "day": "date"}
_QUERY = """
    SELECT i AS id, 'zone ' || (i % 263) AS zone, (i % 9973) / 7.0 AS fare,
           TIMESTAMP '2026-01-01' + INTERVAL (i % 1000000) SECOND AS at, DATE '2026-01-01' + (i % 365)::INT AS day
    FROM range({rows}) AS t(i)
"""


def write_csv(path: Path, rows: int) -> None:
    """Write a CSV of so many rows."""
    duckdb.sql(f"COPY ({_QUERY.format(rows=rows)}) TO '{path}' (HEADER)")


def copy_and_upload(csv: Path, parquet: Path, platform: SqlPlatform, database: str) -> float:
    """Return the seconds that DuckDB's own COPY into Parquet and the upload of the file take."""
    store = store_of(database, "trips")
    bucket, key = platform.metadata_location(database, "trips").removeprefix("s3://").split("/", 1)
    began = time.perf_counter()
    duckdb.connect(config={"threads": 2}).execute(
        f"COPY (SELECT * FROM read_csv('{csv}')) TO '{parquet}' (FORMAT parquet, COMPRESSION zstd)"
    )
    store.client().upload_file(str(parquet), bucket, f"{key.rpartition('/metadata/')[0]}/data/benchmark.parquet")
    return time.perf_counter() - began


def copy_into(platform: SqlPlatform, database: str) -> float:
    """Return the seconds that COPY INTO takes."""
    began = time.perf_counter()
    query = f"COPY INTO {database}.trips FROM 'volumes/{database}/raw/trips.csv' FILEFORMAT = CSV"
    platform.wait(platform.submit(f"{query} COPY_OPTIONS ('force' = 'true')"))
    return time.perf_counter() - began


def load(platform: SqlPlatform, database: str, csv: Path, number: int) -> float:
    """Return the seconds that POST …/load takes, which makes a table."""
    began = time.perf_counter()
    answer = platform.rest.post(
        f"/databases/{database}/tables/loaded_{number}/load",
        data={"create": "true", "warehouse_id": platform.warehouse, "wait_timeout": "50"},
        files={"file": ("trips.csv", csv.read_bytes())},
    )
    if answer.raise_for_status().json()["rows_loaded"] != LOAD_ROWS:
        raise RuntimeError(answer.text)
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--megabytes", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    platform = SqlPlatform()
    platform.warm_up()
    database = platform.create_database()
    platform.rest.post(f"/databases/{database}/volumes", json={"name": "raw"}).raise_for_status()
    columns = [{"name": name, "type": kind} for name, kind in COLUMNS.items()]
    platform.rest.post(f"/databases/{database}/tables", json={"name": "trips", "columns": columns}).raise_for_status()
    with tempfile.TemporaryDirectory() as folder:
        csv, small, parquet = Path(folder, "trips.csv"), Path(folder, "small.csv"), Path(folder, "trips.parquet")
        write_csv(csv, arguments.megabytes * 1_000_000 // ROW_BYTES)
        write_csv(small, LOAD_ROWS)
        with csv.open("rb") as content:
            files = {"file": ("trips.csv", content)}
            platform.rest.post(f"/databases/{database}/volumes/raw/files", files=files).raise_for_status()
        floors, copies = [], []
        for _ in range(arguments.turns):
            floors.append(copy_and_upload(csv, parquet, platform, database))
            copies.append(copy_into(platform, database))
        loads = [load(platform, database, small, number) for number in range(arguments.turns)]
    table = Table("", "seconds", "bar")
    table.add_row("DuckDB's COPY and the upload", f"{median(floors):.1f}", "")
    table.add_row("COPY INTO", f"{median(copies):.1f}", f"{median(copies) / median(floors):.2f} x, bar {COPY_BAR} x")
    table.add_row(f"load of {LOAD_ROWS} rows", f"{median(loads):.2f}", f"bar {LOAD_BAR_SECONDS} s")
    Console().print(table)


if __name__ == "__main__":
    main()
