"""Rows of CSV files that DuckDB could not read, which it keeps in tables of the connection (store_rejects)."""

from __future__ import annotations

import json

import duckdb

from .file_errors import sentence_of

_QUERY = """
    SELECT file_path, line, any_value(column_name), any_value(csv_line), string_agg(error_message, '; ')
    FROM reject_errors JOIN reject_scans USING (scan_id, file_id)
    GROUP BY file_path, line ORDER BY file_path, line LIMIT 100001
"""
_LONGEST = 10_000
"""Characters of a row that are kept."""


def read_bad_rows(connection: duckdb.DuckDBPyConnection, root: str) -> bytes:
    """Return the rows as JSON lines: file, line, column, reason and record.

    Args:
        connection: on which the query ran, to its end.
        root: s3:// URL of the workspace's prefix, without a slash at its end.
    """
    rows = connection.execute(_QUERY).fetchall()
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
