"""INSERTs without Spark, each beside the same INSERT by Spark on an equal table: readers see no difference."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from operator import add
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.conversions import from_bytes
from pyiceberg.table import Table

from tests.catalog import RunningCatalog

from .conftest import NAMESPACE, SLUG
from .planning import compiled, sent
from .pod import Pod, new_name

pytestmark = pytest.mark.integration

EVERY_TYPE = """
    id INT, flag BOOLEAN, big BIGINT, small FLOAT, wide DOUBLE, tiny DECIMAL(4,2), medium DECIMAL(18,3),
    amount DECIMAL(38,9), name STRING, raw BINARY, day DATE, moment TIMESTAMP, local TIMESTAMP_NTZ, tags ARRAY<STRING>,
    point STRUCT<x: DOUBLE, y: STRING>, prices MAP<STRING, DECIMAL(10,2)>, deep ARRAY<STRUCT<a: INT, b: ARRAY<DATE>>>
"""
EVERY_VALUE = [
    """(1, true, 9223372036854775807, 1.5, 1e300, 12.34, 123456789012345.678, 12345678901234567890123456789.123456789,
     'ünï', X'00FF', DATE'0001-01-01', TIMESTAMP'1969-12-31 23:59:59.999999Z',
     TIMESTAMP_NTZ'2024-02-29 12:00:00.000001', NULL, NULL, NULL, NULL)""",
    """(2, false, -9007199254740993, -0.25, -1e-300, -99.99, -0.001, -0.000000001, '', X'', DATE'9999-12-31',
     TIMESTAMP'2024-06-01 00:00:00+02:00', TIMESTAMP_NTZ'1900-01-01 00:00:00', NULL, NULL, NULL, NULL)""",
    f"(3, {', '.join(['NULL'] * 16)})",
    f"(4, false, 0, 0, 0, 0, 0, 0, '{'long ' * 20}', X'{'ab' * 40}', DATE'1969-12-31', {', '.join(['NULL'] * 6)})",
]
NESTED = """SELECT 5, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, array('a', NULL, ''),
    named_struct('x', 2.5D, 'y', 'in'), map('k', CAST(1.50 AS DECIMAL(10,2))),
    array(named_struct('a', 1, 'b', array(DATE'1960-02-29')))"""
NOT_A_NUMBER = """SELECT 6, NULL, NULL, CAST('NaN' AS FLOAT), CAST('NaN' AS DOUBLE), NULL, NULL, NULL, NULL, NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL UNION ALL SELECT 7, NULL, NULL, CAST(2 AS FLOAT), CAST(-1 AS DOUBLE), NULL, NULL,
    NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL"""
_SUMMARY = (
    *("operation", "added-records", "changed-partition-count", "total-records", "total-delete-files"),
    *("total-equality-deletes", "total-position-deletes"),
)


class Twins:
    """Two equal tables: one is written by Spark, the other by the gateway."""

    def __init__(self, pod: Pod, server: RunningCatalog, catalog: Catalog, columns: str, rest: str = "") -> None:
        self.pod, self.server, self.catalog = pod, server, catalog
        self.names = tuple(f"{NAMESPACE}.{new_name()}" for _ in range(2))
        for name in self.names:
            pod.write(f"CREATE TABLE {name} ({columns}) USING iceberg {rest}")

    @property
    def tables(self) -> tuple[Table, Table]:
        """The table that Spark writes, and the other."""
        one, other = (self.catalog.load_table(name) for name in self.names)
        return one, other

    def insert(self, rest: str, params: Any = None) -> dict[str, Any]:
        """Insert into both what follows `INSERT INTO table`; return the state at the gateway of the other."""
        by_spark = compiled(self.server, SLUG, f"INSERT INTO {self.names[0]} {rest}", "spark", params)
        ours = compiled(self.server, SLUG, f"INSERT INTO {self.names[1]} {rest}", "duckdb", params)
        one, other = sent(self.pod, by_spark), sent(self.pod, ours)
        assert one["status"] == "succeeded", one["error"]
        assert other["status"] == "succeeded", other["error"]
        return dict(other)

    def rows(self) -> pa.Table:
        """The rows; each reader reads the same from both tables, and DuckDB the same as Spark."""
        one, other = (self._read(name, table) for name, table in zip(self.names, self.tables, strict=True))
        for reader, rows in one.items():
            assert _sorted(other[reader]) == _sorted(rows), reader
        assert _sorted(one["duckdb"]) == _sorted(one["spark"])
        return one["spark"]

    def _read(self, name: str, table: Table) -> dict[str, pa.Table]:
        return {
            "spark": self.pod.rows(f"SELECT * FROM {name}", engine="spark"),
            "duckdb": self.pod.rows(f"SELECT * FROM iceberg_scan('{table.metadata_location}')"),
            "pyiceberg": table.scan().to_arrow(),
        }


@pytest.fixture
def twins(pod: Pod, embedded_catalog: RunningCatalog, catalog: Catalog) -> Any:
    """Makes two equal tables from columns and what follows them."""

    def make(columns: str, rest: str = "") -> Twins:
        return Twins(pod, embedded_catalog, catalog, columns, rest)

    return make


def _sorted(rows: pa.Table) -> list[str]:
    return sorted(map(repr, rows.to_pylist()))


def _described(table: Table) -> dict[str, dict[str, Any]]:
    """What readers prune by, of the files of each partition together, by the names of the columns."""
    found: dict[str, dict[str, Any]] = {}
    for task in table.scan().plan_files():
        file = task.file
        totals = found.setdefault(repr((file.spec_id, file.partition)), {})
        totals["rows"] = totals.get("rows", 0) + file.record_count
        _merge(totals, table, "values", file.value_counts, add)
        _merge(totals, table, "nulls", file.null_value_counts, add)
        _merge(totals, table, "nans", file.nan_value_counts, add)
        _merge(totals, table, "lower", file.lower_bounds, min)
        _merge(totals, table, "upper", file.upper_bounds, max)
    return found


def _merge(totals: dict[str, Any], table: Table, what: str, given: Any, merge: Callable[[Any, Any], Any]) -> None:
    for number, value in (given or {}).items():
        key = f"{what} of {table.schema().find_column_name(number)}"
        kind = table.schema().find_field(number).field_type
        value = from_bytes(kind, value) if isinstance(value, bytes) else value  # type: ignore[arg-type]
        totals[key] = merge(totals[key], value) if key in totals else value


def _summaries(table: Table) -> list[dict[str, Any]]:
    found = []
    for snapshot in table.snapshots():
        assert snapshot.summary
        values = {"operation": snapshot.summary.operation.value, **snapshot.summary.additional_properties}
        found.append({key: values.get(key) for key in _SUMMARY})
    return found


def _assert_alike(twins: Twins, but: Collection[str] = ()) -> None:
    one, other = (
        {key: {name: value for name, value in found.items() if name not in but} for key, found in each.items()}
        for each in map(_described, twins.tables)
    )
    assert other == one
    one, other = twins.tables
    assert _summaries(other) == _summaries(one)
    assert other.schema() == one.schema()


def test_values_of_every_type(twins: Any) -> None:
    both = twins(EVERY_TYPE)
    state = both.insert(f"VALUES {', '.join(EVERY_VALUE)}")
    _, ours = both.tables
    appended = state["appended"]
    assert (appended["snapshot_id"], appended["rows"]) == (ours.current_snapshot().snapshot_id, 4)
    assert appended["files"] == 1
    assert ours.current_snapshot().summary["icefield.statement-id"] == state["id"]
    both.insert(NESTED)
    both.insert(NOT_A_NUMBER)
    assert both.rows().num_rows == 7
    # Of floating point numbers in structs, Iceberg's Java library does not count those whose struct is NULL.
    _assert_alike(both, ("values of point.x", "nulls of point.x"))


PARTITIONED = """
    n INT, big BIGINT, amount DECIMAL(10,2), name STRING, raw BINARY, day DATE, moment TIMESTAMP, local TIMESTAMP_NTZ
"""
IN_PARTITIONS = """VALUES
    (1, -1, -0.01, 'a', X'00', DATE'1969-12-31', TIMESTAMP'1969-12-31 23:59:59.999999Z',
     TIMESTAMP_NTZ'1969-12-31 23:00:00'),
    (2, -100, -10.55, 'abcdef', X'FFFF', DATE'1900-02-28', TIMESTAMP'1900-01-01 00:00:00Z',
     TIMESTAMP_NTZ'1899-12-31 23:59:59'),
    (3, 0, 0, '', X'', DATE'1970-01-01', TIMESTAMP'1970-01-01 00:00:00Z', TIMESTAMP_NTZ'1970-01-01 00:00:00'),
    (-4, 9223372036854775807, 99999999.99, 'ünï ço/dé', X'AB', DATE'2024-02-29', TIMESTAMP'2024-02-29 12:34:56.789Z',
     TIMESTAMP_NTZ'2038-01-19 03:14:08'),
    (NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)
"""
SPECS = [
    *("n", "big", "amount", "name", "raw", "day", "moment", "local"),
    *("bucket(4, n)", "bucket(4, big)", "bucket(4, amount)", "bucket(4, name)", "bucket(4, raw)", "bucket(4, day)"),
    *("bucket(4, moment)", "bucket(4, local)", "truncate(3, n)", "truncate(10, big)", "truncate(50, amount)"),
    *("truncate(2, name)", "years(day)", "months(day)", "days(day)", "years(moment)", "months(moment)"),
    *("days(moment)", "hours(moment)", "years(local)", "months(local)", "days(local)", "hours(local)"),
    "bucket(2, name), days(moment), truncate(2, name)",
]


@pytest.mark.parametrize("spec", SPECS)
def test_partitions(twins: Any, spec: str) -> None:
    both = twins(PARTITIONED, f"PARTITIONED BY ({spec})")
    both.insert(IN_PARTITIONS)
    assert both.rows().num_rows == 5
    _assert_alike(both)


MANY = """
    n INT, big BIGINT, wide DOUBLE, small FLOAT, amount DECIMAL(12,4), name STRING, raw BINARY, flag BOOLEAN, day DATE,
    moment TIMESTAMP, local TIMESTAMP_NTZ, nothing STRING
"""


def _many(count: int, **odd: str) -> str:
    """Rows of literals, as clients write data frames."""
    rows = []
    for n in range(count):
        values = {
            "n": f"{n - 5}", "big": f"{(n - 7) * 10**15}", "wide": f"{n / 7!r}", "small": f"{n}.25",
            "amount": f"{'-' if n % 2 else ''}{n}.{n % 10}", "name": f"'it''s {n} \\'quoted\\' ü'",
            "raw": f"X'{n:04x}'",
            "flag": "TRUE" if n % 3 else "FALSE", "day": f"DATE '19{60 + n % 30}-0{1 + n % 9}-1{n % 9}'",
            "moment": f"TIMESTAMP '1969-12-31 23:59:{n % 60:02}.{n % 7}+01:00'",
            "local": f"TIMESTAMP_NTZ '2024-02-29 1{n % 9}:00:00'", "nothing": "NULL",
        }  # fmt: skip
        rows.append(f"({', '.join(('NULL' if n % 11 == 3 else value) for value in (values | odd).values())})")
    return f"VALUES {', '.join(rows)}"


def test_many_rows_of_literals(twins: Any) -> None:
    both = twins(MANY)
    state = both.insert(_many(400))
    assert state["appended"]["rows"] == 400
    both.insert(
        _many(200, wide="1e-5", small="-7", amount="3", big="2147483648", moment="TIMESTAMP'2024-01-01 00:00:00'")
    )
    both.insert(
        _many(200, n="'12'", amount="' 1.5 '", day="'2024-05-01'", flag="'true'", moment="'2024-05-01 10:00:00'")
    )
    rest = "(name, N) " + ", ".join(f"('row {n}', {n})" for n in range(300)).join(("VALUES ", ""))
    both.insert(rest)
    assert both.rows().num_rows == 1100
    _assert_alike(both)


def test_columns_and_casts(twins: Any) -> None:
    both = twins(
        "a TINYINT, b SMALLINT, c INT, d BIGINT, e FLOAT, f DOUBLE, g DECIMAL(6,2), h STRING, i DATE, j TIMESTAMP"
    )
    both.insert("VALUES (1, 2, 3, 4, 5, 6, 7, 8, DATE'2024-01-01', DATE'2024-01-01')")
    both.insert("(h, c, G) VALUES (1.50, 2.9, 2.345), (-0.5, -2.9, -2.345), (NULL, NULL, NULL), (7, 7, 9999)")
    both.insert("(h) VALUES (true), (NULL)")
    both.insert("(h) VALUES (DATE'0099-01-01')")
    rows = "VALUES (1, 1.1, DATE'2024-01-01', TIMESTAMP'2024-06-01 23:59:59Z') t(c, g, i, j)"
    both.insert(f"(d, f, i, j) SELECT c, g, j, i FROM {rows}")
    both.insert("(c, h) SELECT id, upper(concat('x', id)) FROM range(100) WHERE id % 3 = 1")
    both.insert("(c, d) VALUES (?, ?), (?, ?)", [1, 2**40, None, -1])
    both.insert("(c) SELECT 1 WHERE false")
    assert both.rows().num_rows == 44
    _assert_alike(both)


def test_a_query_over_tables(twins: Any) -> None:
    source, both = twins("id BIGINT, name STRING"), twins("id BIGINT, total DECIMAL(20,2), names STRING")
    source.insert("SELECT id, concat('n', id % 5) FROM range(1000)")
    name = source.names[0]
    both.insert(f"SELECT max(id), sum(id) / 3, name FROM {name} WHERE id > 10 GROUP BY name")
    assert both.rows().num_rows == 5
    _assert_alike(both)


def test_properties_of_the_table(twins: Any, pod: Pod) -> None:
    metrics = "'write.metadata.metrics.default'='counts', 'write.metadata.metrics.column.b'='full'"
    both = twins("a STRING, b STRING, c INT", f"TBLPROPERTIES ('write.parquet.compression-codec'='snappy', {metrics})")
    both.insert(f"VALUES ('{'a' * 40}', '{'b' * 40}', 1)")
    both.rows()
    _assert_alike(both)
    for table in both.tables:
        (task,) = table.scan().plan_files()
        path = task.file.file_path.removeprefix(f"s3://{pod.site.bucket}/")
        footer = pq.read_metadata(io.BytesIO(pod.stored(path)))
        assert footer.row_group(0).column(0).compression == "SNAPPY"


def test_what_becomes_of_a_table_that_changed(pod: Pod, embedded_catalog: RunningCatalog, catalog: Catalog) -> None:
    name = f"{NAMESPACE}.{new_name()}"
    pod.write(f"CREATE TABLE {name} (a INT, b INT) USING iceberg")
    planned = compiled(embedded_catalog, SLUG, f"INSERT INTO {name} VALUES (1, 2)", "duckdb")
    pod.write(f"INSERT INTO {name} VALUES (3, 4)")
    assert sent(pod, planned)["status"] == "succeeded"  # other rows are no obstacle
    pod.write(f"ALTER TABLE {name} DROP COLUMN b")
    pod.write(f"ALTER TABLE {name} ADD COLUMN b INT")
    assert sent(pod, planned)["error"]["code"] == "TABLE_CHANGED"
    pod.write(f"DROP TABLE {name}")
    assert sent(pod, planned)["error"]["code"] == "TABLE_CHANGED"
    pod.write(f"CREATE TABLE {name} (a INT, b INT) USING iceberg")
    assert sent(pod, planned)["error"]["code"] == "TABLE_CHANGED"
    assert catalog.load_table(name).snapshots() == []


def test_null_in_a_column_that_needs_a_value(pod: Pod, embedded_catalog: RunningCatalog, catalog: Catalog) -> None:
    name = f"{NAMESPACE}.{new_name()}"
    pod.write(f"CREATE TABLE {name} (a INT NOT NULL, b INT) USING iceberg")
    planned = compiled(embedded_catalog, SLUG, f"INSERT INTO {name} VALUES (1, NULL), (NULL, 2)", "duckdb")
    error = sent(pod, planned)["error"]
    assert error == {"code": "NOT_NULL_ASSERT_VIOLATION", "message": "NULL cannot be written into the column a."}
    assert catalog.load_table(name).snapshots() == []
    fine = compiled(embedded_catalog, SLUG, f"INSERT INTO {name} VALUES (1, NULL)", "duckdb")
    assert sent(pod, fine)["appended"]["rows"] == 1


def test_many_writers_of_one_table(pod: Pod, embedded_catalog: RunningCatalog, catalog: Catalog) -> None:
    name = f"{NAMESPACE}.{new_name()}"
    pod.write(f"CREATE TABLE {name} (a INT) USING iceberg")

    def write(number: int) -> Any:
        if number % 4 == 3:
            return pod.run(f"INSERT INTO {name} VALUES ({number})", engine="spark")
        return sent(pod, compiled(embedded_catalog, SLUG, f"INSERT INTO {name} VALUES ({number})", "duckdb"))

    with ThreadPoolExecutor(8) as threads:
        states = list(threads.map(write, range(24)))
    applied = [number for number, state in enumerate(states) if state["status"] == "succeeded"]
    assert [state["error"] for number, state in enumerate(states) if number not in applied and number % 4 != 3] == []
    found = catalog.load_table(name).scan().to_arrow().column("a").to_pylist()
    assert sorted(found) == applied
