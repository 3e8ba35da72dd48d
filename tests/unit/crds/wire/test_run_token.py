"""The claims of run tokens."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from icefield_crds.wire.run_token import REQUIRED_CLAIMS, RunClaims

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CLAIMS = RunClaims("demo", "daily-1", "u-1", "editor")


@pytest.mark.parametrize(
    "claims",
    [
        CLAIMS,
        RunClaims("demo", "q", "u-2", "editor", is_catalog_only=True),
        RunClaims("demo", "q", "u-2", "editor", task="ingest", attempt=3),
    ],
)
def test_round_trip(claims: RunClaims) -> None:
    encoded = claims.to_json(NOW, timedelta(hours=1))
    assert set(REQUIRED_CLAIMS) <= set(encoded)
    assert RunClaims.from_json(encoded) == claims


def test_claims_on_the_wire() -> None:
    assert CLAIMS.to_json(NOW, timedelta(hours=1)) == {
        "iss": "icefield-operator",
        "aud": "icefield",
        "sub": "run:u-1",
        "workspace": "demo",
        "run": "daily-1",
        "run_uid": "u-1",
        "role": "editor",
        "iat": NOW,
        "exp": NOW + timedelta(hours=1),
    }


@pytest.mark.parametrize(
    "change", [{"sub": "run:u-2"}, {"scope": "tables"}, {"workspace": ""}, {"run": None}, {"attempt": -1}]
)
def test_claims_of_something_else(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        RunClaims.from_json({**CLAIMS.to_json(NOW, timedelta(hours=1)), **change})
