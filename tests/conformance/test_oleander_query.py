"""The published `oleanderhq-sdk`, unmodified: queries whose engine the platform chooses."""

from __future__ import annotations

import pytest
from oleander_sdk import Oleander, OleanderHttpError
from oleander_sdk.models import (
    QueryOptions,
    QueryRunOptions,
    QuerySubmitAndWaitOptions,
    QuerySubmitOptions,
)
from tests.statements import Sql

pytestmark = pytest.mark.conformance

POLL_MILLISECONDS = 500


@pytest.fixture
def orders(sql: Sql, database: str) -> str:
    """A table of a hundred orders, ten of each customer."""
    table = f"{database}.orders"
    sql.rows(f"CREATE TABLE {table} AS SELECT id, id % 10 AS customer FROM range(100)")
    return table


async def test_a_read_is_answered_with_its_rows_and_why(oleander: Oleander, orders: str) -> None:
    query = f"SELECT customer, count(*) AS orders FROM {orders} WHERE customer < 2 GROUP BY customer ORDER BY customer"
    found = await oleander.query_run(query)
    assert (found.success, found.row_count) == (True, 2)
    assert found.results is not None
    assert (found.results.columns, found.results.rows) == (["customer", "orders"], [[0, 10], [1, 10]])
    decision = found.engine_decision
    assert decision is not None
    assert (decision.engine, decision.size_band) == ("duckdb", "small")
    assert decision.reasons
    assert int(decision.estimated_input_bytes or 0) > 0
    assert [name.endswith(orders) for name in decision.input_tables] == [True]

    polars = await oleander.query_run(QueryRunOptions(sql=query, engine="polars"))
    assert polars.engine_decision is not None
    assert polars.engine_decision.engine == "polars"
    assert polars.results is not None
    assert polars.results.rows == found.results.rows


async def test_a_script_runs_on_polars(oleander: Oleander, orders: str) -> None:
    script = f"result = scan('{orders}').filter(pl.col('customer') == 3).select(pl.len().alias('orders'))"
    found = await oleander.query_run(QueryRunOptions(script=script, tables=[f"orders={orders}"]))
    assert found.engine_decision is not None
    assert found.engine_decision.engine == "polars"
    assert found.results is not None
    assert found.results.rows == [[10]]


async def test_explain_runs_nothing(oleander: Oleander, sql: Sql, database: str, orders: str) -> None:
    read = await oleander.query_run(QueryRunOptions(sql=f"SELECT * FROM {orders}", explain=True))
    assert (read.explain, read.results) == (True, None)
    assert read.engine_decision is not None
    table = f"{database}.explained"
    write = QuerySubmitOptions(sql=f"SELECT * FROM {orders}", destination=table, explain=True)
    submitted = await oleander.query_submit(write)
    assert (submitted.explain, submitted.run_id) == (True, None)
    assert submitted.engine_decision is not None
    assert sql.rest.get(f"/databases/{database}/tables/explained").status_code == 404


async def test_what_is_refused(oleander: Oleander, orders: str) -> None:
    with pytest.raises(OleanderHttpError, match="bloom") as refused:
        await oleander.query_run(QueryRunOptions(sql=f"SELECT * FROM {orders}", engine="bloom"))
    assert refused.value.status == 400
    with pytest.raises(OleanderHttpError) as wrong:
        await oleander.query_run("SELEKT 1")
    assert wrong.value.status == 400
    with pytest.raises((RuntimeError, OleanderHttpError), match=f"{orders}_none"):
        await oleander.query_run(f"SELECT * FROM {orders}_none")


async def test_a_write_to_a_destination(oleander: Oleander, sql: Sql, database: str, orders: str) -> None:
    table = f"{database}.large"
    options = QuerySubmitOptions(sql=f"SELECT * FROM {orders} WHERE customer >= 5", destination=table)
    written = await oleander.query_submit(options)
    assert (written.state, written.output_table, written.write_mode) == ("COMPLETE", table, "overwrite")
    assert written.row_count == 50
    assert sql.value(f"SELECT count(*) FROM {table}") == 50
    await oleander.query_submit(options.model_copy(update={"write_mode": "append"}))
    assert sql.value(f"SELECT count(*) FROM {table}") == 100
    waited = await oleander.query_submit_and_wait(
        QuerySubmitAndWaitOptions(sql=f"SELECT * FROM {orders}", destination=table, poll_interval_ms=POLL_MILLISECONDS)
    )
    assert waited.state == "COMPLETE"
    assert sql.value(f"SELECT count(*) FROM {table}") == 100


async def test_statements_that_write_where_they_say(oleander: Oleander, sql: Sql, orders: str) -> None:
    for statement in (f"INSERT INTO {orders} VALUES (100, 0), (101, 1)", f"DELETE FROM {orders} WHERE id < 100"):
        done = await oleander.query_submit_and_wait(
            QuerySubmitAndWaitOptions(sql=statement, poll_interval_ms=POLL_MILLISECONDS)
        )
        assert done.state == "COMPLETE"
        assert done.result.engine_decision is not None
        assert done.result.engine_decision.engine == "spark"
    assert sql.value(f"SELECT count(*) FROM {orders}") == 2


async def test_a_write_by_spark_is_a_run(oleander: Oleander, sql: Sql, database: str, orders: str) -> None:
    table = f"{database}.by_spark"
    done = await oleander.query_submit_and_wait(
        QuerySubmitAndWaitOptions(
            sql=f"SELECT customer, count(*) AS orders FROM {orders} GROUP BY customer",
            destination=table,
            engine="spark",
            poll_interval_ms=POLL_MILLISECONDS,
            timeout_ms=300_000,
        )
    )
    assert (done.state, done.result.state) == ("COMPLETE", "SUBMITTED"), done.run
    assert done.run_id is not None
    assert done.run is not None
    assert (done.run.id, done.run.type) == (done.run_id, "spark")
    assert sql.rows(f"SELECT count(*), sum(orders) FROM {table}") == [[10, 100]]


async def test_the_older_query(oleander: Oleander, sql: Sql, orders: str) -> None:
    query = f"SELECT customer, count(*) AS orders FROM {orders} GROUP BY customer"
    found = await oleander.query(query)
    assert (found.success, found.row_count, found.saved_table_name) == (True, 10, None)
    saved = await oleander.query(query, QueryOptions(save=True))
    assert saved.saved_table_name
    again = await oleander.query(query, QueryOptions(save=True))
    assert again.saved_table_name == saved.saved_table_name
    assert sql.rows(f"SELECT count(*), sum(orders) FROM {saved.saved_table_name}") == [[10, 100]]
    with pytest.raises(RuntimeError, match=f"{orders}_none"):
        await oleander.query(f"SELECT * FROM {orders}_none")
