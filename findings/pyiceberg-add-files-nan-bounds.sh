#!/usr/bin/env bash
# PyIceberg and DuckDB: `add_files` of a Parquet file of DuckDB's with one NaN records bounds that leave rows out, and a
# scan with a filter then does not find them.
#
# Versions   duckdb 1.5.5, pyiceberg 0.12.0, pyarrow 25.0.1
# Expected   A scan finds the 99 rows of `number < 100`. The bounds of a column in a manifest hold for every row of the file,
#            or are absent; PyIceberg reads them from the footer.
# Seen       DuckDB has no minimum and maximum of a row group in which a number is NaN. PyIceberg takes those of the other row
#            groups for the whole file (data_file_statistics_from_parquet_metadata): the lower bound of 0, 1, 2, … is 122,880,
#            and the scan skips the file. Besides, COPY … RETURN_STATS says has_nan = false of the file with the NaN.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5 'pyiceberg[sql-sqlite]==0.12.0' pyarrow==25.0.1
"$folder/venv/bin/python" - "$folder" <<'PYTHON'
import sys

import duckdb
import pyarrow as pa
from pyiceberg.catalog.sql import SqlCatalog

folder = sys.argv[1]
ROWS = 200_000
QUERY = f"SELECT CASE WHEN i = 5 THEN 'nan'::DOUBLE ELSE i::DOUBLE END AS number FROM range({ROWS}) AS t(i)"

[returned] = duckdb.execute(f"COPY ({QUERY}) TO '{folder}/numbers.parquet' (FORMAT parquet, RETURN_STATS)").fetchall()
statistics = next(each for each in returned if isinstance(each, dict))
print("RETURN_STATS:", statistics['"number"']["has_nan"])
assert statistics['"number"']["has_nan"] == "false"

catalog = SqlCatalog("test", uri=f"sqlite:///{folder}/catalog.db", warehouse=f"file://{folder}/warehouse")
catalog.create_namespace("s")
table = catalog.create_table("s.numbers", pa.schema([("number", pa.float64())]))
table.add_files([f"{folder}/numbers.parquet"])

[bounds] = [each["number"] for each in table.inspect.files()["readable_metrics"].to_pylist()]
print("bounds:", bounds["lower_bound"], bounds["upper_bound"])
assert (bounds["lower_bound"], bounds["upper_bound"]) == (122_880.0, ROWS - 1)

all_rows = [number for number in table.scan().to_arrow()["number"].to_pylist() if number < 100]
found = table.scan(row_filter="number < 100").to_arrow()
print("number < 100:", len(all_rows), "in the table,", found.num_rows, "by the scan")
assert (len(all_rows), found.num_rows) == (99, 0)
PYTHON
