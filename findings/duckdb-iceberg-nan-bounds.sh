#!/usr/bin/env bash
# DuckDB's iceberg extension, on a table with NaN in a column of doubles: comparisons that NaN satisfies in DuckDB leave
# its rows out.
#
# Versions   duckdb 1.5.5 with duckdb-extension-iceberg 1.5.5; the table is written by pyiceberg 0.12.0
# Expected   DuckDB orders NaN above every number, and NaN = NaN: over a plain table of the same rows, `d > 3` and
#            `d = 'NaN'` find the row with NaN. Iceberg's lower and upper bounds leave NaN out (spec, "Manifests"), so a
#            reader that orders NaN so must not conclude from an upper bound of 3 that no row is above. Nor does
#            nan_value_counts help it: PyIceberg writes none.
# Seen       Both filters return no row, as the file is pruned by its upper bound. isnan(d) finds the row.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5 duckdb-extension-avro==1.5.5 \
    duckdb-extension-httpfs==1.5.5 duckdb-extension-iceberg==1.5.5 'pyiceberg[sql-sqlite]==0.12.0' sqlalchemy==2.1.9 pyarrow==25.0.1
FOLDER=$folder "$folder/venv/bin/python" - <<'PYTHON'
import os
import struct
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.schema import Schema
from pyiceberg.types import DoubleType, IntegerType, NestedField

database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
for extension in ("avro", "httpfs", "iceberg"):
    package = Path(find_spec(f"duckdb_extension_{extension}").origin).parent
    database.execute(f"LOAD '{next(package.rglob('*.duckdb_extension'))}'")

catalog = InMemoryCatalog("c", warehouse=f"file://{os.environ['FOLDER']}/warehouse")
catalog.create_namespace("n")
schema = Schema(NestedField(1, "id", IntegerType()), NestedField(2, "d", DoubleType()))
table = catalog.create_table("n.t", schema)
rows = pa.table({"id": pa.array([1, 2], pa.int32()), "d": [float("nan"), 3.0]})
table.append(rows)

database.execute("CREATE TABLE plain AS SELECT * FROM rows")
file = next(iter(table.scan().plan_files())).file
assert struct.unpack("<d", file.upper_bounds[2]) == (3.0,)
assert dict(file.nan_value_counts or {}) == {}


def ids(source: str, condition: str) -> list[tuple[int]]:
    return database.execute(f"SELECT id FROM {source} WHERE {condition} ORDER BY id").fetchall()


for condition, plain, scanned in (
    ("d = 'NaN'::DOUBLE", [(1,)], []),
    ("d > 3", [(1,)], []),
    ("isnan(d)", [(1,)], [(1,)]),
):
    seen = ids("plain", condition), ids(f"iceberg_scan('{table.metadata_location}')", condition)
    print(f"{condition}: {seen[0]} of a plain table, {seen[1]} of the Iceberg table")
    assert seen == (plain, scanned)
PYTHON
