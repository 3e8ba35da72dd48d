"""API keys: shown once, bound to one workspace, powerless the moment their owner is."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from icefield_apiserver.identity import models

from .conftest import AddUser, MakeClient, MakeWorkspace, SignIn

pytestmark = pytest.mark.integration


async def create_key(client: httpx.AsyncClient, **body: Any) -> dict[str, Any]:
    """Create a key and return the answer."""
    answer = await client.post("/auth/keys", json={"name": "ci"} | body)
    assert answer.status_code == 201, answer.text
    created: dict[str, Any] = answer.json()
    return created


async def test_key_is_shown_once_and_stored_hashed(
    app: FastAPI, admin: httpx.AsyncClient, make_workspace: MakeWorkspace
) -> None:
    slug = await make_workspace()
    created = await create_key(admin, workspace=slug)
    assert re.fullmatch(rf"icf_{created['id']}_[A-Za-z0-9_-]{{43}}", created["key"])
    (listed,) = (await admin.get("/auth/keys")).json()["data"]
    assert listed == {name: value for name, value in created.items() if name != "key"}
    async with app.state.core.db.session() as session:
        row = await session.get(models.ApiKey, created["id"])
    assert created["key"] not in vars(row).values()


async def test_key_opens_its_workspace_only(
    admin: httpx.AsyncClient, clients: MakeClient, make_workspace: MakeWorkspace
) -> None:
    slug, other = await make_workspace("aa"), await make_workspace("bb")
    key = await create_key(admin, workspace=other)
    client = await clients(key["key"])
    me = (await client.get("/auth/me")).json()
    assert (me["kind"], me["role"], me["is_platform_admin"]) == ("api_key", "admin", False)
    assert [w["slug"] for w in me["workspaces"]] == [me["workspace"]["slug"]] == [other]
    assert (await client.get("/auth/me", headers={"X-Workspace-Slug": other})).status_code == 200
    assert (await client.get("/auth/me", headers={"X-Workspace-Slug": slug})).status_code == 404
    assert (await client.get(f"/workspaces/{slug}")).status_code == 404
    assert [w["slug"] for w in (await client.get("/workspaces")).json()["data"]] == [other]


async def test_key_neither_manages_the_platform_nor_begets_keys(
    admin: httpx.AsyncClient, clients: MakeClient, make_workspace: MakeWorkspace
) -> None:
    key = await create_key(admin, workspace=await make_workspace())
    client = await clients(key["key"])
    assert (await client.get("/users")).status_code == 403
    assert (await client.post("/workspaces", json={"name": "mine"})).status_code == 403
    assert (await client.get("/auth/keys")).status_code == 403
    assert (await client.post("/auth/keys", json={"name": "more"})).status_code == 403
    assert (await client.post("/auth/refresh")).status_code == 403


async def test_key_for_a_workspace_of_others_is_404(
    make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn
) -> None:
    await add_user("ed@acme.eu")
    await make_workspace("aa", {"ed@acme.eu": "editor"})
    other = await make_workspace("bb")
    ed = await sign_in("ed@acme.eu")
    assert (await ed.post("/auth/keys", json={"name": "ci", "workspace": other})).status_code == 404


async def test_revoked_key_is_refused(
    admin: httpx.AsyncClient, clients: MakeClient, make_workspace: MakeWorkspace
) -> None:
    await make_workspace()
    key = await create_key(admin)
    client = await clients(key["key"])
    assert (await client.get("/auth/me")).status_code == 200
    assert (await admin.delete(f"/auth/keys/{key['id']}")).status_code == 204
    assert (await client.get("/auth/me")).status_code == 401
    assert (await admin.delete(f"/auth/keys/{key['id']}")).status_code == 404


async def test_expired_key_is_refused(
    app: FastAPI, admin: httpx.AsyncClient, clients: MakeClient, make_workspace: MakeWorkspace
) -> None:
    await make_workspace()
    key = await create_key(admin, expires_in=60)
    client = await clients(key["key"])
    assert (await client.get("/auth/me")).status_code == 200
    async with app.state.core.db.session() as session:
        row = await session.get(models.ApiKey, key["id"])
        row.expires_at -= timedelta(seconds=61)
    assert (await client.get("/auth/me")).status_code == 401


async def test_lost_membership_ends_the_keys_power_at_once(
    admin: httpx.AsyncClient, clients: MakeClient, make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn
) -> None:
    await add_user("ed@acme.eu")
    slug = await make_workspace("aa", {"ed@acme.eu": "editor"})
    key = await create_key(await sign_in("ed@acme.eu"))
    client = await clients(key["key"])
    assert (await client.get("/auth/me")).json()["role"] == "editor"
    assert (await admin.put(f"/workspaces/{slug}/members/ed@acme.eu", json={"role": "viewer"})).status_code == 200
    assert (await client.get("/auth/me")).json()["role"] == "viewer"
    assert (await admin.delete(f"/workspaces/{slug}/members/ed@acme.eu")).status_code == 204
    assert (await client.get("/auth/me")).status_code == 401


async def test_deactivated_and_deleted_users_keys_are_refused(
    admin: httpx.AsyncClient, clients: MakeClient, make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn
) -> None:
    user = await add_user("ed@acme.eu")
    await make_workspace("aa", {"ed@acme.eu": "editor"})
    ed = await sign_in("ed@acme.eu")
    client = await clients((await create_key(ed))["key"])
    await admin.patch(f"/users/{user['id']}", json={"is_active": False})
    assert (await client.get("/auth/me")).status_code == (await ed.get("/auth/me")).status_code == 401
    await admin.patch(f"/users/{user['id']}", json={"is_active": True})
    assert (await client.get("/auth/me")).status_code == 200
    assert (await admin.delete(f"/users/{user['id']}")).status_code == 204
    assert (await client.get("/auth/me")).status_code == (await ed.get("/auth/me")).status_code == 401


async def test_a_later_workspace_of_the_same_name_is_another(
    app: FastAPI, admin: httpx.AsyncClient, clients: MakeClient, make_workspace: MakeWorkspace
) -> None:
    slug = await make_workspace()
    client = await clients((await create_key(admin, workspace=slug))["key"])
    assert (await admin.delete(f"/workspaces/{slug}")).status_code == 204
    assert (await client.get("/auth/me")).status_code == 401
    assert (await admin.post("/workspaces", json={"name": "again", "slug": slug})).status_code == 201
    assert (await client.get("/auth/me")).status_code == 401


async def test_use_is_recorded_but_not_each_time(
    app: FastAPI, admin: httpx.AsyncClient, clients: MakeClient, make_workspace: MakeWorkspace
) -> None:
    await make_workspace()
    key = await create_key(admin)
    assert key["last_used_at"] is None
    client = await clients(key["key"])
    await client.get("/auth/me")
    first = (await admin.get("/auth/keys")).json()["data"][0]["last_used_at"]
    await client.get("/auth/me")
    assert first == (await admin.get("/auth/keys")).json()["data"][0]["last_used_at"]
    assert first is not None


async def test_keys_come_in_pages(admin: httpx.AsyncClient, make_workspace: MakeWorkspace) -> None:
    await make_workspace()
    made = {(await create_key(admin))["id"] for _ in range(5)}
    seen: list[str] = []
    cursor = None
    while True:
        page = (await admin.get("/auth/keys", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))).json()
        seen += [key["id"] for key in page["data"]]
        if (cursor := page.get("next_cursor")) is None:
            break
    assert len(seen) == 5
    assert set(seen) == made
