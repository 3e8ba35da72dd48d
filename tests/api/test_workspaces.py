"""Workspaces, their members, and flavors."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.kubernetes_client import WORKSPACES

from .conftest import ADMIN, AddUser, MakeClient, MakeWorkspace, SignIn
from .playing import condition

pytestmark = pytest.mark.integration


async def test_create_read_change_delete(admin: httpx.AsyncClient, make_workspace: MakeWorkspace) -> None:
    slug = await make_workspace("acme", quotas={"max_running_runs": 3})
    workspace = (await admin.get(f"/workspaces/{slug}")).json()
    assert workspace["id"].startswith("ws_")
    assert {name: workspace[name] for name in ("slug", "name", "namespace", "role", "status", "error", "quotas")} == {
        "slug": slug,
        "name": "Acme",
        "namespace": f"icefield-{slug}",
        "role": "admin",
        "status": "pending",
        "error": None,
        "quotas": {"max_running_runs": 3, "max_queued_workloads": 100},
    }
    assert (await admin.get(f"/workspaces/{workspace['id']}")).json() == workspace
    assert workspace["deletion_policy"] == "Delete"
    change = {"name": "Acme Inc.", "default_flavor": "cpu.2", "deletion_policy": "Retain"}
    changed = await admin.patch(f"/workspaces/{slug}", json=change)
    assert changed.json() == workspace | change
    assert (await admin.delete(f"/workspaces/{slug}")).status_code == 204


async def test_the_default_warehouse_is_one_of_the_workspace(
    admin: httpx.AsyncClient, make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn
) -> None:
    await add_user("eva@acme.eu")
    slug = await make_workspace("acme", {"eva@acme.eu": "editor"})
    editor = await sign_in("eva@acme.eu", workspace=slug)
    made = (await editor.post("/sql/warehouses", json={"name": "Big one"})).json()
    assert (await admin.get(f"/workspaces/{slug}")).json()["default_warehouse"] is None
    for given, expected in ((made["id"], "big-one"), ("Big one", "big-one"), (None, None)):
        changed = await admin.patch(f"/workspaces/{slug}", json={"default_warehouse": given})
        assert (changed.status_code, changed.json()["default_warehouse"]) == (200, expected)
    refused = await admin.patch(f"/workspaces/{slug}", json={"default_warehouse": "small"})
    assert (refused.status_code, refused.json()) == (
        400,
        {"error": f"There is no warehouse small in workspace {slug}."},
    )


async def test_slug_is_made_of_the_name(admin: httpx.AsyncClient) -> None:
    answer = await admin.post("/workspaces", json={"name": "Données & Café"})
    assert answer.status_code == 201
    assert answer.json()["slug"] == "donnees-cafe"
    assert (await admin.delete("/workspaces/donnees-cafe")).status_code == 204


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"name": "x", "slug": "platform"}, 400, "reserved"),
        ({"name": "x", "slug": "1x"}, 400, "begins with a letter"),
        ({"name": "…"}, 400, "no letter or digit"),
        ({"name": "x", "quotas": {"max_running_runs": -1}}, 400, "quotas.max_running_runs"),
        ({"name": "x", "members": [{"user": "a@b", "role": "owner"}]}, 400, "members[0].role"),
        ({}, 400, "name"),
    ],
)
async def test_what_cannot_be_is_refused_in_words(
    admin: httpx.AsyncClient, body: dict[str, object], status: int, words: str
) -> None:
    answer = await admin.post("/workspaces", json=body)
    assert answer.status_code == status
    assert words in answer.json()["error"]


async def test_slug_is_taken_only_once(admin: httpx.AsyncClient, make_workspace: MakeWorkspace) -> None:
    slug = await make_workspace()
    assert (await admin.post("/workspaces", json={"name": "x", "slug": slug})).status_code == 409


async def test_people_see_their_own_workspaces(
    make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn
) -> None:
    await add_user("ed@acme.eu")
    own = await make_workspace("aa", {"ed@acme.eu": "viewer"})
    other = await make_workspace("bb")
    ed = await sign_in("ed@acme.eu")
    listed = (await ed.get("/workspaces")).json()["data"]
    assert [(w["slug"], w["role"]) for w in listed] == [(own, "viewer")]
    assert (await ed.get(f"/workspaces/{other}")).status_code == 404
    assert (await ed.get(f"/workspaces/{other}/members")).status_code == 404
    assert (await ed.get(f"/workspaces/{own}/members")).status_code == 403
    assert (await ed.patch(f"/workspaces/{own}", json={"name": "mine"})).status_code == 403
    assert (await ed.delete(f"/workspaces/{own}")).status_code == 403


@pytest.mark.parametrize("with_key", [False, True])
async def test_workspace_admins_choose_the_members(
    make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn, clients: MakeClient, with_key: bool
) -> None:
    ed = await add_user("ed@acme.eu")
    await add_user("ann@acme.eu")
    slug = await make_workspace("aa", {"Ann@acme.eu": "admin"})
    ann = await sign_in("ann@acme.eu")
    if with_key:
        key = (await ann.post("/auth/keys", json={"name": "mine", "workspace": slug})).json()["key"]
        ann = await clients(key)
    members = f"/workspaces/{slug}/members"
    put = await ann.put(f"{members}/{ed['id']}", json={"role": "editor"})
    assert (put.status_code, put.json()) == (200, {"user": "ed@acme.eu", "role": "editor"})
    assert (await ann.get(members)).json()["data"] == [
        {"user": "ann@acme.eu", "role": "admin"},
        {"user": "ed@acme.eu", "role": "editor"},
    ]
    assert (await ann.delete(f"{members}/ed@acme.eu")).status_code == 204
    assert (await ann.delete(f"{members}/ed@acme.eu")).status_code == 404
    assert (await ann.put(f"{members}/ANN@acme.eu", json={"role": "viewer"})).status_code == 200
    assert (await ann.get(members)).status_code == 403
    refused = await ann.put(f"{members}/ed@acme.eu", json={"role": "viewer"})
    assert (refused.status_code, refused.json()["error"]) == (403, "This needs the role admin; yours is viewer.")
    assert (await ann.delete(f"{members}/ann@acme.eu")).status_code == 403


async def test_others_choose_no_members(
    admin: httpx.AsyncClient, make_workspace: MakeWorkspace, add_user: AddUser, sign_in: SignIn
) -> None:
    for person in ("ed@acme.eu", "ann@acme.eu"):
        await add_user(person)
    own = await make_workspace("aa", {"ann@acme.eu": "admin", "ed@acme.eu": "editor"})
    other = await make_workspace("bb")
    ann, ed = await sign_in("ann@acme.eu"), await sign_in("ed@acme.eu")
    body = {"role": "admin"}
    assert (await ed.put(f"/workspaces/{own}/members/ed@acme.eu", json=body)).status_code == 403
    assert (await ann.put(f"/workspaces/{other}/members/ann@acme.eu", json=body)).status_code == 404
    assert (await ann.delete(f"/workspaces/{other}/members/ed@acme.eu")).status_code == 404
    assert (await admin.put(f"/workspaces/{other}/members/ann@acme.eu", json=body)).status_code == 200


async def test_only_users_become_members(admin: httpx.AsyncClient, make_workspace: MakeWorkspace) -> None:
    slug = await make_workspace(members={"later@acme.eu": "viewer"})
    for nobody in ("nobody@acme.eu", "usr_000000000000"):
        answer = await admin.put(f"/workspaces/{slug}/members/{nobody}", json={"role": "viewer"})
        assert (answer.status_code, answer.json()) == (404, {"error": f"There is no user {nobody}."})
    # A member of GitOps who never became a user can be removed all the same.
    assert (await admin.delete(f"/workspaces/{slug}/members/later@acme.eu")).status_code == 204


async def test_null_restores_the_default_of_a_workspace(
    admin: httpx.AsyncClient, make_workspace: MakeWorkspace
) -> None:
    slug = await make_workspace(quotas={"max_running_runs": 3}, default_flavor="cpu.2")
    path = f"/workspaces/{slug}"
    kept = (await admin.patch(path, json={"deletion_policy": "Retain"})).json()
    assert (kept["quotas"]["max_running_runs"], kept["default_flavor"]) == (3, "cpu.2")
    cleared = (
        await admin.patch(path, json=dict.fromkeys(("quotas", "default_flavor", "deletion_policy", "name")))
    ).json()
    shown = (
        cleared["quotas"]["max_running_runs"],
        cleared["default_flavor"],
        cleared["deletion_policy"],
        cleared["name"],
    )
    assert shown == (10, "cpu.1", "Delete", slug)


async def test_nothing_is_made_in_a_workspace_that_waits_for_its_owner(
    admin: httpx.AsyncClient, make_workspace: MakeWorkspace, sign_in: SignIn, cluster_with_roles: ControlPlane
) -> None:
    slug = await make_workspace()
    message = "objects of an earlier workspace are there"
    ready = condition("Ready", "False", "DataLeftBehind", message)
    cluster_with_roles.client.patch(WORKSPACES, slug, {"status": {"conditions": [ready]}}, subresource="status")
    client = await sign_in(ADMIN, workspace=slug)

    async def is_refused() -> bool:
        answer = await client.post("/jobs", json={"name": "j", "command": "x"})
        expected = (409, {"error": f"Workspace {slug} is not ready: {message}."})
        return (answer.status_code, answer.json()) == expected

    await eventually(is_refused)
    for path, body in (("/runs", {"command": "x"}), ("/sql/warehouses", {"name": "main"})):
        assert (await client.post(path, json=body)).status_code == 409


async def test_members_added_at_once_are_all_there(
    admin: httpx.AsyncClient, make_workspace: MakeWorkspace, add_user: AddUser
) -> None:
    slug = await make_workspace()
    people = [f"p{n}@acme.eu" for n in range(4)]
    for person in people:
        await add_user(person)
    answers = await asyncio.gather(
        *(admin.put(f"/workspaces/{slug}/members/{person}", json={"role": "viewer"}) for person in people)
    )
    assert [answer.status_code for answer in answers] == [200] * 4
    listed = (await admin.get(f"/workspaces/{slug}/members")).json()["data"]
    assert [member["user"] for member in listed] == people


async def test_what_kubectl_writes_counts(
    app: FastAPI,
    admin: httpx.AsyncClient,
    make_workspace: MakeWorkspace,
    add_user: AddUser,
    sign_in: SignIn,
    cluster_with_roles: ControlPlane,
) -> None:
    await add_user("ed@acme.eu")
    slug = await make_workspace()
    ed = await sign_in("ed@acme.eu", workspace=slug)
    assert (await ed.get("/auth/me")).status_code == 404
    cluster_with_roles.client.patch(WORKSPACES, slug, {"spec": {"members": [{"user": "ed@acme.eu", "role": "editor"}]}})
    async with asyncio.timeout(10):
        while (answer := await ed.get("/auth/me")).status_code == 404:  # noqa: ASYNC110 - a client has nothing to wait on
            await asyncio.sleep(0.02)
    assert answer.json()["role"] == "editor"


async def test_flavors_are_listed_and_read(
    app: FastAPI, admin: httpx.AsyncClient, cluster_with_roles: ControlPlane
) -> None:
    manifest = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Flavor",
        "metadata": {"name": "test.1"},
        "spec": {"cpu": 1, "memory": "1Gi", "pricePerHour": 0.05},
    }
    cluster_with_roles.client.apply(manifest)
    flavor = (await admin.get("/flavors/test.1")).json()
    assert flavor == {
        "id": flavor["id"],
        "name": "test.1",
        "cpu": "1",
        "memory": "1Gi",
        "gpu": 0,
        "price_per_hour": 0.05,
    }
    assert (await admin.get(f"/flavors/{flavor['id']}")).json() == flavor
    assert flavor in (await admin.get("/flavors")).json()["data"]
    missing = await admin.get("/flavors/no.such")
    assert (missing.status_code, missing.json()) == (404, {"error": "There is no flavor no.such."})
