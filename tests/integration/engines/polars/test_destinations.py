"""Destinations: what is written, in how many commits, and what is left of writes that fail."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.transforms import BucketTransform
from pyiceberg.types import IntegerType, LongType, NestedField, StringType

from tests.equality_deletes import delete_where_equal

from .conftest import FLOWERS
from .sandbox import Sandbox

pytestmark = pytest.mark.integration

COUNTS = "result = scan('default.flowers').group_by('species').agg(pl.len().alias('n')).sort('species')"


@pytest.fixture
def name() -> str:
    """A table that is not there."""
    return f"default.t{secrets.token_hex(4)}"


def summaries(lake: Catalog, name: str) -> list[dict[str, Any]]:
    """The summary of each snapshot of a table, oldest first."""
    snapshots = lake.load_table(name).snapshots()
    return [dict(snapshot.summary.additional_properties) for snapshot in snapshots if snapshot.summary]


def test_a_table_is_created_by_one_commit(sandbox: Sandbox, lake: Catalog, name: str) -> None:
    outcome = sandbox.run(script=COUNTS, destination=f"oleander.{name}")
    assert outcome["saved"] == {"table": f"oleander.{name}", "rows_written": 3, "mode": "overwrite"}
    assert outcome["row_count"] == 3
    table = lake.load_table(name)
    expected = {"species": ["setosa", "versicolor", "virginica"], "n": [2, 1, 2]}
    assert table.scan().to_arrow().to_pydict() == sandbox.rows(outcome).to_pydict() == expected
    assert len(summaries(lake, name)) == len(table.metadata.metadata_log) + 1 == 1
    assert len(summaries(lake, name)[0]["icefield.run-id"]) == 36


def test_overwriting_replaces_columns_and_rows_by_one_commit(sandbox: Sandbox, lake: Catalog, name: str) -> None:
    table = lake.create_table(name, FLOWERS.schema, properties={"owner": "ann"})
    table.append(FLOWERS)
    before = len(table.refresh().metadata.metadata_log)
    outcome = sandbox.run(query="SELECT count(*) AS n FROM f", tables=[flowers("f")], destination=name)
    assert outcome["saved"]["rows_written"] == 1
    table.refresh()
    assert table.scan().to_arrow().to_pydict() == {"n": [5]}
    assert table.properties["owner"] == "ann"
    assert len(table.metadata.metadata_log) == before + 1
    first = table.metadata.snapshots[0].snapshot_id
    assert table.scan(snapshot_id=first).to_arrow().num_rows == 5


def test_overwriting_keeps_what_a_table_is_when_the_columns_are_the_same(
    sandbox: Sandbox, lake: Catalog, name: str
) -> None:
    schema = Schema(NestedField(1, "species", StringType()), NestedField(2, "n", LongType()))
    spec = PartitionSpec(PartitionField(1, 1000, BucketTransform(4), "species_bucket"))
    table = lake.create_table(name, schema, partition_spec=spec)
    table.append(pa.table({"species": ["x"], "n": pa.array([1], pa.int64())}))
    outcome = sandbox.run(script=COUNTS, destination=name)
    assert outcome["saved"]["rows_written"] == 3
    table.refresh()
    assert table.spec() == spec
    assert sorted(table.scan().to_arrow().column("species").to_pylist()) == ["setosa", "versicolor", "virginica"]
    assert table.schema() == schema


def test_overwriting_frees_a_table_of_equality_deletes(
    sandboxes: Callable[..., Sandbox], lake: Catalog, name: str
) -> None:
    table = lake.create_table(name, FLOWERS.schema)
    table.append(FLOWERS)
    delete_where_equal(table, "species", ["setosa"])
    assert sandboxes().run(script=COUNTS, destination=name)["state"] == "succeeded"
    outcome = sandboxes().run(script=f"result = scan('{name}')")
    assert outcome["row_count"] == 3


def test_appending(sandboxes: Callable[..., Sandbox], lake: Catalog, name: str) -> None:
    for expected in (3, 6):
        outcome = sandboxes().run(script=COUNTS, destination=name, save_mode="append")
        assert outcome["saved"] == {"table": name, "rows_written": 3, "mode": "append"}
        assert lake.load_table(name).scan().to_arrow().num_rows == expected
    assert len(summaries(lake, name)) == 2


def test_appending_to_partitions_takes_what_fits(sandbox: Sandbox, lake: Catalog, name: str) -> None:
    schema = Schema(NestedField(1, "n", IntegerType()), NestedField(2, "species", StringType()))
    spec = PartitionSpec(PartitionField(2, 1000, BucketTransform(4), "species_bucket"))
    table = lake.create_table(name, schema, partition_spec=spec)
    outcome = sandbox.run(script=COUNTS, destination=name, save_mode="append")
    assert outcome["saved"]["rows_written"] == 3
    rows = table.refresh().scan().to_arrow().sort_by("species").to_pydict()
    assert rows == {"n": [2, 1, 2], "species": ["setosa", "versicolor", "virginica"]}


def test_appending_what_does_not_fit(sandbox: Sandbox, lake: Catalog, name: str) -> None:
    lake.create_table(name, pa.schema([("species", pa.int64()), ("other", pa.string())]))
    outcome = sandbox.run(script=COUNTS, destination=name, save_mode="append")
    assert outcome["error_kind"] == "write"
    assert outcome["error"] == (
        f"'{name}' was not written: the result has no column 'other'; the table has no column 'n'; "
        "column 'species' is String in the result and long in the table"
    )
    assert summaries(lake, name) == []


def test_nulls_where_none_may_be(sandbox: Sandbox, lake: Catalog, name: str) -> None:
    lake.create_table(name, Schema(NestedField(1, "n", LongType(), required=True)))
    script = "result = pl.DataFrame({'n': [1, None]})"
    outcome = sandbox.run(script=script, destination=name, save_mode="append")
    assert (outcome["state"], summaries(lake, name)) == ("failed", [])


@pytest.mark.parametrize(
    ("script", "kind", "error"),
    [
        (
            "result = scan('default.flowers').select(pl.col('species').str.to_date())",
            "script",
            "script line 1: ComputeError: could not find an appropriate format to parse dates",
        ),
        (
            "from datetime import timedelta\nresult = pl.DataFrame({'took': [timedelta(1)]})",
            "write",
            "column 'took' has the type Duration(time_unit='us'), which a table cannot hold; cast it to a number",
        ),
        (
            "result = pl.DataFrame({'u': [2**63]}, schema={'u': pl.UInt64})",
            "script",
            "script line 1: InvalidOperationError: ",
        ),
    ],
)
def test_a_write_that_fails_leaves_nothing(sandbox: Sandbox, lake: Catalog, script: str, kind: str, error: str) -> None:
    namespace = f"n{secrets.token_hex(4)}"
    outcome = sandbox.run(script=script, destination=f"{namespace}.t")
    assert outcome["error"].startswith(error)
    assert outcome["error_kind"] == kind
    assert (namespace,) not in lake.list_namespaces()


def test_a_namespace_that_is_not_there_is_made(sandbox: Sandbox, lake: Catalog) -> None:
    namespace = f"n{secrets.token_hex(4)}"
    outcome = sandbox.run(script=COUNTS, destination=f"{namespace}.inner.t")
    assert outcome["state"] == "succeeded", outcome
    assert lake.load_table((namespace, "inner", "t")).scan().to_arrow().num_rows == 3


def test_an_empty_result_makes_an_empty_table(sandboxes: Callable[..., Sandbox], lake: Catalog, name: str) -> None:
    script = "result = scan('default.flowers').filter(species='none')"
    for _ in range(2):
        sandbox = sandboxes()
        outcome = sandbox.run(script=script, destination=name)
        assert outcome["saved"]["rows_written"] == 0, outcome
        assert sandbox.rows(outcome).schema.names == ["species", "sepal_length"]
        assert lake.load_table(name).scan().to_arrow().num_rows == 0


def test_values_of_every_type_go_into_a_table_and_come_back(sandbox: Sandbox, lake: Catalog, name: str) -> None:
    script = """
from datetime import date, datetime, time
from decimal import Decimal
result = pl.DataFrame({
    'i8': [1, None], 'u32': [2**31, None], 'u64': [5, None], 'bool': [True, None], 'f16': [0.5, None],
    'decimal': [Decimal('1.23'), None], 'date': [date(2026, 1, 2), None], 'time': [time(1, 2, 3), None],
    'at': [datetime(2026, 1, 2, 3), None], 'zoned': [datetime(2026, 1, 2, 3), None], 'raw': [b'\\xff', None],
    'cat': ['a', None], 'enum': ['x', None], 'list': [['a'], None], 'struct': [{'a': 1, 'b': ['c']}, None],
    'array': [[1, 2], None],
}, schema_overrides={
    'i8': pl.Int8, 'u32': pl.UInt32, 'u64': pl.UInt64, 'f16': pl.Float16, 'decimal': pl.Decimal(10, 2),
    'at': pl.Datetime('ms'), 'zoned': pl.Datetime('us', 'Europe/Berlin'), 'cat': pl.Categorical,
    'enum': pl.Enum(['x', 'y']), 'list': pl.List(pl.Categorical), 'array': pl.Array(pl.Int16, 2),
    'struct': pl.Struct({'a': pl.Int8, 'b': pl.List(pl.String)}),
})
"""
    outcome = sandbox.run(script=script, destination=name)
    assert outcome["state"] == "succeeded", outcome
    table = lake.load_table(name)
    assert [str(field.field_type) for field in table.schema().fields] == [
        "int", "long", "long", "boolean", "float", "decimal(10, 2)", "date", "time", "timestamp", "timestamptz",
        "binary", "string", "string", "list<string>", "struct<18: a: optional int, 19: b: optional list<string>>",
        "list<int>",
    ]  # fmt: skip
    row = table.scan().to_arrow().to_pylist()[0]
    assert (row["u32"], row["cat"], row["struct"]) == (2**31, "a", {"a": 1, "b": ["c"]})
    assert set(table.scan().to_arrow().to_pylist()[1].values()) == {None}


def test_writers_that_race(sandboxes: Callable[..., Sandbox], lake: Catalog, name: str) -> None:
    """Six append to a table that is not there yet, and all their rows are in it."""
    racers = [sandboxes() for _ in range(6)]
    for racer in racers:
        racer.start()
    with ThreadPoolExecutor(6) as pool:
        assert set(pool.map(lambda racer: put(racer, name, "append"), racers)) == {202}
    outcomes = [racer.outcome() for racer in racers]
    assert [outcome["error"] for outcome in outcomes] == [None] * 6
    assert lake.load_table(name).scan().to_arrow().num_rows == 18
    runs = [summary["icefield.run-id"] for summary in summaries(lake, name)]
    assert len(set(runs)) == len(runs) == 6


def test_overwriters_that_race(sandboxes: Callable[..., Sandbox], lake: Catalog, name: str) -> None:
    """Four overwrite, two with columns of their own: the table is as one of them left it."""
    lake.create_table(name, FLOWERS.schema).append(FLOWERS)
    racers = [sandboxes() for _ in range(4)]
    for racer in racers:
        racer.start()
    scripts = [COUNTS, "result = pl.DataFrame({'a': range(7)})"] * 2
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda racer, script: put(racer, name, "overwrite", script), racers, scripts))
    outcomes = [racer.outcome() for racer in racers]
    assert [outcome["error"] for outcome in outcomes] == [None] * 4
    rows = lake.load_table(name).scan().to_arrow()
    assert (rows.num_rows, rows.column_names) in [(3, ["species", "n"]), (7, ["a"])]


def put(sandbox: Sandbox, name: str, save_mode: str, script: str = COUNTS) -> int:
    """Hand a sandbox a workload that writes."""
    return sandbox.put(sandbox.workload(script=script, destination=name, save_mode=save_mode)).status_code


def flowers(alias: str) -> dict[str, str]:
    """Return the entry of `tables` for the flowers."""
    return {"alias": alias, "table": "default.flowers"}
