"""What gateways answer about statements is read whole, in however many segments it arrives."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from tests.pieces import serve_in_pieces

from icefield_apiserver.features.statements import gateway
from icefield_apiserver.features.statements.gateway import Gateways, GatewaySilenceError
from icefield_crds.wire.gateway import EngineName, StatementPhase, StatementState

STATE = StatementState("stmt_1", StatementPhase.SUCCEEDED, EngineName.SPARK, rows_produced=2, inline=b"x" * 10_000)


async def token(workspace: str) -> str:
    return "token"


SECRETS = cast(Any, SimpleNamespace(warehouse_token=token))
BODY = json.dumps(STATE.to_json()).encode()


async def test_a_state_in_pieces() -> None:
    async with serve_in_pieces(BODY[:700], BODY[700:]) as url, Gateways.open(SECRETS) as gateways:
        assert await gateways.get("acme", url, "stmt_1", 0.0) == STATE


async def test_a_state_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gateway, "LONGEST_ANSWER", len(BODY) - 1)
    async with serve_in_pieces(BODY[:700], BODY[700:]) as url, Gateways.open(SECRETS) as gateways:
        with pytest.raises(GatewaySilenceError, match="longer than"):
            await gateways.get("acme", url, "stmt_1", 0.0)
