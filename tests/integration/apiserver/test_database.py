"""The schema on a real Postgres: replicas take turns, the models agree with it, and texts it cannot hold are 400."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, make_url, text
from sqlalchemy.exc import DataError, DBAPIError, OperationalError
from tests.breaking_proxy import BreakingProxy
from tests.lineage_scenarios import SCENARIOS, check

from icefield_apiserver.core.db import Database, session
from icefield_apiserver.core.db.base import complete_metadata, now
from icefield_apiserver.core.db.migrate import ADVISORY_LOCK, configuration, upgrade
from icefield_apiserver.core.db.session import create_engine
from icefield_apiserver.core.errors import Conflict
from icefield_apiserver.core.pagination import Window
from icefield_apiserver.features.lineage.store import LineageStore
from icefield_apiserver.features.lineage.units import uuid_of_name
from icefield_apiserver.features.statements.store import Filters, StatementRepository
from icefield_apiserver.identity import users
from icefield_apiserver.identity.passwords import Passwords

pytestmark = pytest.mark.integration

MIGRATE = (
    "import asyncio, sys; from icefield_apiserver.core.db.migrate import upgrade; asyncio.run(upgrade(sys.argv[1]))"
)


@pytest_asyncio.fixture
async def empty(postgres_url: str) -> AsyncIterator[str]:
    """An empty schema."""
    engine = create_engine(postgres_url)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()
    yield postgres_url


async def test_replicas_that_start_together_migrate_once(empty: str) -> None:
    replicas = [
        await asyncio.create_subprocess_exec(sys.executable, "-c", MIGRATE, empty, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    async with asyncio.timeout(180):
        errors = [(await replica.communicate())[1] for replica in replicas]
    assert [replica.returncode for replica in replicas] == [0] * 4, errors


async def test_a_replica_waits_for_the_one_that_migrates(empty: str) -> None:
    engine = create_engine(empty)
    async with engine.connect() as other:
        await other.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        waiting = asyncio.create_task(upgrade(empty))
        async with asyncio.timeout(30):
            while not await _someone_waits(empty):  # noqa: ASYNC110 - the lock is in another process
                await asyncio.sleep(0.05)
        assert not waiting.done()
        await other.rollback()
    async with asyncio.timeout(30):
        await waiting
    await engine.dispose()


async def _someone_waits(url: str) -> bool:
    engine = create_engine(url)
    async with engine.connect() as connection:
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        waiting = (await connection.execute(text(query))).scalar_one()
    await engine.dispose()
    return bool(waiting)


async def test_models_and_migrations_agree_on_postgres(empty: str) -> None:
    await _check_agreement(empty)


async def test_models_and_migrations_agree_on_sqlite(tmp_path: Path) -> None:
    await _check_agreement(f"sqlite+aiosqlite:///{tmp_path}/icefield.db")


async def _check_agreement(url: str) -> None:
    await upgrade(url)
    engine = create_engine(url)
    async with engine.connect() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(
                MigrationContext.configure(sync, opts={"compare_type": True}), complete_metadata()
            )
        )
    await engine.dispose()
    assert differences == []


async def test_migrations_can_be_taken_back(empty: str) -> None:
    await upgrade(empty)
    engine = create_engine(empty)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.downgrade(configuration(sync), "base"))
    await engine.dispose()
    await upgrade(empty)


async def test_lineage_recorded_by_name_keeps_the_edges_of_statements(empty: str) -> None:
    engine = create_engine(empty)
    async with engine.begin() as connection:
        await connection.run_sync(lambda sync: command.upgrade(configuration(sync), "0007"))
        for source, direction, table in (
            *(("stmt_1", "read", "acme.s.zones"), ("stmt_1", "written", "acme.s.a")),
            *(("stmt_2", "read", "acme.s.a"), ("stmt_2", "written", "acme.s.b")),
            *(("run-uid", "read", "acme.s.zones"), ("run-uid", "written", "acme.s.b")),
        ):
            row = {"source": source, "direction": direction, "table": table, "at": now()}
            await connection.execute(
                text("INSERT INTO lineage VALUES (:source, :direction, :table, 0, 'w', 'run-uid', :at)"), row
            )
    await engine.dispose()
    await upgrade(empty)
    async with Database.open(empty) as db:
        store = LineageStore(db)
        upstream = {
            name: [each.table for each in await store.upstream("w", {uuid_of_name("w", f"acme.s.{name}")})]
            for name in ("zones", "a", "b")
        }
        assert upstream == {"zones": [], "a": ["acme.s.zones"], "b": ["acme.s.a"]}
        assert (await store.of_run("w", "run-uid"))["read"] == ["acme.s.zones", "acme.s.a"]


async def test_lineage_on_postgres(empty: str) -> None:
    for scenario in SCENARIOS:
        await check(scenario, empty)


async def test_a_database_that_is_not_there_yet_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    nowhere = "postgresql+psycopg://postgres@127.0.0.1:9/postgres"
    with pytest.raises(DBAPIError):
        await upgrade(nowhere, patience_seconds=1)
    assert caplog.text.count("cannot be reached yet") >= 2


async def test_the_same_person_is_created_once_and_the_last_administrator_stays(empty: str) -> None:
    await upgrade(empty)
    async with Database.open(empty) as db:
        passwords = Passwords()
        await asyncio.gather(
            *(users.ensure_first_administrator(db, passwords, "Admin@acme.eu", "a long password") for _ in range(3))
        )
        async with db.session() as session:
            (admin,) = await users.page(session, after=None, limit=10)
            await users.create(session, email="b@acme.eu", name="b", password_hash="x", is_platform_admin=True)
        assert admin.email == "admin@acme.eu"

        async def demote(email: str) -> None:
            async with db.session() as session:
                user = await users.find(session, email)
                await users.refuse_to_lose_the_last_administrator(session, user)
                user.is_platform_admin = False

        outcomes = await asyncio.gather(demote("admin@acme.eu"), demote("b@acme.eu"), return_exceptions=True)
        assert [type(outcome) for outcome in outcomes if outcome] == [Conflict]
        async with db.session() as session:
            assert sum(user.is_platform_admin for user in await users.page(session, after=None, limit=10)) == 1


async def test_what_postgres_cannot_store_is_known_as_such(empty: str) -> None:
    await upgrade(empty)
    async with Database.open(empty) as db:
        with pytest.raises(DataError):
            async with db.session() as session:
                await users.by_email(session, "a\0b")


async def test_short_results_are_read_with_their_statement_and_not_in_lists(empty: str) -> None:
    await upgrade(empty)
    content = bytes(range(256)) * 100
    async with Database.open(empty) as db:
        statements = StatementRepository(db)
        for number, workspace in enumerate(("here", "gone")):
            await statements.insert(_statement(number, workspace))
            ended = _ended(content, now() - timedelta(seconds=1))
            assert await statements.finish(_id(number), "a server", ended, [])
        (listed,) = await statements.page("here", Filters(), Window(10, None), None)
        assert "result_content" in inspect(listed).unloaded
        assert "result_content" in inspect(await statements.get("here", _id(0))).unloaded
        assert (await statements.get_with_content("here", _id(0))).result_content == content
        assert await statements.workspaces_with_content() == {"here", "gone"}
        await statements.forget_content("gone")
        forgotten = await statements.get_with_content("gone", _id(1))
        assert (forgotten.result, forgotten.result_content) == (None, None)
        assert dict(await statements.expired(10)) == {_id(0): "a key", _id(1): ""}
        await statements.forget_result(_id(0))
        forgotten = await statements.get_with_content("here", _id(0))
        assert (forgotten.status, forgotten.result, forgotten.result_content) == ("succeeded", None, None)
        assert await statements.workspaces_with_content() == set()


async def test_a_record_whose_insert_was_not_answered_is_never_run(empty: str) -> None:
    await upgrade(empty)
    async with through_proxy(empty) as (proxy, url), Database.open(url) as broken, Database.open(empty) as db:
        proxy.lose_answer_to(b"INSERT INTO statements", stays_away=True)
        with pytest.raises(OperationalError):
            await StatementRepository(broken).insert({**_statement(0, "here"), "idempotency_key": "k"})
        statements = StatementRepository(db)
        assert (await statements.get("here", _id(0))).status == "pending"  # so it was committed
        assert await statements.adopt("another server", now() + timedelta(seconds=30), 10) == []
        assert await statements.refuse_unaccepted("NOT_ACCEPTED", "It was not run.") == 1
        refused = await statements.get("here", _id(0))
        assert (refused.status, refused.error_code) == ("failed", "NOT_ACCEPTED")
        assert not await statements.change(_id(0), "a server", {"status": "running"})
        await statements.insert({**_statement(1, "here"), "idempotency_key": "k"})  # the caller's second attempt


async def test_a_record_whose_insert_was_not_answered_once_is_stored_once(empty: str) -> None:
    await upgrade(empty)
    async with through_proxy(empty) as (proxy, url), Database.open(url) as broken:
        proxy.lose_answer_to(b"INSERT INTO statements", stays_away=False)
        statements = StatementRepository(broken)
        await statements.insert(_statement(0, "here"))
        assert proxy.lost_answers == 1
        assert len(await statements.page("here", Filters(), Window(10, None), None)) == 1


async def test_a_server_process_that_stops_does_not_hold_a_transaction_for_ever(
    empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "ANSWER_MARGIN_SECONDS", 0)
    engine = create_engine(empty, statement_seconds=1)
    db = Database(engine, create_engine(empty, statement_seconds=1, is_single=True))
    stopped: list[int] = []
    try:
        with pytest.raises(OperationalError, match="no answer within 1 s"):
            async with asyncio.timeout(20), db.session() as transaction:
                stopped.append((await transaction.execute(text("SELECT pg_backend_pid()"))).scalar_one())
                os.kill(stopped[0], signal.SIGSTOP)
                await transaction.execute(text("SELECT 1"))
        async with asyncio.timeout(20), db.session() as transaction:
            assert (await transaction.execute(text("SHOW statement_timeout"))).scalar_one() == "1s"
            assert (await transaction.execute(text("SHOW tcp_keepalives_idle"))).scalar_one() == "10"
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
        await engine.dispose()


@pytest.mark.parametrize("acceptance", ["accept", "change", "renew"])
async def test_an_accepted_record_is_adopted(empty: str, acceptance: str) -> None:
    await upgrade(empty)
    async with Database.open(empty) as db:
        statements = StatementRepository(db)
        await statements.insert(_statement(0, "here"))
        if acceptance == "accept":
            assert await statements.accept(_id(0))
        elif acceptance == "change":
            assert await statements.change(_id(0), "a server", {"engine": "spark"})
        else:
            assert await statements.renew("a server", [_id(0)], now()) == {_id(0): False}
        assert await statements.refuse_unaccepted("NOT_ACCEPTED", "It was not run.") == 0
        (adopted,) = await statements.adopt("another server", now() + timedelta(seconds=30), 10)
        assert (adopted.id, adopted.owner) == (_id(0), "another server")


@asynccontextmanager
async def through_proxy(url: str) -> AsyncIterator[tuple[BreakingProxy, str]]:
    """Provide a proxy in front of the database, and the URL through it."""
    parsed = make_url(url)
    async with BreakingProxy(parsed.port or 5432).running() as proxy:
        yield proxy, parsed.set(port=proxy.port).render_as_string(hide_password=False)


def _id(number: int) -> str:
    return f"stmt_{number:032x}"


def _statement(number: int, workspace_uid: str) -> dict[str, Any]:
    return {
        "id": _id(number),
        "workspace": "acme",
        "workspace_uid": workspace_uid,
        "warehouse": "main",
        "warehouse_uid": "w",
        "person": "ada@acme.eu",
        "query": "SELECT 1",
        "dialect": "icefield",
        "request": {},
        "is_write": False,
        "status": "pending",
        "submitted_at": now(),
        "owner": "a server",
        "lease_until": now(),
    }


def _ended(content: bytes, expires_at: datetime) -> dict[str, Any]:
    nothing = dict.fromkeys(("error_code", "error_message", "started_at", "duration_ms", "rows_produced", "lineage"))
    return {
        **nothing,
        "status": "succeeded",
        "engine": "duckdb",
        "finished_at": now(),
        "truncated": False,
        "result_schema": [],
        "result": {"key": "a key", "bytes": len(content), "schema_bytes": 0, "batches": []},
        "result_content": content,
        "expires_at": expires_at,
    }
