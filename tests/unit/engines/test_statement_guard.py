"""What DuckDB's process refuses before it runs it."""

from __future__ import annotations

import duckdb
import pytest

from icefield_engines.warehouse.duck.execution import describe_error
from icefield_engines.warehouse.duck.statement_guard import StatementGuard
from icefield_engines.warehouse.errors import Code, EngineError

ROOT = "s3://bucket/workspaces/w"
FILE = f"{ROOT}/volumes/sales/raw/a.csv"


@pytest.mark.parametrize("operands", [500, 900, 5000])
def test_what_nests_too_deep_is_never_an_internal_error(operands: int) -> None:
    """The API server gives Spark what DuckDB refuses, or cannot read or plan."""
    with duckdb.connect() as database, pytest.raises((EngineError, duckdb.Error)) as refused:
        StatementGuard(database, ROOT).check(f"SELECT {' || '.join(['id'] * operands)} FROM range(1) AS t(id)")
    code, message = describe_error(refused.value, ROOT)
    assert code in (Code.STATEMENT_NOT_ALLOWED, "PARSER_ERROR", "BINDER_ERROR")
    assert message


def test_a_long_chain_that_duckdb_takes_is_allowed() -> None:
    with duckdb.connect() as database:
        StatementGuard(database, ROOT).check(f"SELECT {' || '.join(['id'] * 100)} FROM range(1) AS t(id)")


@pytest.mark.parametrize(
    "source",
    [
        f"read_csv('{FILE}')",
        f"read_csv(['{FILE}', '{ROOT}/in/b.csv.gz'], header = true, delim = ';', nullstr = ['NA'], skip = 1)",
        f"read_csv(['{FILE}'], columns = {{'a': 'BIGINT', 'b': 'DECIMAL(10,2)'}})",
        f"read_json('{FILE}', format = 'array')",
        f"read_parquet('{FILE}', union_by_name = true)",
    ],
)
def test_files_of_the_workspace_are_read_in_their_own_database(source: str) -> None:
    with duckdb.connect() as database:
        guard = StatementGuard(database, ROOT)
        assert guard.check(f"SELECT * FROM {source} WHERE true").reads_files
        assert guard.check(f"EXPLAIN SELECT * FROM (SELECT 1 FROM {source})").reads_files
        assert not guard.check("SELECT * FROM range(3)").reads_files


@pytest.mark.parametrize(
    "source",
    [
        "read_csv('/etc/passwd')",
        "read_csv('s3://bucket/workspaces/other/volumes/sales/raw/a.csv')",
        "read_csv('s3://bucket/workspaces/w')",
        "read_csv('https://example.org/a.csv')",
        f"read_csv('{ROOT}/results/stmt_1.arrow')",
        f"read_json('{ROOT}/runs/1/result.arrow')",
        f"read_parquet('{ROOT}/tables/sales/orders/data/1.parquet')",
        f"read_csv('{ROOT}/artifacts/a/b.py')",
        f"read_csv('{ROOT}/volumes/../results/a.csv')",
        f"read_csv('{ROOT}/volumes//a.csv')",
        f"read_csv('{ROOT}/volumes/sales/raw/*.csv')",
        f"read_csv('{ROOT}/volumes/sales/raw/a.csv?s3_endpoint=example.org')",
        f"read_csv('{ROOT}/volumes/sales/raw/[ab].csv')",
        f"read_csv(['{FILE}', '/etc/passwd'])",
        f"read_csv(['{FILE}', NULL])",
        "read_csv([])",
        f"read_csv('{FILE}' || '')",
        f"read_csv((SELECT '{FILE}'))",
        f"read_csv('{FILE}', rejects_table = 'x')",
        f"read_csv('{FILE}', skip = (SELECT 1))",
        f"read_csv('{FILE}', delim = getenv('HOME'))",
        f"read_parquet('{FILE}', encryption_config = {{footer_key: 'k'}})",
        f"read_text('{FILE}')",
        f"read_blob('{FILE}')",
        f"glob('{FILE}')",
        f"read_csv_auto('{FILE}')",
        f"'{FILE}'",
    ],
)
def test_other_files_and_other_ways_to_read_them_are_refused(source: str) -> None:
    with duckdb.connect() as database, pytest.raises((EngineError, duckdb.Error)) as refused:
        StatementGuard(database, ROOT).check(f"SELECT * FROM {source}")
    assert describe_error(refused.value, ROOT)[0] in (Code.STATEMENT_NOT_ALLOWED, "PARSER_ERROR", "BINDER_ERROR")
