"""Lineage of statements, runs and tables, and what becomes of writes whose warehouse was lost."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from icefield_apiserver.core.settings import OpenLineageSettings, Settings
from icefield_apiserver.features.lineage.service import lineage_of
from icefield_apiserver.features.statements import identifiers
from icefield_apiserver.features.statements.models import Statement
from icefield_apiserver.features.statements.service import StatementService
from icefield_apiserver.features.statements.store import StatementRepository
from icefield_apiserver.features.statements.table_states import BeforeWrite, TableState
from icefield_crds import Run, Warehouse
from icefield_crds.wire.run_token import RunClaims
from icefield_sql import TableName
from tests.api.conftest import MakeClient, RunTokenKey
from tests.api.lakehouse import Lakehouse
from tests.api.test_run_tokens import signed
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.integration.engines.pod import Pod

from .site import RunningGateway, ended, run, until

pytestmark = pytest.mark.integration

KEY = "key-of-the-receiver"


class Receiver:
    """Takes OpenLineage events over HTTP, and keeps them."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []
        self.authorizations: set[str | None] = set()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.events.append({"path": self.path, **json.loads(content)})
                receiver.authorizations.add(self.headers.get("Authorization"))
                self.send_response(201)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A receiver of OpenLineage events."""
    receiver = Receiver()
    thread = threading.Thread(target=receiver.server.serve_forever)
    thread.start()
    yield receiver
    receiver.server.shutdown()
    thread.join()
    receiver.server.server_close()


@pytest.fixture
def settings(settings: Settings, receiver: Receiver) -> Settings:
    """Settings of a server that tells the receiver."""
    return settings.model_copy(update={"openlineage": OpenLineageSettings(url=receiver.url, api_key=KEY)})


@pytest_asyncio.fixture
async def nightly(app: FastAPI, lakehouse: Lakehouse, cluster_with_roles: ControlPlane) -> Run:
    """A run that goes on."""
    manifest = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"name": "nightly", "namespace": f"icefield-{lakehouse.slug}"},
        "spec": {"command": "true"},
    }
    made = Run.model_validate(cluster_with_roles.client.create(manifest))
    await app.state.core.cluster.runs.find(made.metadata.namespace, made.metadata.name)
    return made


@pytest_asyncio.fixture
async def inside(
    clients: MakeClient, nightly: Run, lakehouse: Lakehouse, run_token_key: RunTokenKey
) -> httpx.AsyncClient:
    """A client with the run's own token."""
    claims = RunClaims(lakehouse.slug, "nightly", nightly.metadata.uid, "editor")
    issued = claims.to_json(datetime.now(UTC), timedelta(hours=1))
    return await clients(signed(issued, run_token_key.private))


async def test_what_a_run_reads_is_its_lineage(
    client: httpx.AsyncClient,
    inside: httpx.AsyncClient,
    gateway: RunningGateway,
    nightly: Run,
    orders: pa.Table,
    outside: Catalog,
    lakehouse: Lakehouse,
) -> None:
    table = f"{lakehouse.slug}.sales.orders"
    executed = await run(inside, "SELECT count(*) FROM sales.orders")
    mine = await run(client, "SELECT count(*) FROM sales.orders", lineage_run_id="nightly", lineage_context="job_run")
    statement = (await client.get(f"/sql/statements/{executed['statement_id']}")).json()
    assert (statement["run_id"], statement["person"]) == (nightly.public_id, "run:nightly")
    assert (await client.get(f"/sql/statements/{mine['statement_id']}")).json()["lineage_context"] == "job_run"
    listed = (await client.get("/sql/statements", params={"run": nightly.public_id})).json()["data"]
    assert [row["id"] for row in listed] == [mine["statement_id"], executed["statement_id"]]

    snapshot = outside.load_table("sales.orders").current_snapshot()
    assert snapshot is not None
    lineage = (await client.get("/runs/nightly/lineage")).json()
    assert (lineage["read"], lineage["written"]) == ([table], [])
    assert lineage["read_snapshots"] == [{"table": table, "snapshot_id": snapshot.snapshot_id}]
    assert (await client.get("/runs/nope/lineage")).status_code == 404


def left_behind(lakehouse: Lakehouse, workspace_uid: str, warehouse_uid: str) -> dict[str, Any]:
    """Return the record of a write that a server sent to a gateway before both died."""
    moment = datetime.now(UTC)
    return {
        "id": identifiers.new_id(),
        "workspace": lakehouse.slug,
        "workspace_uid": workspace_uid,
        "warehouse": "main",
        "warehouse_uid": warehouse_uid,
        "person": "you@acme.eu",
        "idempotency_key": None,
        "query": "INSERT INTO sales.orders VALUES (11, 'x')",
        "dialect": "icefield",
        "request": {"schema": None, "params": None, "engine": "auto", "row_limit": None},
        "is_write": True,
        "status": "running",
        "is_accepted": True,
        "is_dispatched": True,
        "attempts": 0,
        "engine": "spark",
        "submitted_at": moment,
        "started_at": moment,
        "truncated": False,
        "cancel_requested": False,
        "lineage": lineage_of([], [(f"{lakehouse.slug}.sales.orders", None)]),
        "owner": "somebody else",
        "lease_until": moment - timedelta(seconds=1),
    }


def before_write(table: Table) -> dict[str, Any]:
    """Return what a server records of an INSERT into this table before it is sent."""
    metadata = table.metadata
    state = TableState(
        str(metadata.table_uuid), table.metadata_location, metadata.last_sequence_number, definition="as it is"
    )
    return BeforeWrite("INSERT", {TableName(("sales",), "orders"): state}).to_json()


async def test_a_lost_write_is_looked_for_in_its_table_and_never_sent_again(
    app: FastAPI,
    client: httpx.AsyncClient,
    gateway: RunningGateway,
    orders: pa.Table,
    outside: Catalog,
    lakehouse: Lakehouse,
) -> None:
    workspace = app.state.core.cluster.workspace_directory.get(lakehouse.slug)
    warehouse = app.state.core.cluster.cache(Warehouse).store.get(workspace.namespace, "main")
    repository = StatementRepository(app.state.core.db)
    uids = workspace.metadata.uid, warehouse.metadata.uid
    applied, vanished = left_behind(lakehouse, *uids), left_behind(lakehouse, *uids)
    table = outside.load_table("sales.orders")
    table.append(orders.slice(0, 3), snapshot_properties={"icefield.statement-id": applied["id"]})
    made = table.current_snapshot()
    assert made is not None
    vanished["before_write"] = before_write(table)
    for record in (applied, vanished):
        await repository.insert(record)

    done = await ended(client, applied["id"])
    assert (done["status"], done["rows_produced"]) == ("succeeded", 3)
    assert done["lineage"]["written_snapshots"] == [
        {"table": f"{lakehouse.slug}.sales.orders", "snapshot_id": made.snapshot_id}
    ]
    lost = await ended(client, vanished["id"])
    assert (lost["status"], lost["error_code"]) == ("failed", "ENGINE_LOST")
    assert "show no change by it, and it was not run again" in lost["error_message"]
    results = await client.get(f"/sql/statements/{applied['id']}/results")
    assert (results.status_code, "Results not available" in results.json()["error"]) == (400, True)


async def test_openlineage_events(
    client: httpx.AsyncClient,
    inside: httpx.AsyncClient,
    gateway: RunningGateway,
    nightly: Run,
    orders: pa.Table,
    receiver: Receiver,
    outside: Catalog,
    lakehouse: Lakehouse,
) -> None:
    good = await run(inside, "SELECT count(*) FROM sales.orders")
    bad = await run(client, "SELECT assert_true(false) FROM sales.orders")

    async def received() -> bool:
        return len(receiver.events) >= 4

    await eventually(received)
    by_run: dict[str, list[dict[str, Any]]] = {}
    for event in receiver.events:
        check_event(event)
        by_run.setdefault(event["run"]["runId"], []).append(event)
    assert receiver.authorizations == {f"Bearer {KEY}"}

    start, complete = by_run[str(uuid.UUID(good["statement_id"].removeprefix("stmt_")))]
    assert (start["eventType"], complete["eventType"]) == ("START", "COMPLETE")
    (dataset,) = complete["inputs"]
    snapshot = outside.load_table("sales.orders").current_snapshot()
    assert snapshot is not None
    assert (dataset["namespace"], dataset["name"]) == (f"icefield://{lakehouse.slug}", "sales.orders")
    assert dataset["facets"]["version"]["datasetVersion"] == str(snapshot.snapshot_id)
    assert complete["run"]["facets"]["parent"]["run"]["runId"] == nightly.metadata.uid
    assert complete["job"]["facets"]["sql"]["query"] == "SELECT count(*) FROM sales.orders"
    *_, fail = by_run[str(uuid.UUID(bad["statement_id"].removeprefix("stmt_")))]
    assert fail["eventType"] == "FAIL"
    assert fail["run"]["facets"]["errorMessage"]["message"] == bad["error_message"]


def check_event(event: dict[str, Any]) -> None:
    """Check what the OpenLineage schema requires of a RunEvent (spec/OpenLineage.json; the client carries no copy)."""
    assert event["path"] == "/api/v1/lineage"
    assert event["schemaURL"].startswith("https://openlineage.io/spec/")
    assert event["producer"].startswith("https://")
    assert datetime.fromisoformat(event["eventTime"]).tzinfo
    assert event["eventType"] in ("START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER")
    uuid.UUID(event["run"]["runId"])
    assert event["job"]["namespace"]
    assert event["job"]["name"]
    owners = [event["run"], event["job"], *event["inputs"], *event["outputs"]]
    for dataset in [*event["inputs"], *event["outputs"]]:
        assert dataset["namespace"]
        assert dataset["name"]
    for owner in owners:
        for facet in (owner.get("facets") or {}).values():
            assert facet["_producer"]
            assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/")


async def test_writes_with_spark(
    app: FastAPI,
    client: httpx.AsyncClient,
    pod: Pod,
    nightly: Run,
    orders: pa.Table,
    outside: Catalog,
    lakehouse: Lakehouse,
    receiver: Receiver,
) -> None:
    slug = lakehouse.slug
    query = "CREATE TABLE sales.totals AS SELECT count(*) AS n FROM sales.orders"
    made = await run(client, query, wait_timeout=50, lineage_run_id="nightly")
    assert (made["status"], made["engine"]) == ("succeeded", "spark"), made
    snapshot = outside.load_table("sales.totals").current_snapshot()
    assert snapshot is not None
    assert (made["lineage"]["read"], made["lineage"]["written"]) == ([f"{slug}.sales.orders"], [f"{slug}.sales.totals"])
    assert made["lineage"]["written_snapshots"] == [
        {"table": f"{slug}.sales.totals", "snapshot_id": snapshot.snapshot_id}
    ]
    lineage = (await client.get("/runs/nightly/lineage")).json()
    assert (lineage["read"], lineage["written"]) == ([f"{slug}.sales.orders"], [f"{slug}.sales.totals"])
    up = (await client.get("/databases/sales/tables/totals/lineage")).json()
    assert [each["table"] for each in up["upstream"]] == [f"{slug}.sales.orders"]
    assert up["upstream"][0]["statement_ids"] == [made["statement_id"]]

    assert (up["upstream"][0]["inferred"], up["kind"]) == (False, "table")
    await check_edges(client, slug, nightly)
    await check_columns_in_events(receiver)

    more = await run(client, "INSERT INTO sales.totals VALUES (1), (2)", wait_timeout=50)
    assert (more["status"], more["rows_produced"], more["rows"]) == ("succeeded", 2, [])
    assert (await run(client, "SELECT count(*) FROM sales.totals"))["rows"] == [[3]]
    wrong = await run(client, "INSERT INTO sales.totals VALUES ('a')", wait_timeout=50)
    assert (wrong["status"], bool(wrong["error_code"])) == ("failed", True)

    # The gateway dies in the middle of a write; Spark goes on, or not: it is applied once or not at all.
    app.state.settings.statements.settling_seconds = 40
    slow = "INSERT INTO sales.totals SELECT count(*) FROM range(400000000) a WHERE hash(id) % 7 = 3"
    started = await run(client, slow, wait_timeout=0)
    await until(client, started["statement_id"], ("running",))
    pod.gateway.stop()
    await asyncio.to_thread(pod.start, spark=False)
    done = await ended(client, started["statement_id"], 90)
    rows = (await run(client, "SELECT count(*) FROM sales.totals", wait_timeout=50))["rows"][0][0]
    assert (done["status"], rows) in (("succeeded", 4), ("failed", 3)), done
    stored = await app.state.services.get(StatementService)._repository.get(
        app.state.core.cluster.workspace_directory.get(slug).metadata.uid, started["statement_id"]
    )
    assert isinstance(stored, Statement)
    assert stored.attempts == 0


async def check_edges(client: httpx.AsyncClient, slug: str, nightly: Run) -> None:
    """Statements of one run that build on each other, a view, a swap as dbt makes it, and what is gone."""
    for text in (
        "CREATE TABLE sales.a AS SELECT id, name FROM sales.orders",
        "CREATE TABLE sales.b AS SELECT id FROM sales.a",
        "CREATE TABLE sales.c AS SELECT id FROM sales.b",
        "CREATE VIEW sales.v AS SELECT id FROM sales.c",
        "CREATE TABLE sales.d AS SELECT id FROM sales.v",
    ):
        made = await run(client, text, wait_timeout=50, lineage_run_id="nightly")
        assert made["status"] == "succeeded", made
    names = ("orders", "a", "b", "c", "v", "d")
    found = {name: await neighbours(client, slug, name, "upstream") for name in names}
    assert found == {"orders": [], "a": ["orders"], "b": ["a"], "c": ["b"], "v": ["c"], "d": ["c via v", "v"]}
    assert await neighbours(client, slug, "c", "downstream") == ["d via v", "v"]
    view = (await client.get("/databases/sales/tables/v/lineage")).json()
    assert (view["kind"], view["upstream"][0]["run_ids"]) == ("view", [nightly.public_id])

    shown = (await client.get("/databases/sales/tables/a/lineage?columns=true")).json()["columns"]
    (source,) = shown["fields"]["id"]
    assert (source["table"], source["column"]) == (f"{slug}.sales.orders", "id")
    assert (source["type"], source["subtype"], shown["dataset"]) == ("DIRECT", "IDENTITY", [])
    assert (await client.get("/databases/sales/tables/a/lineage")).json()["columns"] is None
    for text in (
        "CREATE TABLE sales.b__tmp AS SELECT id FROM sales.orders",
        "ALTER TABLE sales.b RENAME TO sales.b__backup",
        "ALTER TABLE sales.b__tmp RENAME TO sales.b",
        "DROP TABLE sales.b__backup",
    ):
        done = await run(client, text, wait_timeout=50)
        assert done["status"] == "succeeded", done
    assert await neighbours(client, slug, "b", "upstream") == ["orders"]
    assert await neighbours(client, slug, "b", "downstream") == []
    assert await neighbours(client, slug, "c", "upstream") == ["b__backup gone"]
    assert await neighbours(client, slug, "a", "downstream") == ["b__backup gone"]
    assert await neighbours(client, slug, "b__backup", "upstream") == ["a"]
    assert (await client.get("/databases/sales/tables/b__tmp/lineage")).status_code == 404


async def check_columns_in_events(receiver: Receiver) -> None:
    """The event of a statement that writes has the facet of its columns."""

    def facets() -> list[dict[str, Any]]:
        ended = [event for event in list(receiver.events) if event["eventType"] == "COMPLETE"]
        outputs = [output for event in ended for output in event["outputs"] if output["name"] == "sales.a"]
        return [output["facets"]["columnLineage"] for output in outputs]

    async def received() -> bool:
        return bool(facets())

    await eventually(received)
    facet = facets()[0]
    assert facet["_schemaURL"].startswith("https://openlineage.io/spec/facets/1-2-0/ColumnLineageDatasetFacet.json")
    (field,) = facet["fields"]["id"]["inputFields"]
    assert (field["name"], field["field"]) == ("sales.orders", "id")
    assert [(each["type"], each["subtype"]) for each in field["transformations"]] == [("DIRECT", "IDENTITY")]


async def neighbours(client: httpx.AsyncClient, slug: str, table: str, direction: str) -> list[str]:
    """Return the neighbours of a table of sales, sorted: a name, the view between, and whether it is gone."""
    answer = await client.get(f"/databases/sales/tables/{table}/lineage")
    assert answer.status_code == 200, answer.text
    return sorted(
        each["table"].removeprefix(f"{slug}.sales.")
        + "".join(f" via {view.removeprefix(f'{slug}.sales.')}" for view in each["through"])
        + (" gone" if each["gone"] else "")
        for each in answer.json()[direction]
    )
