"""The published `oleanderhq-sdk`, unmodified: environment variables, and the task that finds them."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any

import pytest
from oleander_sdk import Oleander, OleanderHttpError

pytestmark = pytest.mark.conformance


async def test_a_variable_from_its_setting_to_its_end(oleander: Oleander, platform: Any) -> None:
    name = f"sdk_{secrets.token_hex(3)}"
    made = await oleander.set_environment_variable(name, "first")
    assert (made.name, made.value) == (name.upper(), "first")
    changed = await oleander.set_environment_variable(name.upper(), "second")
    assert (changed.id, changed.value, changed.created_at) == (made.id, "second", made.created_at)
    assert await oleander.get_environment_variable(name) == changed
    assert changed in await oleander.list_environment_variables()

    job = {
        "name": f"env-{secrets.token_hex(3)}",
        "command": f'test "${name.upper()}" = second && test "$POLNOR_WORKSPACE_SLUG" = {platform.workspace}',
    }
    with platform.client() as rest:
        rest.post("/jobs", json=job).raise_for_status()
        run_id = rest.post(f"/jobs/{job['name']}/run", json={}).raise_for_status().json()["run_id"]
        deadline = time.monotonic() + 120
        while (run := rest.get(f"/runs/{run_id}").raise_for_status().json())["status"] in ("pending", "running"):
            assert time.monotonic() < deadline, run
            await asyncio.sleep(0.5)
        assert run["status"] == "success", run

    await oleander.delete_environment_variable(name=name)
    assert await oleander.get_environment_variable(name) is None


async def test_the_platforms_own_variables_are_refused(oleander: Oleander) -> None:
    for name in ("PATH", "POLNOR_TOKEN", "AWS_ACCESS_KEY_ID"):
        with pytest.raises(OleanderHttpError, match="the platform sets it") as refused:
            await oleander.set_environment_variable(name, "x")
        assert refused.value.status == 400
