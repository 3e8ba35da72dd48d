#!/usr/bin/env bash
# DuckDB: a text in a CSV that is no time is NULL in a TIMESTAMPTZ column, without an error.
#
# Versions   duckdb 1.5.5
# Expected   A value that a column's type cannot have is an error, or with `store_rejects` a rejected row, whatever the type.
# Seen       So it is for TIMESTAMP, DATE, BIGINT and the others. In a column of the type TIMESTAMPTZ (given by `types` or
#            `columns`, or found by the sniffer in the first rows) such a text becomes NULL: no error, and no rejected row.
#            CAST of the same text, and read_json with the same type, raise. TIMESTAMP instead is no way out: the offset of
#            `08:00:00+02:00` is left out, so that the time is another one.
# Fails      when these answers change.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check duckdb==1.5.5
printf 'id,started\n1,2026-11-30 08:00:00+02:00\n2,yesterday\n' > "$folder/rides.csv"
"$folder/venv/bin/python" - "$folder/rides.csv" <<'PYTHON'
import sys

import duckdb

connection = duckdb.connect()
connection.execute("SET TimeZone = 'UTC'")


def read(kind: str, options: str = "") -> object:
    call = f"read_csv(?, header = true, types = {{'started': '{kind}'}}{options})"
    try:
        return connection.execute(f"SELECT id, started::VARCHAR FROM {call}", [sys.argv[1]]).fetchall()
    except duckdb.Error as error:
        return type(error).__name__


for kind, options, expected in (
    ("TIMESTAMPTZ", "", [(1, "2026-11-30 06:00:00+00"), (2, None)]),
    ("TIMESTAMPTZ", ", store_rejects = true", [(1, "2026-11-30 06:00:00+00"), (2, None)]),
    ("TIMESTAMP", "", "ConversionException"),
    ("TIMESTAMP", ", ignore_errors = true", [(1, "2026-11-30 08:00:00")]),
    ("DATE", "", "ConversionException"),
):
    print(f"{kind:12}{options:24}", read(kind, options))
    assert read(kind, options) == expected
assert connection.execute("SELECT count(*) FROM reject_errors").fetchone() == (0,)
try:
    connection.execute("SELECT CAST('yesterday' AS TIMESTAMPTZ)")
except duckdb.ConversionException as error:
    print("CAST:", str(error).splitlines()[0])
else:
    raise AssertionError("CAST raises no error")
PYTHON
