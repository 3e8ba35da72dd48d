"""Databases and schemas over the real embedded catalog."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx
import pytest
import pytest_asyncio

from tests.catalog import RunningCatalog, running_catalog
from tests.controlplane import ControlPlane
from tests.object_store import RunningObjectStore

from .conftest import ADMIN, AddUser, MakeWorkspace, SignIn
from .lakehouse import Lakehouse, MakeLakehouse, furnish

pytestmark = pytest.mark.integration


@pytest_asyncio.fixture
async def lakehouse(make_lakehouse: MakeLakehouse) -> Lakehouse:
    """A workspace with a catalog."""
    return await make_lakehouse("db", {"viewer@acme.eu": "viewer", "editor@acme.eu": "editor"})


@pytest_asyncio.fixture
async def client(sign_in: SignIn, lakehouse: Lakehouse) -> httpx.AsyncClient:
    """An administrator there."""
    return await sign_in(ADMIN, workspace=lakehouse.slug)


async def test_a_database_from_creation_to_its_end(client: httpx.AsyncClient) -> None:
    assert (await client.get("/databases")).json() == {"data": []}
    made = await client.post("/databases", json={"name": "sales", "description": "What was sold"})
    assert made.status_code == 201, made.text
    body = made.json()
    assert (body["id"], body["name"], body["description"]) == ("sales", "sales", "What was sold")
    assert body["created_at"]
    assert (await client.get("/databases/sales")).json() == body
    assert (await client.get("/databases")).json() == {"data": [body]}
    assert (await client.delete("/databases/sales")).status_code == 204
    gone = await client.get("/databases/sales")
    assert (gone.status_code, gone.json()) == (404, {"error": "There is no database sales."})
    assert (await client.delete("/databases/sales")).status_code == 404


async def test_lists_are_whole_unless_a_limit_is_given(client: httpx.AsyncClient) -> None:
    names = [f"d{number:02}" for number in range(60)]
    for name in names:
        assert (await client.post("/databases", json={"name": name})).status_code == 201
    assert [row["name"] for row in (await client.get("/databases")).json()["data"]] == names
    first = (await client.get("/databases", params={"limit": 59})).json()
    assert [row["name"] for row in first["data"]] == names[:59]
    rest = (await client.get("/databases", params={"limit": 59, "cursor": first["next_cursor"]})).json()
    assert [row["name"] for row in rest["data"]] == names[59:]
    assert "next_cursor" not in rest


@pytest.mark.parametrize("name", ["a.b", "a/b", "", " a", "polnor", "Oleander", "a'b", "system", "x" * 129, "a\nb"])
async def test_names_that_sql_or_paths_could_not_carry_are_refused(client: httpx.AsyncClient, name: str) -> None:
    answer = await client.post("/databases", json={"name": name})
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"].endswith(".")


async def test_the_workspaces_own_name_is_the_catalogs(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    answer = await client.post("/databases", json={"name": lakehouse.slug})
    assert answer.status_code == 400
    assert "names the workspace's catalog" in answer.json()["error"]


async def test_the_same_name_twice_is_a_conflict(client: httpx.AsyncClient) -> None:
    assert (await client.post("/databases", json={"name": "twice"})).status_code == 201
    again = await client.post("/databases", json={"name": "twice"})
    assert (again.status_code, again.json()) == (409, {"error": "Database twice already exists."})


async def test_a_location_must_be_the_workspaces(client: httpx.AsyncClient, lakehouse: Lakehouse) -> None:
    own = f"{lakehouse.site.prefix}/tables/elsewhere"
    made = await client.post("/databases", json={"name": "there", "location": own})
    assert (made.status_code, made.json()["location"]) == (201, own)
    for foreign in ("s3://icefield/workspaces/other/tables", f"{lakehouse.site.prefix}/../other", "/etc", "s3://x/y"):
        refused = await client.post("/databases", json={"name": "foreign", "location": foreign})
        assert refused.status_code == 400, foreign


async def test_schemas(client: httpx.AsyncClient) -> None:
    assert (await client.get("/databases/none/schemas")).status_code == 404
    assert (await client.post("/databases/none/schemas", json={"name": "raw"})).status_code == 404
    await client.post("/databases", json={"name": "lake"})
    made = await client.post("/databases/lake/schemas", json={"name": "raw", "description": "As it came"})
    assert made.status_code == 201, made.text
    assert made.json() == {"name": "raw", "database": "lake", "description": "As it came"}
    assert (await client.post("/databases/lake/schemas", json={"name": "raw"})).status_code == 409
    assert (await client.post("/databases/lake/schemas", json={"name": "default"})).status_code == 409
    assert (await client.post("/databases/lake/schemas", json={"name": "a.b"})).status_code == 400
    listed = (await client.get("/databases/lake/schemas")).json()["data"]
    assert [row["name"] for row in listed] == ["default", "raw"]
    assert (await client.get("/databases/lake/schemas/raw")).json() == made.json()
    assert [row["name"] for row in (await client.get("/databases")).json()["data"]] == ["lake"]
    refused = await client.delete("/databases/lake")
    assert (refused.status_code, refused.json()["error"]) == (409, "Database lake still holds 1 schema.")
    assert (await client.delete("/databases/lake/schemas/default")).status_code == 409
    assert (await client.delete("/databases/lake/schemas/raw")).status_code == 204
    assert (await client.delete("/databases/lake/schemas/raw")).status_code == 404
    assert (await client.delete("/databases/lake")).status_code == 204


async def test_viewers_read_and_editors_write(
    client: httpx.AsyncClient, lakehouse: Lakehouse, add_user: AddUser, sign_in: SignIn
) -> None:
    for person in ("viewer@acme.eu", "editor@acme.eu", "stranger@acme.eu"):
        await add_user(person)
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    editor = await sign_in("editor@acme.eu", workspace=lakehouse.slug)
    stranger = await sign_in("stranger@acme.eu")
    assert (await viewer.post("/databases", json={"name": "v"})).status_code == 403
    assert (await editor.post("/databases", json={"name": "e"})).status_code == 201
    assert [row["name"] for row in (await viewer.get("/databases")).json()["data"]] == ["e"]
    assert (await viewer.delete("/databases/e")).status_code == 403
    assert (await viewer.post("/databases/e/schemas", json={"name": "s"})).status_code == 403
    assert (await stranger.get("/databases", headers={"X-Workspace-Slug": lakehouse.slug})).status_code == 404
    assert (await editor.delete("/databases/e")).status_code == 204


async def test_workspaces_see_only_their_own(
    client: httpx.AsyncClient, make_lakehouse: MakeLakehouse, sign_in: SignIn
) -> None:
    await client.post("/databases", json={"name": "mine"})
    other = await sign_in(ADMIN, workspace=(await make_lakehouse("other")).slug)
    assert (await other.get("/databases")).json() == {"data": []}
    assert (await other.get("/databases/mine")).status_code == 404


async def test_a_workspace_whose_catalog_is_not_there_yet(make_workspace: MakeWorkspace, sign_in: SignIn) -> None:
    client = await sign_in(ADMIN, workspace=await make_workspace("early"))
    answer = await client.get("/databases")
    assert (answer.status_code, answer.json()) == (
        503,
        {"error": "The workspace's catalog is not ready yet; try again shortly."},
    )


@pytest.fixture
def own_catalog(object_store: RunningObjectStore) -> Iterator[RunningCatalog]:
    """A catalog server that no other test uses."""
    with running_catalog(object_store) as catalog:
        yield catalog


async def test_a_catalog_that_is_away_and_comes_back(
    own_catalog: RunningCatalog,
    make_workspace: MakeWorkspace,
    sign_in: SignIn,
    cluster_with_roles: ControlPlane,
    lakehouses: list[str],
) -> None:
    lakehouses.append(await make_workspace("away"))
    lakehouse = await furnish(cluster_with_roles, own_catalog, lakehouses)
    client = await sign_in(ADMIN, workspace=lakehouse.slug)
    assert (await client.post("/databases", json={"name": "kept"})).status_code == 201
    await asyncio.to_thread(own_catalog.stop, 0)
    try:
        for call in (client.get("/databases"), client.post("/databases", json={"name": "lost"})):
            answer = await call
            assert (answer.status_code, "cannot be reached" in answer.json()["error"]) == (503, True)
        passed = await client.get(f"http://icefield/iceberg/v1/{lakehouse.slug}/namespaces")
        assert (passed.status_code, passed.json()["error"]["code"]) == (503, 503)
    finally:
        await asyncio.to_thread(own_catalog.start)
    assert [row["name"] for row in (await client.get("/databases")).json()["data"]] == ["kept"]


async def test_a_token_that_was_changed_is_read_anew(
    client: httpx.AsyncClient, lakehouse: Lakehouse, cluster_with_roles: ControlPlane, lakehouses: list[str]
) -> None:
    assert (await client.post("/databases", json={"name": "kept"})).status_code == 201
    lakehouse.catalog.forget_token(lakehouse.slug)
    await furnish(cluster_with_roles, lakehouse.catalog, lakehouses)
    assert [row["name"] for row in (await client.get("/databases")).json()["data"]] == ["kept"]
    lakehouse.catalog.forget_token(lakehouse.slug)
    await furnish(cluster_with_roles, lakehouse.catalog, lakehouses)
    passed = await client.get(f"http://icefield/iceberg/v1/{lakehouse.slug}/namespaces")
    assert passed.json()["namespaces"] == [["kept"]]
