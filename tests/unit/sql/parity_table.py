"""The table over which Spark's and DuckDB's answers are compared: one column of each type, rows at the edges."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

COLUMNS = {
    "g": "string",
    "i": "int",
    "j": "int",
    "b": "bigint",
    "s": "smallint",
    "d": "double",
    "f": "float",
    "c": "decimal(10,2)",
    "e": "decimal(5,3)",
    "t": "string",
    "u": "string",
    "dt": "date",
    "ts": "timestamp",
    "tn": "timestamp_ntz",
    "o": "boolean",
    "x": "binary",
    "a": "array<int>",
    "w": "array<string>",
    "m": "map<string,int>",
    "r": "struct<p:int,q:string>",
}

ROWS = [
    "'k', 7, 2, 5000000000, 12, 2.5, 1.5, 123.45, 1.125, 'Hello World', '12', DATE '2024-02-29', "
    "TIMESTAMP '2024-02-29 13:45:10.123456', TIMESTAMP_NTZ '2024-02-29 13:45:10', true, X'0a41', array(3, 1, 2), "
    "array('b', 'a'), map('p', 1, 'q', 2), named_struct('p', 1, 'q', 'z')",
    "'k', -7, 2, -3, -5, -2.5, -0.5, -123.45, -2.345, '  a,b,,c  ', '-3', DATE '2023-12-31', "
    "TIMESTAMP '1969-12-31 23:59:59', TIMESTAMP_NTZ '1999-12-31 23:59:59.5', false, X'', array(5, null, 5), "
    "array('x', null, 'x'), map('p', -1), named_struct('p', null, 'q', 'y')",
    "'l', 0, 3, 0, 0, 0.0, 0.0, 0.00, 0.000, '', '0', DATE '1970-01-01', TIMESTAMP '1970-01-01 00:00:00', "
    "TIMESTAMP_NTZ '1970-01-01 00:00:00', true, X'ff00', array(), array(), map(), named_struct('p', 0, 'q', '')",
    "'l', 10, -3, 9000000000000000000, 300, 1e15, 3.25, 99999999.99, 9.999, 'über Straße', '99', DATE '2000-01-03', "
    "TIMESTAMP '2000-01-03 04:05:06', TIMESTAMP_NTZ '2000-01-03 04:05:06', false, X'616263', array(1), array('a'), "
    "map('z', 26), named_struct('p', 9, 'q', 'Q')",
    "'n', null, 1, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null",  # noqa: E501
    "'n', 3, 5, 42, 1, double('NaN'), 0.1, 0.05, 0.500, 'a%b_c', '2024-05-06', DATE '2024-12-30', "
    "TIMESTAMP '2024-12-30 00:00:00', TIMESTAMP_NTZ '2024-12-30 12:00:00', null, X'01', array(2, 2, null), array('zz', ''), "  # noqa: E501
    "map('a', null), named_struct('p', 2, 'q', null)",
]


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it, the same from either engine."""
    if isinstance(value, float):
        return str(value) if not math.isfinite(value) else float(f"{value:.12g}")
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        aware = value if value.tzinfo is None else value.astimezone(UTC).replace(tzinfo=None)
        return aware.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in sorted(value.items(), key=lambda item: str(item[0]))}
    if hasattr(value, "asDict"):
        return {key: plain(item) for key, item in value.asDict().items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, timedelta) else value


DUCKDB_TYPES = """
    g VARCHAR, i INTEGER, j INTEGER, b BIGINT, s SMALLINT, d DOUBLE, f FLOAT, c DECIMAL(10, 2), e DECIMAL(5, 3),
    t VARCHAR, u VARCHAR, dt DATE, ts TIMESTAMPTZ, tn TIMESTAMP, o BOOLEAN, x BLOB, a INTEGER[], w VARCHAR[],
    m MAP(VARCHAR, INTEGER), r STRUCT(p INTEGER, q VARCHAR)
"""

DUCKDB_ROWS = [
    "'k', 7, 2, 5000000000, 12, 2.5, 1.5, 123.45, 1.125, 'Hello World', '12', '2024-02-29', "
    "'2024-02-29 13:45:10.123456+00', '2024-02-29 13:45:10', true, from_hex('0a41'), [3, 1, 2], ['b', 'a'], "
    "MAP {'p': 1, 'q': 2}, {'p': 1, 'q': 'z'}",
    "'k', -7, 2, -3, -5, -2.5, -0.5, -123.45, -2.345, '  a,b,,c  ', '-3', '2023-12-31', "
    "'1969-12-31 23:59:59+00', '1999-12-31 23:59:59.5', false, from_hex(''), [5, null, 5], ['x', null, 'x'], "
    "MAP {'p': -1}, {'p': null, 'q': 'y'}",
    "'l', 0, 3, 0, 0, 0.0, 0.0, 0.00, 0.000, '', '0', '1970-01-01', '1970-01-01 00:00:00+00', "
    "'1970-01-01 00:00:00', true, from_hex('ff00'), [], [], MAP {}, {'p': 0, 'q': ''}",
    "'l', 10, -3, 9000000000000000000, 300, 1e15, 3.25, 99999999.99, 9.999, 'über Straße', '99', '2000-01-03', "
    "'2000-01-03 04:05:06+00', '2000-01-03 04:05:06', false, from_hex('616263'), [1], ['a'], MAP {'z': 26}, "
    "{'p': 9, 'q': 'Q'}",
    "'n', null, 1, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null, null",  # noqa: E501
    "'n', 3, 5, 42, 1, 'NaN', 0.1, 0.05, 0.500, 'a%b_c', '2024-05-06', '2024-12-30', '2024-12-30 00:00:00+00', "
    "'2024-12-30 12:00:00', null, from_hex('01'), [2, 2, null], ['zz', ''], MAP {'a': null}, {'p': 2, 'q': null}",
]
