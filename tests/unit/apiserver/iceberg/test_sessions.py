"""Keys that end, against a stand-in STS that checks each request's signature and fields."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from tests.sts import AssumedRole, StandInSts

from icefield_apiserver.core.errors import Unavailable
from icefield_apiserver.core.kube.secrets import ObjectStoreKeys
from icefield_apiserver.features.iceberg import sessions as module
from icefield_apiserver.features.iceberg.session_policy import READ, READ_WRITE, session_policy
from icefield_apiserver.features.iceberg.sessions import Sessions

OWN = ObjectStoreKeys("http://store", "eu-1", "lake", "workspaces/demo", "demo-key", "demo-secret")
TABLE = "workspaces/demo/tables/t"


@pytest_asyncio.fixture
async def sts() -> AsyncIterator[StandInSts]:
    """An STS that knows the workspace's keys."""
    async with StandInSts({"demo-key": "demo-secret"}).running() as running:
        yield running


async def test_a_session_for_one_table(sts: StandInSts) -> None:
    before = datetime.now(UTC)
    keys = await Sessions(sts.url).keys(OWN, TABLE, READ)
    assert (keys.access_key_id, keys.secret_access_key, keys.session_token) == ("session-1", "secret-1", "token-1")
    assert timedelta(seconds=895) < keys.expires_at - before < timedelta(seconds=905)
    policy = json.loads(session_policy("lake", TABLE, READ))
    assert sts.sessions == [AssumedRole("demo-key", None, policy, 900)]
    assert "secret" not in repr(keys)


async def test_the_role_of_the_workspace(sts: StandInSts) -> None:
    role = "arn:aws:iam::123456789012:role/icefield-demo"
    await Sessions(sts.url).keys(replace(OWN, role_arn=role), TABLE, READ_WRITE)
    assert [session.role for session in sts.sessions] == [role]


async def test_each_table_and_each_access_has_keys_of_its_own_and_one_call_serves_them_for_minutes(
    sts: StandInSts,
) -> None:
    sessions = Sessions(sts.url)
    wanted = [(TABLE, READ), (TABLE, READ_WRITE), (f"{TABLE}2", READ)]
    first = [await sessions.keys(OWN, prefix, actions) for prefix, actions in wanted]
    again = [await sessions.keys(OWN, prefix, actions) for prefix, actions in wanted]
    assert (again, len({keys.access_key_id for keys in first}), len(sts.sessions)) == (first, 3, 3)


async def test_keys_are_not_given_out_when_they_soon_end(sts: StandInSts, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEFT_SECONDS", 901.0)
    sessions = Sessions(sts.url)
    assert await sessions.keys(OWN, TABLE, READ) != await sessions.keys(OWN, TABLE, READ)


async def test_new_keys_of_the_workspace_make_new_sessions(sts: StandInSts) -> None:
    sessions = Sessions(sts.url)
    await sessions.keys(OWN, TABLE, READ)
    with pytest.raises(Unavailable):
        await sessions.keys(replace(OWN, secret_access_key="another"), TABLE, READ)


async def test_an_sts_that_refuses_or_is_away_is_a_part_of_the_platform_that_is(sts: StandInSts) -> None:
    sts.is_out_of_order = True
    with pytest.raises(Unavailable, match=r"gives out no keys for the table at the moment; try again shortly\.") as one:
        await Sessions(sts.url).keys(OWN, TABLE, READ)
    with pytest.raises(Unavailable) as other:
        await Sessions("http://127.0.0.1:9").keys(OWN, TABLE, READ)
    assert one.value.status_code == other.value.status_code == 503
