"""Rows of CSV files that DuckDB could not read, which it keeps in tables of the connection (store_rejects)."""

from __future__ import annotations

import json

import duckdb

from .file_errors import sentence_of

_REJECTED = "SELECT * FROM reject_errors JOIN reject_scans USING (scan_id, file_id)"
# Of another call, which is there for the lines of texts that are no times; those with the name of a zone are some.
_LOCATED = """
    UNION ALL
    SELECT * FROM located_errors JOIN located_scans USING (scan_id, file_id)
    WHERE TRY_CAST(regexp_extract(error_message, 'convert string "(.*)" to .TIMESTAMP', 1) AS TIMESTAMPTZ) IS NULL
"""
_QUERY = """
    SELECT file_path, line, min(column_name), any_value(csv_line), string_agg(DISTINCT error_message, '; ')
    FROM ({}) GROUP BY file_path, line ORDER BY file_path, line LIMIT 100001
"""
_HAS_LOCATED = "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'located_errors'"
_LONGEST = 10_000
"""Characters of a row that are kept."""


def read_bad_rows(connection: duckdb.DuckDBPyConnection, root: str) -> bytes:
    """Return the rows as JSON lines: file, line, column, reason and record.

    Args:
        connection: on which the query ran, to its end.
        root: s3:// URL of the workspace's prefix, without a slash at its end.
    """
    has_located = connection.execute(_HAS_LOCATED).fetchone() != (0,)
    rows = connection.execute(_QUERY.format(_REJECTED + _LOCATED * has_located)).fetchall()
    return "".join(
        json.dumps(
            {
                "file": sentence_of(path, root),
                "line": line,
                "column": column,
                "reason": reason,
                "record": (record or "")[:_LONGEST],
            }
        )
        + "\n"
        for path, line, column, record, reason in rows
    ).encode()
