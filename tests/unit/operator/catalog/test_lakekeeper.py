"""Lakekeeper as a manager of catalogs, against a stand-in that checks each request by Lakekeeper's own documents."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.lakekeeper.server import StandIn, done_and_cut_off, done_and_refused, refused

from icefield_operator.catalog.calls import Calls
from icefield_operator.catalog.lakekeeper import BOOTSTRAP, WAREHOUSES, Lakekeeper
from icefield_operator.catalog.provider import CatalogAccess, CatalogError, Storage
from icefield_operator.objectstore.config import Credentials

from .conftest import KEYS, STORAGE

NEW_KEYS = Credentials("icefield-demo", "another")


async def ensure(
    lakekeeper: Lakekeeper, keys: Credentials = KEYS, storage: Storage = STORAGE, *, is_configured: bool = False
) -> CatalogAccess:
    """Ensure the warehouse of workspace demo."""
    return await lakekeeper.ensure("demo", storage, keys, None, is_configured=is_configured)


async def test_a_warehouse_is_made_in_a_server_that_nobody_used(server: StandIn, lakekeeper: Lakekeeper) -> None:
    assert await ensure(lakekeeper) == CatalogAccess(server.uri, "demo", "")
    (warehouse,) = server.state.warehouses.values()
    assert warehouse.name == "demo"
    assert warehouse.profile == {
        "type": "s3",
        "bucket": "lake",
        "key-prefix": "workspaces/demo/tables",
        "endpoint": "http://s3:7070",
        "region": "eu-1",
        "path-style-access": True,
        "flavor": "s3-compat",
        "sts-enabled": False,
        "remote-signing-enabled": False,
    }
    assert warehouse.credential["secret-access-key"] == "s3cr3t"
    assert server.count("POST", BOOTSTRAP) == 1


async def test_a_further_pass_changes_nothing(server: StandIn, lakekeeper: Lakekeeper) -> None:
    access = await ensure(lakekeeper)
    assert await ensure(lakekeeper, is_configured=True) == access
    assert server.count("POST", WAREHOUSES) == server.count("POST", BOOTSTRAP) == 1
    (id_,) = server.state.warehouses
    assert server.count("POST", f"{WAREHOUSES}/{id_}/storage") == 0


async def test_changed_keys_are_sent_and_the_storage_profile_stays(server: StandIn, lakekeeper: Lakekeeper) -> None:
    await ensure(lakekeeper)
    (warehouse,) = server.state.warehouses.values()
    profile = warehouse.profile
    await ensure(lakekeeper, NEW_KEYS)
    assert list(server.state.warehouses.values()) == [warehouse]
    assert (warehouse.profile, warehouse.credential["secret-access-key"]) == (profile, "another")


async def test_an_operator_that_restarts_finds_what_it_made(server: StandIn, lakekeeper: Lakekeeper) -> None:
    server.once("POST", WAREHOUSES, done_and_cut_off())
    with pytest.raises(CatalogError, match="502"):
        await ensure(lakekeeper)
    calls = Calls(server.management_uri, "")
    await ensure(Lakekeeper(calls, server.uri), NEW_KEYS)
    await calls.aclose()
    (warehouse,) = server.state.warehouses.values()
    assert warehouse.credential["secret-access-key"] == "another"
    assert server.count("POST", BOOTSTRAP) == 1


@pytest.mark.parametrize("type_", ["CatalogAlreadyBootstrapped", "ConcurrentBootstrap"])
async def test_somebody_else_bootstraps_at_the_same_time(server: StandIn, lakekeeper: Lakekeeper, type_: str) -> None:
    server.once("POST", BOOTSTRAP, done_and_refused(400, type_))
    await ensure(lakekeeper)
    assert len(server.state.warehouses) == 1


async def test_the_project_is_not_to_be_seen_right_after_bootstrapping(server: StandIn, lakekeeper: Lakekeeper) -> None:
    server.state.project_calls_refused = 3
    await ensure(lakekeeper)
    assert len(server.state.warehouses) == 1


async def test_a_server_that_lost_its_database_is_bootstrapped_again(server: StandIn, lakekeeper: Lakekeeper) -> None:
    await ensure(lakekeeper)
    server.state.is_bootstrapped = False
    server.state.warehouses.clear()
    await ensure(lakekeeper, is_configured=True)
    (warehouse,) = server.state.warehouses.values()
    assert warehouse.credential["secret-access-key"] == "s3cr3t"


@pytest.mark.parametrize(
    ("status", "type_"), [(400, "CreateWarehouseStorageProfileOverlap"), (409, "WarehouseAlreadyExists")]
)
async def test_somebody_else_makes_it_first(server: StandIn, lakekeeper: Lakekeeper, status: int, type_: str) -> None:
    """Made between our list and our call: read again, and give it the keys, for it may have others."""
    server.once("POST", WAREHOUSES, done_and_refused(status, type_))
    await ensure(lakekeeper)
    (id_,) = server.state.warehouses
    assert server.count("POST", f"{WAREHOUSES}/{id_}/storage") == 1


async def test_many_workspaces_at_once_are_made_one_at_a_time(server: StandIn, lakekeeper: Lakekeeper) -> None:
    busy, most = 0, 0

    async def slow(call: Any) -> Any:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        await asyncio.sleep(0.01)
        busy -= 1
        return call.usual()

    for _ in range(10):
        server.once("POST", WAREHOUSES, slow)
    slugs = [f"w{number}" for number in range(10)]
    stores = [Storage("lake", f"workspaces/{slug}/tables", "http://s3:7070", "eu-1") for slug in slugs]
    await asyncio.gather(
        *(
            lakekeeper.ensure(slug, store, KEYS, None, is_configured=False)
            for slug, store in zip(slugs, stores, strict=True)
        )
    )
    assert sorted(warehouse.name for warehouse in server.state.warehouses.values()) == slugs
    assert most == 1


async def test_a_warehouse_over_other_storage_is_left_alone(server: StandIn, lakekeeper: Lakekeeper) -> None:
    theirs = Storage("lake", "theirs", "http://s3:7070", "eu-1")
    await lakekeeper.ensure("Demo", theirs, KEYS, None, is_configured=False)
    with pytest.raises(CatalogError, match="already has a warehouse named demo"):
        await ensure(lakekeeper)
    await lakekeeper.remove("demo", STORAGE)
    assert [warehouse.name for warehouse in server.state.warehouses.values()] == ["Demo"]


async def test_storage_that_another_warehouse_covers_is_a_sentence(server: StandIn, lakekeeper: Lakekeeper) -> None:
    whole = Storage("lake", "workspaces", "http://s3:7070", "eu-1")
    await lakekeeper.ensure("everything", whole, KEYS, None, is_configured=False)
    with pytest.raises(CatalogError, match="another warehouse on workspaces/demo/tables"):
        await ensure(lakekeeper)


async def test_keys_that_open_nothing_are_a_sentence(server: StandIn, lakekeeper: Lakekeeper) -> None:
    server.state.probe = lambda profile, credential: "AccessDenied"
    with pytest.raises(
        CatalogError, match=r"does not create a warehouse for the workspace: .*Storage validation failed"
    ):
        await ensure(lakekeeper)
    server.state.probe = lambda profile, credential: None
    await ensure(lakekeeper)
    server.state.probe = lambda profile, credential: "AccessDenied"
    with pytest.raises(CatalogError, match=r"does not accept the workspace's storage and keys: .*Storage validation"):
        await ensure(lakekeeper, NEW_KEYS)
    (warehouse,) = server.state.warehouses.values()
    assert warehouse.credential["secret-access-key"] == "s3cr3t"


async def test_a_database_that_is_away_is_an_error_to_try_again(server: StandIn, lakekeeper: Lakekeeper) -> None:
    server.is_away = True
    with pytest.raises(CatalogError, match="DatabaseError"):
        await ensure(lakekeeper)
    server.is_away = False
    await ensure(lakekeeper)


async def test_what_it_does_not_understand_it_says_in_plain_text(server: StandIn, lakekeeper: Lakekeeper) -> None:
    wrong = Storage("lake", "workspaces/demo/tables", "http://s3:7070", 7)  # type: ignore[arg-type]
    with pytest.raises(CatalogError, match="422: Failed to deserialize"):
        await ensure(lakekeeper, storage=wrong)
    assert len(server.violations) == 1
    server.violations.clear()


async def test_nothing_is_left_of_a_removed_workspace(server: StandIn, lakekeeper: Lakekeeper) -> None:
    await ensure(lakekeeper)
    (warehouse,) = server.state.warehouses.values()
    warehouse.namespaces = {(f"db{number}",) for number in range(8)} | {("db1", "raw"), ("db1", "raw", "old")}
    await lakekeeper.remove("demo", STORAGE)
    assert server.state.warehouses == {}
    await lakekeeper.remove("demo", STORAGE)


async def test_a_warehouse_that_is_still_being_worked_on_goes_later(server: StandIn, lakekeeper: Lakekeeper) -> None:
    await ensure(lakekeeper)
    (warehouse,) = server.state.warehouses.values()
    warehouse.has_tasks = True
    with pytest.raises(CatalogError, match="WarehouseHasUnfinishedTasks"):
        await lakekeeper.remove("demo", STORAGE)
    warehouse.has_tasks = False
    await lakekeeper.remove("demo", STORAGE)
    assert server.state.warehouses == {}


async def test_what_goes_meanwhile_is_gone(server: StandIn, lakekeeper: Lakekeeper) -> None:
    await ensure(lakekeeper)
    (id_,) = server.state.warehouses
    server.once("GET", f"/catalog/v1/{id_}/namespaces", refused(404, "WarehouseNotFound"))
    server.once("DELETE", f"{WAREHOUSES}/{id_}", done_and_refused(404, "WarehouseNotFound"))
    await lakekeeper.remove("demo", STORAGE)
    assert server.state.warehouses == {}


async def test_a_token_that_is_not_accepted_is_a_sentence() -> None:
    with StandIn(token="right").running() as server:
        for token, expected in (("", "token is not accepted"), ("wrong", "token is not accepted"), ("right", "")):
            calls = Calls(server.management_uri, token)
            manager = Lakekeeper(calls, server.uri)
            if expected:
                with pytest.raises(CatalogError, match=expected):
                    await ensure(manager)
            else:
                await ensure(manager)
            await calls.aclose()
        assert server.violations == []


async def test_a_server_that_is_not_there_is_an_error_to_try_again() -> None:
    calls = Calls("http://127.0.0.1:1", "")
    with pytest.raises(CatalogError, match="not reachable"):
        await ensure(Lakekeeper(calls, ""))
    await calls.aclose()
