"""SQL warehouses over REST, against a real kube-apiserver; the operator is played."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from icefield_crds import Warehouse
from tests.api.conftest import SignIn
from tests.api.lakehouse import Lakehouse

from .site import running, set_warehouse_status, stopped


async def test_a_warehouse_from_creation_to_its_end(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    made = await client.post(
        "/sql/warehouses", json={"name": "Big One", "auto_stop": "2h", "spark_executors": {"max": 4}}
    )
    assert made.status_code == 201, made.text
    warehouse = made.json()
    assert warehouse["id"].startswith("wh_")
    assert (warehouse["name"], warehouse["status"], warehouse["auto_stop"]) == ("Big One", "starting", "2h")
    assert warehouse["spark_executors"] == {"min": 0, "max": 4, "size": None}
    assert (warehouse["spark_ready"], warehouse["error"], warehouse["desired_state"]) == (False, None, "running")
    for name in (warehouse["id"], "Big One", "big-one"):
        assert (await client.get(f"/sql/warehouses/{name}")).json()["id"] == warehouse["id"], name
    listed = (await client.get("/sql/warehouses")).json()
    assert [row["name"] for row in listed["data"]] == ["Big One", "main"]
    assert "next_cursor" not in listed
    page = (await client.get("/sql/warehouses", params={"limit": 1})).json()
    assert (len(page["data"]), "next_cursor" in page) == (1, True)
    again = await client.post("/sql/warehouses", json={"name": "Big One"})
    assert (again.status_code, "already exists" in again.json()["error"]) == (409, True)

    changed = await client.patch(
        "/sql/warehouses/Big One", json={"name": "Huge", "auto_stop": "never", "spark_executors": None}
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"], changed.json()["auto_stop"]) == ("Huge", "never")
    assert changed.json()["spark_executors"] is None
    assert (await client.patch("/sql/warehouses/Huge", json={"name": "main"})).status_code == 409
    assert (await client.patch("/sql/warehouses/Huge", json={"auto_stop": None})).status_code == 400

    refused = await client.delete("/sql/warehouses/Huge")
    assert (refused.status_code, "stop it before deleting" in refused.json()["error"]) == (409, True)
    assert (await client.post("/sql/warehouses/Huge/stop")).status_code == 200
    await set_warehouse_status(app, lakehouse.slug, "big-one", stopped(observedGeneration=9))
    assert (await client.delete("/sql/warehouses/Huge")).status_code == 204
    assert (await client.get("/sql/warehouses/Huge")).status_code == 404


async def test_what_cannot_be_is_said_in_a_sentence(client: httpx.AsyncClient) -> None:
    for body, message in (
        ({"name": "x", "size": "huge"}, "There is no flavor huge"),
        ({"name": "!!!"}, "no letter or digit"),
        ({"name": "x", "auto_stop": "soon"}, "auto_stop"),
        ({"name": "x", "spark_executors": {"min": 3, "max": 2}}, "min is at most max"),
        ({}, "Field name is required"),
    ):
        answer = await client.post("/sql/warehouses", json=body)
        assert (answer.status_code, message in answer.json()["error"]) == (400, True), answer.text
    assert (await client.get("/sql/warehouses/nope")).status_code == 404
    assert (await client.get("/sql/warehouses/wh_000000000000")).status_code == 404


async def test_start_and_stop_are_idempotent_and_seen_at_once(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    async def status() -> str:
        return str((await client.get("/sql/warehouses/main")).json()["status"])

    await set_warehouse_status(app, lakehouse.slug, "main", running("http://10.0.0.7:8080", spark=True))
    for _ in range(2):
        assert (await client.post("/sql/warehouses/main/start")).json()["status"] == "running"
    shown = (await client.get("/sql/warehouses/main")).json()
    assert (shown["spark_ready"], shown["ip_address"]) == (True, "10.0.0.7")

    for _ in range(2):
        answer = (await client.post("/sql/warehouses/main/stop")).json()
        assert (answer["status"], answer["desired_state"], answer["spark_ready"]) == ("stopping", "stopped", False)
    await set_warehouse_status(app, lakehouse.slug, "main", stopped(observedGeneration=2))
    assert await status() == "stopped"
    assert (await client.post("/sql/warehouses/main/stop")).json()["status"] == "stopped"

    for _ in range(2):
        answer = (await client.post("/sql/warehouses/main/start")).json()
        assert (answer["status"], answer["desired_state"]) == ("starting", "running")
    assert await status() == "starting"
    await set_warehouse_status(app, lakehouse.slug, "main", running("http://10.0.0.7:8080"))
    assert await status() == "running"


async def test_an_idle_warehouse_is_woken_without_a_change_of_its_spec(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    before = app.state.core.cluster.cache(Warehouse).store.get(f"icefield-{lakehouse.slug}", "main").metadata.generation
    await set_warehouse_status(app, lakehouse.slug, "main", stopped(observedGeneration=before))
    assert (await client.get("/sql/warehouses/main")).json()["status"] == "stopped"
    assert (await client.post("/sql/warehouses/main/start")).json()["status"] == "starting"
    assert (
        app.state.core.cluster.cache(Warehouse).store.get(f"icefield-{lakehouse.slug}", "main").metadata.generation
        == before
    )


async def test_an_idle_warehouse_that_was_renamed_is_stopped_and_can_be_started(
    app: FastAPI, client: httpx.AsyncClient, lakehouse: Lakehouse
) -> None:
    store = app.state.core.cluster.cache(Warehouse).store
    before = store.get(f"icefield-{lakehouse.slug}", "main").metadata.generation
    await set_warehouse_status(app, lakehouse.slug, "main", stopped(observedGeneration=before))
    assert (await client.patch("/sql/warehouses/main", json={"name": "renamed"})).json()["status"] == "stopped"
    assert (await client.post("/sql/warehouses/renamed/start")).json()["status"] == "starting"
    assert store.get(f"icefield-{lakehouse.slug}", "main").wake_time


async def test_viewers_look_and_do_not_touch(client: httpx.AsyncClient, sign_in: SignIn, lakehouse: Lakehouse) -> None:
    viewer = await sign_in("viewer@acme.eu", workspace=lakehouse.slug)
    assert len((await viewer.get("/sql/warehouses")).json()["data"]) == 1
    for call in (
        viewer.post("/sql/warehouses", json={"name": "x"}),
        viewer.patch("/sql/warehouses/main", json={"auto_stop": "1h"}),
        viewer.post("/sql/warehouses/main/stop"),
    ):
        assert (await call).status_code == 403
