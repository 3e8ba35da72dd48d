"""Probes and metrics."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI

from icefield_apiserver.core.db import Database
from tests.controlplane import ControlPlane
from tests.prometheus import authorization, may_read_metrics

pytestmark = pytest.mark.integration


@pytest.fixture
def root(app: FastAPI) -> httpx.AsyncClient:
    """A client of what lies outside /api/v1."""
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://icefield")


async def test_probes_answer(root: httpx.AsyncClient) -> None:
    for path in ("/livez", "/healthz", "/readyz"):
        answer = await root.get(path)
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def test_a_server_without_its_database_lives_but_is_not_ready(
    app: FastAPI, root: httpx.AsyncClient, tmp_path: Path
) -> None:
    async with Database.open(f"sqlite+aiosqlite:///{tmp_path}/no/such/directory.db") as away:
        app.state.core = replace(app.state.core, db=away)
        ready = await root.get("/readyz")
        assert (ready.status_code, ready.json()) == (503, {"error": "The database cannot be reached."})
        assert (await root.get("/livez")).status_code == 200


async def test_a_server_whose_caches_are_old_is_not_ready(
    app: FastAPI, root: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The caches go on hearing of what other tests did, so it is the limit that is moved and not their clocks.
    monkeypatch.setattr("icefield_apiserver.core.kube.cluster.MAX_SILENCE_SECONDS", -1.0)
    ready = await root.get("/readyz")
    assert ready.status_code == 503
    assert "No watch event for" in ready.json()["error"]


async def test_requests_are_counted_by_operation_not_by_path(
    root: httpx.AsyncClient, admin: httpx.AsyncClient, control_plane: ControlPlane
) -> None:
    await admin.get("/workspaces/no-such-one")
    await admin.get("/no/such/path")
    headers = await asyncio.to_thread(may_read_metrics, control_plane)
    text = (await root.get("/metrics", headers=headers)).text
    assert 'method="GET",operation="read_workspace",status="404"' in text
    assert 'method="GET",operation="unknown",status="404"' in text
    assert "no-such-one" not in text


async def test_metrics_are_for_whom_rbac_lets_read_them(
    root: httpx.AsyncClient, admin: httpx.AsyncClient, control_plane: ControlPlane
) -> None:
    somebody = await asyncio.to_thread(authorization, control_plane, "default")
    of_ours = {"Authorization": admin.headers["Authorization"]}
    for headers, status in (({}, 401), ({"Authorization": "Basic eDp5"}, 401), (of_ours, 401), (somebody, 403)):
        answer = await root.get("/metrics", headers=headers)
        assert answer.status_code == status, headers
        assert "icefield_" not in answer.text
    assert "icefield-metrics-reader" in answer.json()["error"]
