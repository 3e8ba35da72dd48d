"""A statement whose record was stored, though the answer of the database was lost: its caller was told of a failure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from sqlalchemy import Delete, Insert, Update
from sqlalchemy.exc import OperationalError

from icefield_apiserver.features.statements.models import Statement
from icefield_apiserver.features.statements.service import StatementService

from .site import RunningGateway, ended

pytestmark = pytest.mark.integration

READ = {"query": "SELECT 1 AS a", "warehouse_id": "main", "wait_timeout": 0}


@pytest.fixture
def lost_answers(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Have the connection break after each INSERT of a statement that is named here, by its idempotency key."""
    db, keys = app.state.core.db, []
    execute = db.execute

    async def execute_and_break(statement: Insert | Update | Delete, values: Mapping[str, Any] | None = None) -> int:
        count: int = await execute(statement, values)
        if isinstance(statement, Insert) and values and values.get("idempotency_key") in keys:
            keys.remove(values["idempotency_key"])
            raise OperationalError("INSERT", {}, ConnectionError("the connection is lost"))
        return count

    monkeypatch.setattr(db, "execute", execute_and_break)
    return keys


async def test_it_is_not_run_after_its_caller_was_told_503(
    client: httpx.AsyncClient, gateway: RunningGateway, lost_answers: list[str]
) -> None:
    lost_answers.append("k")
    refused = await client.post("/sql/execute", json=READ, headers={"Idempotency-Key": "k"})
    assert refused.status_code == 503
    (listed,) = (await client.get("/sql/statements")).json()["data"]
    failed = await ended(client, listed["id"])
    assert (failed["status"], failed["error_code"], failed["engine"]) == ("failed", "NOT_ACCEPTED", None)
    assert failed["error_message"].endswith("it was not run.")
    again = await client.post("/sql/execute", json=READ, headers={"Idempotency-Key": "k"})
    assert again.json()["statement_id"] != listed["id"]
    assert (await ended(client, again.json()["statement_id"]))["status"] == "succeeded"


async def test_a_caller_that_repeats_it_at_once_with_its_key_has_it_run_once(
    app: FastAPI, client: httpx.AsyncClient, gateway: RunningGateway, lost_answers: list[str]
) -> None:
    executor = app.state.services.get(StatementService)._executor
    executor._deps.settings.lease_seconds = 60  # so that the caller repeats it before that
    lost_answers.append("k")
    key = {"Idempotency-Key": "k"}
    assert (await client.post("/sql/execute", json=READ, headers=key)).status_code == 503
    again = await client.post("/sql/execute", json=READ, headers=key)
    assert again.status_code == 202
    await executor._deps.repository.release(executor.owner)
    statement = await ended(client, again.json()["statement_id"])
    assert (statement["status"], statement["error_message"]) == ("succeeded", None)
    assert len((await client.get("/sql/statements")).json()["data"]) == 1


async def test_an_id_that_was_told_is_accepted(app: FastAPI, client: httpx.AsyncClient) -> None:
    told = (await client.post("/sql/execute", json=READ)).json()["statement_id"]

    async def is_accepted() -> bool:
        async with app.state.core.db.session() as session:
            return bool((await session.get(Statement, told)).is_accepted)

    assert await is_accepted()
