"""The lifecycle of a statement when something fails on its way."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio
from sqlalchemy.exc import OperationalError

from icefield_apiserver.features.statements import lifecycle, record
from icefield_apiserver.features.statements.gateway import GatewayRefusalError
from icefield_apiserver.features.statements.models import Statement
from icefield_apiserver.features.statements.requests import ExecuteRequest, PlanRequest
from icefield_crds import Warehouse
from icefield_crds.wire.gateway import EngineName

from .in_process import PRINCIPAL, InProcess, in_process
from .tables import TableAt

READ = "SELECT id FROM default.orders"
WRITE = "INSERT INTO default.orders SELECT * FROM default.orders"
LOST = ("ENGINE_LOST", "The engine was lost.")


@pytest_asyncio.fixture
async def services() -> AsyncIterator[InProcess]:
    async with in_process() as services:
        yield services


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "REFUSED_DELAY_SECONDS", 0.0)


async def execute(services: InProcess, text: str) -> Statement:
    statement, _ = await services.statements.execute(PRINCIPAL, ExecuteRequest(PlanRequest(text), "default"))
    return statement


async def test_a_refused_statement_is_sent_again(services: InProcess) -> None:
    services.gateway.failures = [GatewayRefusalError("it is draining")] * 2
    statement = await execute(services, WRITE)
    assert (statement.status, statement.attempts, len(services.gateway.received)) == ("succeeded", 0, 3)


async def test_a_lost_read_is_run_again(services: InProcess) -> None:
    services.gateway.failures = [LOST]
    statement = await execute(services, READ)
    assert (statement.status, statement.attempts, len(services.gateway.received)) == ("succeeded", 1, 2)


async def test_a_read_is_not_run_again_for_ever(services: InProcess) -> None:
    services.gateway.failures = [LOST] * 9
    statement = await execute(services, READ)
    assert (statement.status, statement.error_code) == ("failed", "ENGINE_LOST")
    assert len(services.gateway.received) == lifecycle.MAX_ATTEMPTS


DELETE = "DELETE FROM default.orders WHERE id > 3"
ALTER = "ALTER TABLE default.orders SET TBLPROPERTIES ('a' = '1')"
NO_CHANGE = "The engine was lost; its tables show no change by it, and it was not run again."
CHANGED = (
    "The engine was lost; whether it was applied is unknown, because default.orders was changed after it was sent, and "
    "the change names no statement; check before you run it again."
)
NO_TABLE = (
    "The engine was lost; whether it was applied is unknown, because CREATE SCHEMA changes no table that could be "
    "compared; check before you run it again."
)


@pytest.mark.parametrize(
    ("text", "change", "code", "message"),
    [
        (WRITE, None, "ENGINE_LOST", NO_CHANGE),
        (WRITE, TableAt.snapshot, "ENGINE_LOST", NO_CHANGE),
        (DELETE, None, "ENGINE_LOST", NO_CHANGE),
        (DELETE, lambda table: table.snapshot("delete"), "OUTCOME_UNKNOWN", CHANGED),
        (ALTER, TableAt.snapshot, "ENGINE_LOST", NO_CHANGE),
        (ALTER, lambda table: table.altered(a="1"), "OUTCOME_UNKNOWN", CHANGED),
        ("CREATE SCHEMA raw", None, "OUTCOME_UNKNOWN", NO_TABLE),
    ],
)
async def test_a_lost_write_is_judged_by_its_tables_and_never_sent_again(
    services: InProcess, text: str, change: Callable[[TableAt], TableAt] | None, code: str, message: str
) -> None:
    commit_with_the_next_write(services, change or (lambda table: table))
    services.gateway.failures = [LOST]
    services.statements._executor._deps.settings.settling_seconds = 0
    statement = await execute(services, text)
    assert (statement.status, statement.error_code, statement.error_message) == ("failed", code, message)
    assert len(services.gateway.received) == 1


@pytest.mark.parametrize("failure", [LOST, ("CANCELLED", "The statement was cancelled.")])
async def test_a_write_that_its_table_names_was_applied(services: InProcess, failure: tuple[str, str]) -> None:
    commit_with_the_next_write(services, lambda table: table.signed(services.gateway.ids[-1]))
    services.gateway.failures = [failure]
    statement = await execute(services, WRITE)
    assert (statement.status, statement.error_code) == ("succeeded", None)
    assert [each["snapshot_id"] for each in (statement.lineage or {})["written_snapshots"]] == [101]


async def test_a_write_that_was_stopped_may_have_been_applied(services: InProcess) -> None:
    commit_with_the_next_write(services, lambda table: table.altered(a="1"))
    services.gateway.failures = [("TIMED_OUT", "The statement did not end within 5 s.")]
    statement = await execute(services, ALTER)
    assert (statement.status, statement.error_code) == ("failed", "TIMED_OUT")
    assert statement.error_message == (
        "The statement did not end within 5 s; whether it was applied is unknown, because default.orders was changed "
        "after it was sent, and the change names no statement; check before you run it again."
    )


async def test_a_delete_of_whole_files_that_succeeded_has_its_snapshot(services: InProcess) -> None:
    commit_with_the_next_write(services, lambda table: table.snapshot("delete"))
    statement = await execute(services, DELETE)
    assert [each["snapshot_id"] for each in (statement.lineage or {})["written_snapshots"]] == [101]


def commit_with_the_next_write(services: InProcess, change: Callable[[TableAt], TableAt]) -> None:
    """Have the table change when a write arrives at the gateway, whatever becomes of the answer."""

    def commit() -> None:
        services.catalog.current = change(services.catalog.current)

    services.gateway.on_write = commit


@pytest.mark.parametrize("is_spark_ready", [True, False])
async def test_what_duckdb_cannot_answer_moves_to_spark(services: InProcess, is_spark_ready: bool) -> None:
    """Though Spark still starts: the gateway has it wait, as a write does."""
    warehouse = services.warehouses.warehouse
    status = {**(warehouse.status.to_api() if warehouse.status else {}), "sparkReady": is_spark_ready}
    services.warehouses.warehouse = Warehouse.model_validate({**warehouse.to_api(), "status": status})
    services.gateway.failures = [("BINDER_ERROR", "There is no such function.")]
    statement = await execute(services, READ)
    assert (statement.status, statement.engine) == ("succeeded", "spark")
    assert [each.engine for each in services.gateway.received] == [EngineName.DUCKDB, EngineName.SPARK]


async def test_a_read_that_waits_for_spark_is_pending_there(
    services: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record, "LATE_SECONDS", 0.0)
    services.gateway.seconds = 0.05
    services.gateway.failures = [("BINDER_ERROR", "There is no such function.")]
    await execute(services, READ)
    moved = [each for each in services.records.changes if each.get("status") == "pending"]
    assert [(each["engine"], each["is_dispatched"]) for each in moved] == [("spark", False)]


async def test_a_read_whose_spark_does_not_start_fails_for_both_reasons(services: InProcess) -> None:
    services.gateway.failures = [
        ("BINDER_ERROR", "There is no such function."),
        ("SPARK_UNAVAILABLE", "Spark was not ready within 300 s."),
    ]
    statement = await execute(services, READ)
    assert (statement.status, statement.error_code, statement.error_message) == (
        "failed",
        "BINDER_ERROR",
        "There is no such function; Spark was asked instead: Spark was not ready within 300 s.",
    )


async def test_a_read_that_was_lost_twice_may_still_move_to_spark(services: InProcess) -> None:
    services.gateway.failures = [LOST, LOST, ("BINDER_ERROR", "There is no such function.")]
    statement = await execute(services, READ)
    assert (statement.status, statement.engine) == ("succeeded", "spark")


@pytest.mark.parametrize("code", ["ENGINE_CRASHED", "ENGINE_CRASH_SUSPECTED"])
async def test_what_ended_duckdbs_process_moves_to_spark(services: InProcess, code: str) -> None:
    services.gateway.failures = [(code, "DuckDB's process was ended by SIGSEGV while it ran this statement.")]
    statement = await execute(services, READ)
    assert (statement.status, statement.engine) == ("succeeded", "spark")
    assert [each.engine for each in services.gateway.received] == [EngineName.DUCKDB, EngineName.SPARK]


@pytest.mark.parametrize(
    ("codes", "status", "error_code"),
    [
        (["ENGINE_CRASH_SUSPECTED"], "succeeded", None),
        (["ENGINE_CRASH_SUSPECTED", "ENGINE_CRASHED"], "failed", "ENGINE_CRASHED"),
        (["ENGINE_CRASHED"], "failed", "ENGINE_CRASHED"),
    ],
)
async def test_what_only_duckdb_may_run_is_run_again_unless_it_ended_the_process(
    services: InProcess, codes: list[str], status: str, error_code: str | None
) -> None:
    services.gateway.failures = [(code, "DuckDB's process was ended by SIGSEGV.") for code in codes]
    request = ExecuteRequest(PlanRequest(READ, engine="duckdb"), "default")
    statement, _ = await services.statements.execute(PRINCIPAL, request)
    assert (statement.status, statement.error_code) == (status, error_code)
    assert {each.engine for each in services.gateway.received} == {EngineName.DUCKDB}


async def test_an_id_that_is_told_is_accepted_before(services: InProcess) -> None:
    request = ExecuteRequest(PlanRequest(READ), "default", wait_seconds=0)
    statement, _ = await services.statements.execute(PRINCIPAL, request)
    assert (statement.status, services.records.accepted) == ("pending", [statement.id])


async def test_a_failure_is_recorded(services: InProcess) -> None:
    services.gateway.failures = [("CONVERSION_ERROR", "It is no number.")]
    statement = await execute(services, READ)
    assert (statement.status, statement.error_code, statement.error_message) == (
        "failed",
        "CONVERSION_ERROR",
        "It is no number.",
    )


async def test_an_unknown_table(services: InProcess) -> None:
    statement = await execute(services, "SELECT * FROM default.nothing")
    assert (statement.status, statement.error_code) == ("failed", "TABLE_OR_VIEW_NOT_FOUND")
    assert services.gateway.received == []


@pytest.mark.parametrize("is_old", [False, True])
async def test_a_short_result_is_recorded_with_the_end(services: InProcess, is_old: bool) -> None:
    """A gateway of an older version has stored it instead."""
    services.gateway.is_old = is_old
    statement = await execute(services, READ)
    (sent,) = services.gateway.received
    ended = services.records.ended[statement.id]
    assert (sent.content_bytes, ended["status"], ended["result"]["key"]) == (
        lifecycle.RECORDED_BYTES,
        "succeeded",
        sent.result_key,
    )
    assert ended["result_content"] == (None if is_old else services.gateway.inline)


async def test_a_failed_statement_has_no_result(services: InProcess) -> None:
    services.gateway.failures = [("CONVERSION_ERROR", "It is no number.")]
    statement = await execute(services, READ)
    ended = services.records.ended[statement.id]
    assert (ended["result"], ended["result_content"], ended["expires_at"]) == (None, None, None)


async def test_a_short_read_is_recorded_once(services: InProcess) -> None:
    statement = await execute(services, READ)
    ended = services.records.ended[statement.id]
    assert services.records.writes[statement.id] == 1
    assert (ended["query"], ended["person"], ended["status"]) == (READ, PRINCIPAL.person, "succeeded")


async def test_a_long_read_is_recorded_before_its_end(services: InProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "LATE_SECONDS", 0.01)
    services.gateway.seconds = 0.1
    statement = await execute(services, READ)
    assert services.records.writes[statement.id] == 2


@pytest.mark.parametrize(
    "request_",
    [
        ExecuteRequest(PlanRequest(WRITE), "default"),
        ExecuteRequest(PlanRequest(READ), "default", idempotency_key="k"),
        ExecuteRequest(PlanRequest(READ), "default", wants_rows=False),
    ],
    ids=["a write", "with an idempotency key", "an id is the answer"],
)
async def test_what_is_recorded_before_it_runs(services: InProcess, request_: ExecuteRequest) -> None:
    statement, _ = await services.statements.execute(PRINCIPAL, request_)
    assert services.records.writes[statement.id] > 1


async def test_a_read_that_cannot_be_recorded_is_not_answered(services: InProcess) -> None:
    services.records.refusal = OperationalError("INSERT", {}, Exception("no connection"))
    with pytest.raises(OperationalError):
        await execute(services, READ)
