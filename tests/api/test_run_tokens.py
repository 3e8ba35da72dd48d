"""A run's own token: signed by the operator, good for one workspace, and dead with the run."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
import time
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
import pytest_asyncio
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

from icefield_crds import Run
from tests.controlplane import ControlPlane
from tests.kubernetes_client import RUNS

from .conftest import MakeClient, MakeWorkspace, RunTokenKey

pytestmark = pytest.mark.integration


@dataclass(frozen=True)
class Running:
    """A Run in a workspace, and its token's claims."""

    run: Run
    workspace: str
    claims: dict[str, Any]


@pytest_asyncio.fixture
async def running(app: FastAPI, make_workspace: MakeWorkspace, cluster_with_roles: ControlPlane) -> Running:
    """A run that has not ended, known to the server."""
    slug = await make_workspace()
    manifest = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"name": "nightly", "namespace": f"icefield-{slug}"},
        "spec": {"command": "true"},
    }
    run = Run.model_validate(cluster_with_roles.client.create(manifest))
    await app.state.core.cluster.runs.find(run.metadata.namespace, run.metadata.name)
    now = int(time.time())
    claims = {
        "iss": "icefield-operator",
        "aud": "icefield",
        "sub": f"run:{run.metadata.uid}",
        "workspace": slug,
        "run": run.metadata.name,
        "run_uid": run.metadata.uid,
        "role": "editor",
        "iat": now,
        "exp": now + 3600,
    }
    return Running(run, slug, claims)


def signed(claims: dict[str, Any], key: str, algorithm: str = "EdDSA") -> str:
    """Sign claims as the operator does."""
    return jwt.encode(claims, key, algorithm=algorithm)


async def test_run_token_acts_as_the_run(running: Running, run_token_key: RunTokenKey, clients: MakeClient) -> None:
    client = await clients(signed(running.claims, run_token_key.private), running.workspace)
    me = (await client.get("/auth/me")).json()
    assert (me["email"], me["kind"], me["role"]) == ("run:nightly", "run", "editor")
    assert me["workspace"] == {"slug": running.workspace, "namespace": f"icefield-{running.workspace}"}
    assert me["is_platform_admin"] is False


async def test_run_token_sees_no_other_workspace(
    running: Running, run_token_key: RunTokenKey, clients: MakeClient, make_workspace: MakeWorkspace
) -> None:
    client = await clients(signed(running.claims, run_token_key.private), await make_workspace())
    assert (await client.get("/auth/me")).status_code == 404


@pytest.mark.parametrize(
    "change",
    [
        {"aud": "icefield-session"},
        {"iss": "somebody"},
        {"exp": 1},
        {"sub": "run:other"},
        {"role": "owner"},
        {"scope": "everything"},
        {"scope": ["catalog"]},
        {"run_uid": "00000000-0000-0000-0000-000000000000", "sub": "run:00000000-0000-0000-0000-000000000000"},
        {"run_uid": None},
    ],
)
async def test_other_claims_are_401(
    running: Running, run_token_key: RunTokenKey, clients: MakeClient, change: dict[str, Any]
) -> None:
    client = await clients(signed(running.claims | change, run_token_key.private))
    assert (await client.get("/auth/me")).status_code == 401


async def test_a_run_of_another_workspace_is_401(
    running: Running, run_token_key: RunTokenKey, clients: MakeClient, make_workspace: MakeWorkspace
) -> None:
    claims = running.claims | {"workspace": await make_workspace()}
    client = await clients(signed(claims, run_token_key.private))
    assert (await client.get("/auth/me")).status_code == 401


async def test_public_key_does_not_serve_as_a_shared_secret(
    running: Running, run_token_key: RunTokenKey, clients: MakeClient
) -> None:
    header = {"alg": "HS256", "typ": "JWT"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (header, running.claims)]
    body = b".".join(parts)
    digest = hmac.new(run_token_key.public.encode(), body, hashlib.sha256).digest()
    client = await clients((body + b"." + base64.urlsafe_b64encode(digest).rstrip(b"=")).decode())
    assert (await client.get("/auth/me")).status_code == 401


async def test_token_dies_with_the_run(
    app: FastAPI,
    running: Running,
    run_token_key: RunTokenKey,
    clients: MakeClient,
    cluster_with_roles: ControlPlane,
) -> None:
    client = await clients(signed(running.claims, run_token_key.private))
    assert (await client.get("/auth/me")).status_code == 200
    namespace, name = running.run.metadata.namespace or "", running.run.metadata.name
    cluster_with_roles.client.patch(RUNS, name, {"status": {"phase": "success"}}, namespace, "status")
    await app.state.core.cluster.runs.read(namespace, name)
    assert (await client.get("/auth/me")).status_code == 401


def calls_of(app: FastAPI) -> list[tuple[str, str]]:
    """Return (method, path) of every route of the application, with something in the place of ids."""
    routes = [(route.methods or (), route.path or "") for route in iter_route_contexts(app.routes)]
    return [(method, re.sub(r"{[^}]*}", "x", path)) for methods, path in routes for method in sorted(methods)]


async def test_token_of_a_sandbox_opens_the_catalog_and_nothing_else(
    app: FastAPI, running: Running, run_token_key: RunTokenKey, clients: MakeClient
) -> None:
    token = signed(running.claims | {"scope": "catalog"}, run_token_key.private)
    catalog_only, anonymous = await clients(token), await clients()
    calls = [(method, path) for method, path in calls_of(app) if not path.startswith("/iceberg/")]
    assert {("POST", "/api/v1/warehouse/polars"), ("GET", "/api/v2/runs/x")} <= set(calls)
    open_to_all = set()
    for method, path in calls:
        url = f"http://icefield{path}"
        answer = await catalog_only.request(method, url)
        if answer.status_code == 403:
            assert answer.json() == {"error": "This token is valid for the catalog only."}, path
        else:
            assert (await anonymous.request(method, url)).status_code == answer.status_code, path
            open_to_all.add(path)
    assert {path for path in open_to_all if path.startswith("/api/")} == {"/api/v1/auth/login"}

    answer = await catalog_only.get("http://icefield/iceberg/v1/config", params={"warehouse": running.workspace})
    assert (answer.status_code, "not ready yet" in answer.text) == (503, True)
