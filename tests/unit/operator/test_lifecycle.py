"""At start the operator lists the cluster until it is reachable, or until it is stopped."""

from __future__ import annotations

import asyncio
from typing import Any
from unittest.mock import Mock

import pytest

from icefield_kube.errors import Unreachable
from icefield_operator import lifecycle
from icefield_operator.lifecycle import Operator


def operator_of(monkeypatch: pytest.MonkeyPatch, *answers: Any) -> Operator:
    """Return an operator whose lists of the cluster end so, one after the other."""
    remaining = list(answers)
    operator = Operator(Mock(), Mock(), Mock())

    async def sync() -> None:
        if isinstance(answer := remaining.pop(0), Exception):
            raise answer

    monkeypatch.setattr(operator, "_sync", sync)
    return operator


async def test_it_retries_until_the_cluster_is_reachable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lifecycle, "RETRY_SECONDS", 0.0)
    operator = operator_of(monkeypatch, Unreachable("refused"), Unreachable("refused"), None)
    assert await operator._first_sync()


async def test_a_stop_ends_the_retries_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = operator_of(monkeypatch, *[Unreachable("refused")] * 2)
    waiting = asyncio.create_task(operator._first_sync())
    await asyncio.sleep(0.01)
    operator.stop()
    async with asyncio.timeout(1):
        assert not await waiting


async def test_a_defect_is_not_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = operator_of(monkeypatch, KeyError("defect"))
    with pytest.raises(KeyError):
        await operator._first_sync()
