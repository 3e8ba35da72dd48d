"""Everything that runs need goes away for a while, one thing after another; nothing is lost and nothing runs twice."""

from __future__ import annotations

from typing import Any

import pytest
from tests.chaos.disturbed_runs import SMALL, run_disturbed
from tests.e2e.scenarios import Scenario

pytestmark = pytest.mark.chaos


def test_every_run_ends_every_attempt_is_recorded_and_every_line_is_found(platform: Any) -> None:
    account = run_disturbed(Scenario(platform), SMALL)
    assert account.faults == []
    assert account.runs >= SMALL.runs
    assert account.disrupted > 0, "nothing was disturbed"
