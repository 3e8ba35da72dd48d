#!/usr/bin/env bash
# DuckDB's iceberg extension, on a table that PyIceberg partitioned by days(ts) or months(ts): a row before 1970 is not
# found by its own timestamp.
#
# Versions   duckdb 1.5.5 with duckdb-extension-iceberg 1.5.5; the table is written by pyiceberg 0.12.0
# Expected   days and months count from 1970-01-01 and round down (Iceberg spec, "Partition Transforms"): 1969-12-15 12:00
#            is day -17 and month -1. The file has that partition value, and an equality on ts finds the row.
# Seen       `ts = TIMESTAMP '1969-12-15 12:00:00'` returns no row. With an expression around ts, from which nothing can
#            be pruned, the same comparison returns it; so does PyIceberg. A row of 1970 is found either way. So it looks
#            as if the constant of the filter is rounded towards zero, and the file is left out by its partition.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5 duckdb-extension-avro==1.5.5 \
    duckdb-extension-httpfs==1.5.5 duckdb-extension-iceberg==1.5.5 'pyiceberg[sql-sqlite]==0.12.0' sqlalchemy==2.1.9 pyiceberg-core==0.10.1 \
    pyarrow==25.0.1
FOLDER=$folder "$folder/venv/bin/python" - <<'PYTHON'
import os
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pyarrow as pa
from pyiceberg.catalog.memory import InMemoryCatalog
from pyiceberg.expressions import EqualTo
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import DayTransform, MonthTransform
from pyiceberg.types import IntegerType, NestedField, TimestampType

database = duckdb.connect(config={"allow_unsigned_extensions": "true"})
for extension in ("avro", "httpfs", "iceberg"):
    package = Path(find_spec(f"duckdb_extension_{extension}").origin).parent
    database.execute(f"LOAD '{next(package.rglob('*.duckdb_extension'))}'")

catalog = InMemoryCatalog("c", warehouse=f"file://{os.environ['FOLDER']}/warehouse")
catalog.create_namespace("n")
schema = Schema(NestedField(1, "id", IntegerType()), NestedField(2, "ts", TimestampType()))
OLD, NEW = datetime(1969, 12, 15, 12), datetime(1970, 1, 2, 12)
for name, transform, values in (("days", DayTransform(), [-17, 1]), ("months", MonthTransform(), [-1, 0])):
    table = catalog.create_table(f"n.{name}", schema, partition_spec=PartitionSpec(PartitionField(2, 1000, transform, "p")))
    for number, moment in enumerate((OLD, NEW)):
        rows = {"id": pa.array([number], pa.int32()), "ts": pa.array([moment], pa.timestamp("us"))}
        table.append(pa.table(rows))
    partitions = sorted(task.file.partition[0] for task in table.scan().plan_files())

    def ids(column: str, moment: datetime) -> list[tuple[int]]:
        source = f"iceberg_scan('{table.metadata_location}')"
        return database.execute(f"SELECT id FROM {source} WHERE {column} = TIMESTAMP '{moment}'").fetchall()

    seen = {
        "partition values": partitions,
        "1969 by ts": ids("ts", OLD),
        "1969 by an expression": ids("ts + INTERVAL 0 DAY", OLD),
        "1970 by ts": ids("ts", NEW),
        "1969 by PyIceberg": table.scan(row_filter=EqualTo("ts", OLD.isoformat())).to_arrow()["id"].to_pylist(),
    }
    print(name, seen)
    assert seen == {
        "partition values": values,
        "1969 by ts": [],
        "1969 by an expression": [(0,)],
        "1970 by ts": [(1,)],
        "1969 by PyIceberg": [0],
    }
PYTHON
