"""Keys of one table that end, at /iceberg: what clients get, and with which policy the STS was asked for it.

The STS is a stand-in, whose keys open nothing.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI

from icefield_apiserver.core.settings import Settings
from icefield_apiserver.features.iceberg.session_policy import READ, READ_WRITE, session_policy
from tests.controlplane import ControlPlane
from tests.sts import StandInSts

from .conftest import ADMIN, AddUser, RunTokenKey, SignIn
from .lakehouse import MakeLakehouse
from .test_iceberg import ROWS, Place, start_run
from .test_polnor_sdk import listening

pytestmark = pytest.mark.integration

TABLE = "/namespaces/sales/tables/t"


@pytest_asyncio.fixture
async def sts() -> AsyncIterator[StandInSts]:
    """An STS that knows nobody yet."""
    async with StandInSts({}).running() as running:
        yield running


@pytest.fixture
def settings(settings: Settings, sts: StandInSts) -> Settings:
    """The object store has an STS."""
    settings.object_store.sts_endpoint = sts.url
    return settings


@pytest_asyncio.fixture
async def place(
    app: FastAPI, make_lakehouse: MakeLakehouse, add_user: AddUser, sign_in: SignIn, sts: StandInSts
) -> AsyncIterator[Place]:
    """A lakehouse with the table sales.t, reachable over HTTP."""
    lakehouse = await make_lakehouse("sts", {"editor@acme.eu": "editor", "viewer@acme.eu": "viewer"})
    sts.keys = {lakehouse.site.access_key_id: lakehouse.site.secret_access_key}
    tokens = []
    for person in ("editor@acme.eu", "viewer@acme.eu"):
        await add_user(person)
        tokens.append((await sign_in(person)).headers["Authorization"].removeprefix("Bearer "))
    admin = await sign_in(ADMIN, workspace=lakehouse.slug)
    assert (await admin.post("/databases", json={"name": "sales"})).status_code == 201
    async with listening(app) as url:
        place = Place(lakehouse, url, *tokens)
        await asyncio.to_thread(lambda: place.pyiceberg().create_table("sales.t", ROWS.schema))
        yield place


async def loaded(client: httpx.AsyncClient) -> dict[str, Any]:
    """Load the table."""
    answer = await client.get(TABLE)
    assert answer.status_code == 200, answer.text
    result: dict[str, Any] = answer.json()
    return result


async def test_whoever_loads_a_table_gets_keys_of_it_that_end(place: Place, sts: StandInSts) -> None:
    async with place.http(place.editor) as client:
        result = await loaded(client)
        # PyIceberg got the same when it made the table: one call serves for minutes.
        (session,) = sts.sessions
        ends = int(result["config"].pop("s3.session-token-expires-at-ms")) / 1000
        assert 600 < ends - time.time() <= 900
        assert result["config"] == {
            "s3.endpoint": place.lakehouse.site.endpoint,
            "s3.region": "us-east-1",
            "client.region": "us-east-1",
            "s3.path-style-access": "true",
            "s3.access-key-id": "session-1",
            "s3.secret-access-key": "secret-1",
            "s3.session-token": "token-1",
            "client.refresh-credentials-endpoint": f"v1/{place.slug}{TABLE}/credentials",
        }
        answer = await client.get(TABLE, headers={"If-None-Match": '"x", *'})
        # Who keeps a response that has not changed keeps keys that have ended.
        assert (answer.status_code, "ETag" in answer.headers) == (200, False)
    site = place.lakehouse.site
    assert session.access_key_id == site.access_key_id
    prefix = result["metadata"]["location"].removeprefix(f"s3://{site.bucket}/")
    assert prefix.startswith(f"workspaces/{place.slug}/tables/")
    assert session.policy == json.loads(session_policy(site.bucket, prefix, READ_WRITE))
    async with place.http(place.viewer) as client:
        assert (await loaded(client))["config"]["s3.access-key-id"] == "session-2"
    assert sts.sessions[1].policy == json.loads(session_policy(site.bucket, prefix, READ))


async def test_new_keys_of_a_table(place: Place) -> None:
    async with httpx.AsyncClient(base_url=f"{place.url}/iceberg", trust_env=False) as client:
        headers = {"Authorization": f"Bearer {place.viewer}"}
        query = {"warehouse": place.slug}
        endpoints = (await client.get("/v1/config", params=query, headers=headers)).json()["endpoints"]
        assert "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}/credentials" in endpoints
        async with place.http(place.viewer) as viewer:
            result = await loaded(viewer)
        answer = await client.get(result["config"]["client.refresh-credentials-endpoint"], headers=headers)
        keys = {key: value for key, value in result["config"].items() if "key" in key or "token" in key}
        assert len(keys) == 4
        assert answer.json() == {"storage-credentials": [{"prefix": result["metadata"]["location"], "config": keys}]}
        missing = await client.get(f"/v1/{place.slug}/namespaces/sales/tables/none/credentials", headers=headers)
        assert (missing.status_code, missing.json()["error"]["type"]) == (404, "NoSuchTableException")


async def test_an_sts_that_does_not_answer_is_unavailable(place: Place, sts: StandInSts) -> None:
    sts.is_out_of_order = True
    async with place.http(place.viewer) as client:
        for path in (TABLE, f"{TABLE}/credentials"):
            answer = await client.get(path)
            assert (answer.status_code, "gives out no keys" in answer.json()["error"]["message"]) == (503, True)


async def test_a_run_has_the_keys_of_its_pods(
    app: FastAPI, place: Place, run_token_key: RunTokenKey, cluster_with_roles: ControlPlane
) -> None:
    _, token = await start_run(app, place, run_token_key, cluster_with_roles)
    async with place.http(token) as client:
        config = (await loaded(client))["config"]
        assert config["s3.access-key-id"] == place.lakehouse.site.access_key_id
        assert not {"s3.session-token", "client.refresh-credentials-endpoint"} & config.keys()
        assert (await client.get(f"{TABLE}/credentials")).status_code == 404
