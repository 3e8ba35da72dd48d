"""What happens to tables, and the edges that follow from it (tests/lineage_scenarios.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.lineage_scenarios import SCENARIOS, check


@pytest.mark.parametrize("scenario", SCENARIOS, ids=[each["name"] for each in SCENARIOS])
async def test_scenario(scenario: dict[str, Any], tmp_path: Path) -> None:
    await check(scenario, f"sqlite+aiosqlite:///{tmp_path}/lineage.db")
