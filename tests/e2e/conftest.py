"""What the whole-cluster tests act with."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.scenarios import Scenario


@pytest.fixture
def scenario(platform: Any) -> Iterator[Scenario]:
    """Jobs and runs of one test; what still runs at its end is cancelled."""
    scenario = Scenario(platform)
    yield scenario
    scenario.clean_up()
