#!/usr/bin/env bash
# DuckDB: which rows of a CSV `ignore_errors` leaves out depends on the columns that the query uses.
#
# Versions   duckdb 1.5.5
# Expected   `ignore_errors = true` leaves out the rows that cannot be read with the given column types: a file has the same
#            rows whatever is selected of it, and count(*) is the number of rows that SELECT * returns.
# Seen       A value is read, and its row left out, only where the query uses the column. SELECT * has two rows of the three,
#            SELECT zone and count(*) have three; count(*) beside count(id) is two. So a view or a table that is made of the
#            same call has another count than count(*) said before. `store_rejects` lists the row in the first case only.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5
printf 'id,zone\n1,North\ntwo,South\n3,East\n' > "$folder/zones.csv"
"$folder/venv/bin/python" - "$folder/zones.csv" <<'PYTHON'
import sys

import duckdb

CALL = "read_csv(?, header = true, columns = {'id': 'INTEGER', 'zone': 'VARCHAR'}, ignore_errors = true)"


def rows(columns: str) -> list[tuple[object, ...]]:
    return duckdb.execute(f"SELECT {columns} FROM {CALL}", [sys.argv[1]]).fetchall()


for columns, expected in {
    "*": [(1, "North"), (3, "East")],
    "zone": [("North",), ("South",), ("East",)],
    "count(*)": [(3,)],
    "count(*), count(id)": [(2, 2)],
}.items():
    print(f"SELECT {columns:20}", rows(columns))
    assert rows(columns) == expected


def rejected(columns: str) -> int:
    connection = duckdb.connect()
    call = CALL.replace("ignore_errors", "store_rejects")
    connection.execute(f"SELECT {columns} FROM {call}", [sys.argv[1]]).fetchall()
    return connection.execute("SELECT count(*) FROM reject_errors").fetchone()[0]


print("rejects of SELECT *:", rejected("*"), "of count(*):", rejected("count(*)"))
assert (rejected("*"), rejected("count(*)")) == (1, 0)
PYTHON
