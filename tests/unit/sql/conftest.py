"""What the tests of the SQL package share."""

from __future__ import annotations

import time

import pytest

from icefield_sql.lang import planning_time

SLOWER = 4
"""How many times slower than here a machine may be on which what is planned here is planned."""


@pytest.fixture(autouse=True)
def slow_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Planning has more time than elsewhere: what a statement takes depends on the machine and on what else it does."""
    thread_time = time.thread_time
    monkeypatch.setattr(planning_time.time, "thread_time", lambda: thread_time() / SLOWER)
