#!/usr/bin/env bash
# DuckDB over a pyarrow table: a filter means something else for NaN than over a table of DuckDB's own.
#
# Versions   duckdb 1.5.5, pyarrow 25.0.1
# Expected   DuckDB orders NaN above every number. A query has one meaning, whether its rows are in a table or in Arrow.
# Seen       `d > 3`, `d >= 5` and `NOT d <= 3` are pushed into the scan, where Arrow evaluates them, and Arrow's NaN
#            is above no number: the row is missing. `d = 'NaN'` and `d <> 5` find it, and so does `d + 0 > 3`, which is
#            not pushed down.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5 pyarrow==25.0.1
"$folder/venv/bin/python" - <<'PYTHON'
import duckdb
import pyarrow as pa

database = duckdb.connect()
arrow = pa.table({"id": [1, 2, 3], "d": [float("nan"), 3.0, 5.0]})
database.execute("CREATE TABLE native AS SELECT * FROM arrow")


def ids(source: str, condition: str) -> list[int]:
    return [row[0] for row in database.execute(f"SELECT id FROM {source} WHERE {condition} ORDER BY id").fetchall()]


for condition, native, scanned in (
    ("d > 3", [1, 3], [3]),
    ("d >= 5", [1, 3], [3]),
    ("NOT d <= 3", [1, 3], [3]),
    ("d <> 5", [1, 2], [1, 2]),
    ("d = 'NaN'::DOUBLE", [1], [1]),
    ("d + 0 > 3", [1, 3], [1, 3]),
):
    seen = ids("native", condition), ids("arrow", condition)
    print(f"{condition}: {seen[0]} of a table, {seen[1]} of Arrow")
    assert seen == (native, scanned)
PYTHON
