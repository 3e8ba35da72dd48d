"""Users are managed by platform administrators, of whom one always stays."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from icefield_apiserver.core.db.migrate import upgrade
from icefield_apiserver.core.settings import Settings
from tests.controlplane import ControlPlane

from .conftest import ADMIN, PASSWORD, AddUser, SignIn, serving

pytestmark = pytest.mark.integration


async def test_create_read_change_delete(admin: httpx.AsyncClient, sign_in: SignIn) -> None:
    body = {"email": " Ed@Acme.eu ", "name": "Ed", "password": PASSWORD}
    created = await admin.post("/users", json=body)
    assert created.status_code == 201
    user = created.json()
    assert user["id"].startswith("usr_")
    assert (user["email"], user["name"], user["is_platform_admin"], user["is_active"]) == (
        "ed@acme.eu",
        "Ed",
        False,
        True,
    )
    assert "password" not in created.text
    assert (await admin.get(f"/users/{user['id']}")).json() == user
    assert (await admin.get("/users/ED@acme.eu")).json() == user
    ed = await sign_in("ed@acme.eu")
    changed = await admin.patch("/users/ed@acme.eu", json={"name": "Edith", "password": "a new long password"})
    assert changed.json() == user | {"name": "Edith"}
    assert (await ed.get("/auth/me")).status_code == 401
    await sign_in("ed@acme.eu", "a new long password")
    assert (await admin.delete(f"/users/{user['id']}")).status_code == 204
    assert (await admin.get(f"/users/{user['id']}")).status_code == 404


async def test_address_is_taken_only_once(admin: httpx.AsyncClient, add_user: AddUser) -> None:
    await add_user("ed@acme.eu")
    answer = await admin.post("/users", json={"email": "ED@acme.eu", "password": PASSWORD})
    assert answer.status_code == 409
    assert answer.json() == {"error": "There already is a user with the e-mail address ed@acme.eu."}


async def test_users_come_in_pages_by_address(admin: httpx.AsyncClient, add_user: AddUser) -> None:
    for name in ("c", "a", "b"):
        await add_user(f"{name}@acme.eu")
    first = (await admin.get("/users", params={"limit": 2})).json()
    assert [user["email"] for user in first["data"]] == ["a@acme.eu", ADMIN]
    await add_user("aa@acme.eu")
    rest = (await admin.get("/users", params={"cursor": first["next_cursor"]})).json()
    assert [user["email"] for user in rest["data"]] == ["b@acme.eu", "c@acme.eu"]
    assert "next_cursor" not in rest


async def test_others_may_not_manage_users(add_user: AddUser, sign_in: SignIn) -> None:
    await add_user("ed@acme.eu")
    ed = await sign_in("ed@acme.eu")
    assert (await ed.get("/users")).status_code == 403
    assert (await ed.post("/users", json={"email": "x@acme.eu", "password": PASSWORD})).status_code == 403
    assert (await ed.delete(f"/users/{ADMIN}")).status_code == 403


@pytest.mark.parametrize("change", [{"is_platform_admin": False}, {"is_active": False}, None])
async def test_the_last_administrator_stays(admin: httpx.AsyncClient, change: dict[str, bool] | None) -> None:
    path = f"/users/{ADMIN}"
    answer = await (admin.patch(path, json=change) if change else admin.delete(path))
    assert answer.status_code == 409
    assert (await admin.get("/auth/me")).json()["is_platform_admin"]


async def test_a_second_administrator_may_replace_the_first(
    admin: httpx.AsyncClient, add_user: AddUser, sign_in: SignIn
) -> None:
    await add_user("ed@acme.eu")
    await admin.patch("/users/ed@acme.eu", json={"is_platform_admin": True})
    ed = await sign_in("ed@acme.eu")
    assert (await ed.delete(f"/users/{ADMIN}")).status_code == 204
    assert (await admin.get("/auth/me")).status_code == 401


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ({"password": PASSWORD}, "Field email is required."),
        ({"email": "no address", "password": PASSWORD}, "Field email: "),
        ({"email": "a@b", "password": "short"}, "Field password: "),
        ({"email": "a@b", "password": PASSWORD, "name": ""}, "Field name: "),
    ],
)
async def test_bad_bodies_name_the_field(admin: httpx.AsyncClient, body: dict[str, str], sentence: str) -> None:
    answer = await admin.post("/users", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith(sentence)


async def test_replicas_that_start_together_make_one_administrator(
    settings: Settings, cluster_with_roles: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(cluster_with_roles.kubeconfig))

    await upgrade(settings.database_url.get_secret_value())
    barrier = asyncio.Barrier(3)

    async def start() -> None:
        async with serving(settings) as app:
            await barrier.wait()
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="http://icefield/api/v1") as client:
                answer = await client.post("/auth/login", json={"email": ADMIN, "password": PASSWORD})
                assert answer.status_code == 200
                headers = {"Authorization": f"Bearer {answer.json()['access_token']}"}
                assert len((await client.get("/users", headers=headers)).json()["data"]) == 1

    async with asyncio.TaskGroup() as replicas:
        for _ in range(3):
            replicas.create_task(start())
