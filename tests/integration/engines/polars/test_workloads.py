"""Queries and scripts: their results, and how their failures are reported."""

from __future__ import annotations

import pytest
from pyiceberg.catalog import Catalog

from tests.equality_deletes import delete_where_equal

from .conftest import FLOWERS, SLUG
from .sandbox import Sandbox

pytestmark = pytest.mark.integration

AVERAGES = "SELECT species, avg(sepal_length) AS mean FROM flowers GROUP BY species ORDER BY mean DESC"


def test_a_query(sandbox: Sandbox) -> None:
    outcome = sandbox.run(query=AVERAGES, tables=[{"alias": "flowers", "table": "default.flowers"}])
    rows = sandbox.rows(outcome)
    assert rows.column("species").to_pylist() == ["versicolor", "virginica", "setosa"]
    assert (outcome["row_count"], outcome["saved"], outcome["error"]) == (3, None, None)
    assert rows.schema.field("mean").metadata == {b"polars.dtype": b"Float64"}
    assert sandbox.output == ""
    assert sandbox.termination_message == outcome


def test_a_script(sandbox: Sandbox) -> None:
    script = """
table = params.get('table', 'default.flowers')
limit = int(params.get('limit', 50))
print('limit', limit, catalog)
result = scan(table).group_by('species').agg(pl.len().alias('count')).sort('count', 'species').head(limit)
"""
    outcome = sandbox.run(script=script, params={"table": "default.flowers", "limit": "2"})
    rows = sandbox.rows(outcome)
    assert rows.to_pydict() == {"species": ["versicolor", "setosa"], "count": [1, 2]}
    assert rows.schema.field("count").metadata == {b"polars.dtype": b"UInt32"}
    assert sandbox.output == f"limit 2 {SLUG}\n"


def test_a_script_that_collects_by_itself(sandbox: Sandbox) -> None:
    outcome = sandbox.run(script="result = scan('oleander.default.flowers').collect().head(1)")
    assert sandbox.rows(outcome).num_rows == outcome["row_count"] == 1


@pytest.mark.parametrize(
    ("script", "kind", "line", "error"),
    [
        ("x = 1\ny = (", "script", 2, "script line 2: SyntaxError: '(' was never closed"),
        ("x = 1\n\nresult = scan('default.flowers').select(1 / 0)", "script", 3, "script line 3: ZeroDivisionError:"),
        (
            "def f():\n  return scan('default.flowers').select('nothing').collect()\nresult = f()",
            "script",
            2,
            'script line 2: ColumnNotFoundError: unable to find column "nothing"; valid columns:',
        ),
        (
            "result = scan('default.flowers').select('nothing')",
            "script",
            1,
            "script line 1: ColumnNotFoundError: unable to find",
        ),
        (
            "result = scan('default.nothing')",
            "table_not_found",
            1,
            "script line 1: there is no table 'default.not",
        ),
        ("result = scan('flowers')", "table_not_found", 1, "script line 1: 'flowers' is no name of a table: write"),
        ("x = 1", "script", None, "the script did not assign `result`; assign a Polars LazyFrame or DataFrame to it"),
        (
            "result = [1]",
            "script",
            None,
            "`result` must be a Polars LazyFrame or DataFrame, and the script assigned a",
        ),
        ("import sys\nsys.exit(3)", "script", 2, "script line 2: SystemExit: 3"),
        ("raise KeyboardInterrupt", "script", 1, "script line 1: KeyboardInterrupt"),
        ("def f(): f()\nf()", "script", 1, "script line 1: RecursionError: maximum recursion depth exceeded"),
        ("raise ValueError('x' * 10**7)", "script", 1, "script line 1: ValueError: xxxx"),
        ("class E(Exception):\n  def __str__(self): raise OSError\nraise E", "script", 3, "script line 3: E"),
        ("result = pl.DataFrame({'a': [object()]})", "query", None, "column 'a' of the result holds Python objects;"),
        (
            "flowers = pl.LazyFrame({'a': [1]})\nresult = (\n  flowers\n  .select('b')\n)",
            "script",
            4,
            'script line 4: ColumnNotFoundError: unable to find column "b"',
        ),
        ("raise MemoryError", "memory", None, "the workload ran out of memory (limit 4Gi); ask for more vcpus"),
    ],
)
def test_a_script_that_fails(sandbox: Sandbox, script: str, kind: str, line: int | None, error: str) -> None:
    outcome = sandbox.run(script=script)
    assert outcome["error"].startswith(error)
    assert len(outcome["error"]) <= 4000
    assert (outcome["state"], outcome["error_kind"], outcome["error_line"]) == ("failed", kind, line)
    assert (outcome["result"], outcome["row_count"]) == (None, None)
    assert sandbox.output == ""


@pytest.mark.parametrize(
    ("query", "kind", "error"),
    [
        ("SELECT nothing FROM flowers", "query", 'ColumnNotFoundError: unable to find column "nothing"'),
        ("SELECT * FROM nothing", "query", "SQLInterfaceError: relation 'nothing' was not found"),
        ("SELECT frobnicate(species) FROM flowers", "unsupported_sql", "SQLInterfaceError: unsupported function"),
        ("SELECT species FROM", "unsupported_sql", "SQLInterfaceError: sql parser error"),
        ("-- a\nDELETE FROM flowers", "unsupported_sql", "Polars SQL reads only, and this begins with DELETE"),
        ("SELECT species + 1 FROM flowers", "query", "InvalidOperationError: "),
    ],
)
def test_a_query_that_fails(sandbox: Sandbox, query: str, kind: str, error: str) -> None:
    outcome = sandbox.run(query=query, tables=[{"alias": "flowers", "table": "default.flowers"}])
    assert outcome["error"].startswith(error)
    assert (outcome["error_kind"], outcome["error_line"]) == (kind, None)


def test_a_table_that_is_not_there(sandbox: Sandbox) -> None:
    outcome = sandbox.run(query="SELECT 1 FROM a", tables=[{"alias": "a", "table": "nowhere.nothing"}])
    assert outcome["error"] == f"there is no table 'nowhere.nothing' in the catalog '{SLUG}'"
    assert outcome["error_kind"] == "table_not_found"


def test_another_catalog(sandbox: Sandbox) -> None:
    outcome = sandbox.run(script="result = pl.DataFrame({'a': [1]})", catalog="elsewhere")
    assert outcome["error"] == f"there is no catalog 'elsewhere'; this one is named {SLUG} or oleander"


def test_the_catalogs_name_in_any_case(sandbox: Sandbox) -> None:
    outcome = sandbox.run(
        query="SELECT 1 AS n FROM self",
        tables=[{"alias": "self", "table": "Oleander.default.flowers"}],
        catalog="OLEANDER",
    )
    assert outcome["error"] is None


def test_a_table_with_equality_deletes(sandbox: Sandbox, lake: Catalog) -> None:
    table = lake.create_table("default.streamed", FLOWERS.schema)
    table.append(FLOWERS)
    delete_where_equal(table, "species", ["setosa"])
    outcome = sandbox.run(script="result = scan('default.streamed')")
    assert "read it through a SQL warehouse" in outcome["error"]


def test_values_of_every_type(sandbox: Sandbox) -> None:
    script = """
from datetime import date, datetime, time, timedelta
from decimal import Decimal
result = pl.DataFrame({
    'null': [None, None], 'i128': [2**100, None], 'u64': [2**63, None], 'bool': [True, None], 'f16': [0.5, None],
    'decimal': [Decimal('1.23'), None], 'date': [date(2026, 1, 2), None], 'time': [time(1, 2, 3), None],
    'at': [datetime(2026, 1, 2, 3), None], 'took': [timedelta(seconds=1), None], 'raw': [b'\\xff', None],
    'cat': ['a', None], 'enum': ['x', None], 'list': [['a'], None], 'struct': [{'a': 1, 'b': 'c'}, None],
    'array': [[1, 2], None],
}, schema_overrides={
    'i128': pl.Int128, 'u64': pl.UInt64, 'f16': pl.Float16, 'decimal': pl.Decimal(10, 2), 'cat': pl.Categorical,
    'enum': pl.Enum(['x', 'y']), 'list': pl.List(pl.Categorical), 'array': pl.Array(pl.Int16, 2),
    'struct': pl.Struct({'a': pl.Int8, 'b': pl.Categorical}), 'at': pl.Datetime('ns', 'Europe/Berlin'),
})
"""
    rows = sandbox.rows(sandbox.run(script=script))
    assert [str(field.type) for field in rows.schema] == [
        "null", "large_string", "uint64", "bool", "float", "decimal128(10, 2)", "date32[day]", "time64[ns]",
        "timestamp[ns, tz=Europe/Berlin]", "duration[us]", "large_binary", "large_string", "large_string",
        "large_list<item: large_string>", "struct<a: int8, b: large_string>", "fixed_size_list<item: int16>[2]",
    ]  # fmt: skip
    dtypes = {field.name: field.metadata[b"polars.dtype"].decode() for field in rows.schema}
    assert dtypes["i128"] == "Int128"
    assert dtypes["enum"] == "Enum(categories=['x', 'y'])"
    assert dtypes["at"] == "Datetime(time_unit='ns', time_zone='Europe/Berlin')"
    assert rows.column("i128").to_pylist() == [str(2**100), None]
    assert rows.column("struct").to_pylist() == [{"a": 1, "b": "c"}, None]


def test_a_long_result_comes_in_batches(sandbox: Sandbox) -> None:
    outcome = sandbox.run(script="result = pl.LazyFrame({'a': range(200_000)}).with_columns(b=pl.col('a') * 2)")
    rows = sandbox.rows(outcome)
    assert outcome["row_count"] == rows.num_rows == 200_000
    assert max(len(batch) for batch in rows.to_batches()) <= 65_536
    assert rows.column("b")[-1].as_py() == 399_998


def test_an_empty_result_has_its_columns(sandbox: Sandbox) -> None:
    outcome = sandbox.run(script="result = scan('default.flowers').filter(species='none')")
    assert sandbox.rows(outcome).schema.names == ["species", "sepal_length"]
    assert outcome["row_count"] == 0


def test_the_environment_of_the_workspace(sandbox: Sandbox) -> None:
    script = "import os\nresult = pl.DataFrame({'a': [os.environ['GREETING']]})"
    outcome = sandbox.run(script=script, environment={"GREETING": "hello"})
    assert sandbox.rows(outcome).column("a").to_pylist() == ["hello"]


def test_a_result_that_cannot_be_stored(sandbox: Sandbox) -> None:
    sandbox.start()
    workload = sandbox.workload(script="result = pl.DataFrame({'a': [1]})")
    workload["access"]["object_store"]["secret_access_key"] = "another-secret"
    assert sandbox.put(workload).status_code == 202
    outcome = sandbox.outcome()
    assert outcome["error"].startswith("the result could not be stored: ")
    assert outcome["error_kind"] == "internal"
    assert sandbox.acknowledge() == 1
