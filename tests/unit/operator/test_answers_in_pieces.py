"""What sandboxes and gateways answer is read whole, in however many segments it arrives."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from tests.pieces import serve_in_pieces

from icefield_crds.wire.gateway import GatewayStatus
from icefield_crds.wire.outcome import FailureKind, WorkloadOutcome
from icefield_operator.sandbox.client import SandboxClient, SandboxRefusedError
from icefield_operator.warehouse.gateway import GatewayClients

OUTCOME = WorkloadOutcome.failed(FailureKind.QUERY, "no such column " + "x" * 3000)
STATUS = GatewayStatus(spark=True, running=3, last_activity=datetime(2026, 1, 1, tzinfo=UTC))


def in_two(document: dict[str, Any]) -> tuple[bytes, bytes]:
    body = json.dumps(document).encode()
    return body[: len(body) // 2], body[len(body) // 2 :]


async def test_the_outcome_of_a_workload() -> None:
    async with serve_in_pieces(*in_two(OUTCOME.to_json())) as url, aiohttp.ClientSession() as session:
        assert await SandboxClient(session, url, "token").outcome() == OUTCOME


async def test_the_refusal_of_a_sandbox() -> None:
    refusal = in_two({"error": "another workload runs here"})
    async with serve_in_pieces(*refusal, status=409) as url, aiohttp.ClientSession() as session:
        with pytest.raises(SandboxRefusedError, match="another workload runs here"):
            await SandboxClient(session, url, "token").acknowledge()


async def test_an_answer_without_end() -> None:
    endless = (b"x" * 200_000, b"x" * 200_000)
    async with serve_in_pieces(*endless) as url, aiohttp.ClientSession() as session:
        with pytest.raises(SandboxRefusedError, match="longer than"):
            await SandboxClient(session, url, "token").outcome()


async def test_the_status_of_a_gateway() -> None:
    secret = {"data": {"token": base64.b64encode(b"token").decode()}}

    async def get(*_: str) -> dict[str, Any]:
        return secret

    clients = GatewayClients(cast(Any, SimpleNamespace(get=get)))
    try:
        async with serve_in_pieces(*in_two(STATUS.to_json())) as url:
            assert await clients.query("ws-demo", url) == STATUS
    finally:
        await clients._session.close()
