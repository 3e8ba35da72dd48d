"""Environment variables of a workspace: a real Secret, written as the caller."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import httpx
import pytest
import pytest_asyncio
from fastapi import FastAPI
from oleander_sdk import Oleander, OleanderHttpError

from icefield_crds.names import ENVIRONMENT_SECRET
from tests.controlplane import ControlPlane
from tests.kubernetes_client import SECRETS

from .conftest import ADMIN, AddUser, MakeWorkspace, SignIn
from .test_polnor_sdk import listening

pytestmark = pytest.mark.integration

PATH = "/environment-variables"


@pytest_asyncio.fixture
async def slug(make_workspace: MakeWorkspace) -> str:
    """A workspace."""
    return await make_workspace("env", {"viewer@acme.eu": "viewer", "editor@acme.eu": "editor"})


@pytest_asyncio.fixture
async def client(sign_in: SignIn, slug: str) -> httpx.AsyncClient:
    """An administrator there."""
    return await sign_in(ADMIN, workspace=slug)


@pytest_asyncio.fixture
async def editor(sign_in: SignIn, add_user: AddUser, slug: str) -> httpx.AsyncClient:
    """An editor there."""
    await add_user("editor@acme.eu")
    return await sign_in("editor@acme.eu", workspace=slug)


def kept(control_plane: ControlPlane, slug: str) -> dict[str, str]:
    """What the Secret holds."""
    data = control_plane.client.get(SECRETS, ENVIRONMENT_SECRET, f"icefield-{slug}").get("data") or {}
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


async def test_the_published_client(
    app: FastAPI, editor: httpx.AsyncClient, slug: str, cluster_with_roles: ControlPlane
) -> None:
    key = (await editor.post("/auth/keys", json={"name": "oleander"})).json()["key"]
    async with listening(app) as url:
        sdk = Oleander(api_key=key, base_url=url)
        assert await sdk.list_environment_variables() == []
        made = await sdk.set_environment_variable("db_host", "a.example")
        assert (made.name, made.value, made.organization_id) == ("DB_HOST", "a.example", slug)
        assert made.created_by_user_id == "editor@acme.eu"
        assert made.created_at == made.updated_at
        changed = await sdk.set_environment_variable("DB_HOST", "ü $(HOME)\nb")
        assert (changed.id, changed.created_at) == (made.id, made.created_at)
        assert changed.updated_at > made.updated_at
        await sdk.set_environment_variable("A", "1")
        assert [each.name for each in await sdk.list_environment_variables()] == ["A", "DB_HOST"]
        assert await sdk.get_environment_variable("db_host") == changed
        assert kept(cluster_with_roles, slug) == {"A": "1", "DB_HOST": "ü $(HOME)\nb"}
        await sdk.delete_environment_variable(name="a")
        await sdk.delete_environment_variable(id=made.id)
        assert kept(cluster_with_roles, slug) == {}
        with pytest.raises(OleanderHttpError) as gone:
            await sdk.delete_environment_variable(id=made.id)
        assert (gone.value.status, str(gone.value)) == (404, f"There is no environment variable {made.id}.")
        with pytest.raises(OleanderHttpError) as refused:
            await sdk.set_environment_variable("PATH", "/opt")
        assert refused.value.status == 400


async def test_viewers_see_names_only_and_set_nothing(
    client: httpx.AsyncClient, editor: httpx.AsyncClient, slug: str, add_user: AddUser, sign_in: SignIn
) -> None:
    made = await editor.post(PATH, json={"name": "TOKEN", "value": "secret"})
    assert made.status_code == 201, made.text
    await add_user("viewer@acme.eu")
    viewer = await sign_in("viewer@acme.eu", workspace=slug)
    answer = await viewer.get(PATH)
    assert [(each["name"], each["value"]) for each in answer.json()["environment_variables"]] == [("TOKEN", "")]
    assert "secret" not in answer.text
    assert (await viewer.post(PATH, json={"name": "A", "value": "1"})).status_code == 403
    assert (await viewer.delete(f"{PATH}/TOKEN")).status_code == 403
    assert (await client.post(PATH, json={"name": "TOKEN", "value": "new"})).status_code == 200
    assert (await client.delete(f"{PATH}/TOKEN")).status_code == 204


async def test_other_workspaces_have_their_own(
    client: httpx.AsyncClient, make_workspace: MakeWorkspace, sign_in: SignIn
) -> None:
    made = (await client.post(PATH, json={"name": "A", "value": "1"})).json()
    other = await sign_in(ADMIN, workspace=await make_workspace("other"))
    assert (await other.get(PATH)).json() == {"environment_variables": []}
    assert (await other.delete(f"{PATH}/{made['id']}")).status_code == 404


async def test_many_at_once_all_stay(editor: httpx.AsyncClient, slug: str, cluster_with_roles: ControlPlane) -> None:
    async def set_until_kept(number: int) -> None:
        while (answer := await editor.post(PATH, json={"name": f"V{number}", "value": str(number)})).status_code == 409:
            pass
        assert answer.status_code == 201, answer.text

    await asyncio.gather(*(set_until_kept(number) for number in range(8)))
    assert kept(cluster_with_roles, slug) == {f"V{number}": str(number) for number in range(8)}


async def test_what_is_set_with_kubectl_is_seen(
    editor: httpx.AsyncClient, slug: str, cluster_with_roles: ControlPlane
) -> None:
    patch = {
        "metadata": {"annotations": {"icefield.dev/environment": '{"A": {"created": 7}, "B": []}'}},
        "data": {"A": base64.b64encode(b"1").decode(), "B": base64.b64encode(b"\xff").decode()},
    }
    arguments = ("-n", f"icefield-{slug}", "--type=merge", "-p", json.dumps(patch))
    user = ("--as", f"icefield:{slug}:editor")
    cluster_with_roles.kubectl("patch", "secret", ENVIRONMENT_SECRET, *arguments, *user)
    found: list[dict[str, Any]] = (await editor.get(PATH)).json()["environment_variables"]
    assert [(each["name"], each["value"], each["created_by_user_id"]) for each in found] == [
        ("A", "1", None),
        ("B", "", None),
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "path", "HOME", "POLNOR_TOKEN", "icefield_x", "AWS_REGION", "PYICEBERG_CATALOG__X__URI"),
        *("LD_PRELOAD", "PYTHONPATH", "PYTHON", "PARAM_A", "1A", "A-B", "A.B", "", " ", "Ä", "A" * 256),
    ],
)
async def test_names_that_are_refused(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post(PATH, json={"name": name, "value": "1"})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].endswith(".")


@pytest.mark.parametrize("value", ["", "  ", "a\0b", "x" * (32 * 1024 + 1), "é" * (17 * 1024)])
async def test_values_that_are_refused(client: httpx.AsyncClient, value: str) -> None:
    answer = await client.post(PATH, json={"name": "A", "value": value})
    assert answer.status_code == 400, answer.text


async def test_a_variable_is_deleted_by_its_name_in_any_case(client: httpx.AsyncClient) -> None:
    for name in ("DB_HOST", "db_host"):
        assert (await client.post(PATH, json={"name": "Db_Host", "value": "1"})).status_code == 201
        assert (await client.delete(f"{PATH}/{name}")).status_code == 204
    assert (await client.delete(f"{PATH}/db_host")).status_code == 404


async def test_there_is_room_for_so_many_only(client: httpx.AsyncClient) -> None:
    for number in range(16):
        answer = await client.post(PATH, json={"name": f"V{number}", "value": "x" * 32_000})
        assert answer.status_code == 201, answer.text
    full = await client.post(PATH, json={"name": "LAST", "value": "x" * 32_000})
    assert (full.status_code, "524288 bytes" in full.json()["error"]) == (400, True)
