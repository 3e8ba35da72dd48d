"""What DuckDB's process refuses before it runs it."""

from __future__ import annotations

import duckdb
import pytest

from icefield_engines.warehouse.duck.execution import describe_error
from icefield_engines.warehouse.duck.statement_guard import StatementGuard
from icefield_engines.warehouse.errors import Code, EngineError


@pytest.mark.parametrize("operands", [500, 900, 5000])
def test_what_nests_too_deep_is_never_an_internal_error(operands: int) -> None:
    """The API server gives Spark what DuckDB refuses, or cannot read or plan."""
    with duckdb.connect() as database, pytest.raises((EngineError, duckdb.Error)) as refused:
        StatementGuard(database).check(f"SELECT {' || '.join(['id'] * operands)} FROM range(1) AS t(id)")
    code, message = describe_error(refused.value)
    assert code in (Code.STATEMENT_NOT_ALLOWED, "PARSER_ERROR", "BINDER_ERROR")
    assert message


def test_a_long_chain_that_duckdb_takes_is_allowed() -> None:
    with duckdb.connect() as database:
        StatementGuard(database).check(f"SELECT {' || '.join(['id'] * 100)} FROM range(1) AS t(id)")
