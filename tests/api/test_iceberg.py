"""Engines from outside at /iceberg: real PyIceberg and real DuckDB, over HTTP, with nothing but a token."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import duckdb_extension_iceberg
import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import ForbiddenError, NoSuchTableError, UnauthorizedError

from icefield_apiserver.core.settings import Settings
from icefield_apiserver.features.iceberg import service
from icefield_crds import Run
from icefield_crds.names import OBJECT_STORE_MEMBERS_SECRET, namespace_of
from icefield_crds.wire.member_keys import READER, MemberKeys
from icefield_crds.wire.run_token import CATALOG_SCOPE, RunClaims
from icefield_operator.objectstore.config import Access
from tests.controlplane import ControlPlane
from tests.kubernetes_client import SECRETS
from tests.object_store import RunningObjectStore

from .conftest import ADMIN, AddUser, MakeClient, RunTokenKey, SignIn
from .lakehouse import Lakehouse, MakeLakehouse
from .test_polnor_sdk import listening
from .test_run_tokens import signed

pytestmark = pytest.mark.integration

ROWS = pa.table({"n": pa.array([1, 2, 3], pa.int64()), "s": pa.array(["a", "b", None])})


@dataclass(frozen=True)
class Place:
    """A lakehouse as people outside reach it: a URL, and an API key of an editor and of a viewer."""

    lakehouse: Lakehouse
    url: str
    editor: str
    viewer: str

    @property
    def slug(self) -> str:
        """The workspace's slug."""
        return self.lakehouse.slug

    def pyiceberg(self, token: str | None = None, **properties: str) -> Catalog:
        """PyIceberg with a token, the editor's unless another is given."""
        given = {"token": token or self.editor} if "credential" not in properties else {}
        return load_catalog(
            "t", **{"type": "rest", "uri": f"{self.url}/iceberg", "warehouse": self.slug, **given, **properties}
        )

    def http(self, token: str) -> httpx.AsyncClient:
        """A plain HTTP client below the prefix."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.AsyncClient(base_url=f"{self.url}/iceberg/v1/{self.slug}", headers=headers, trust_env=False)


@pytest.fixture
def settings(settings: Settings, object_store: RunningObjectStore) -> Settings:
    """The object store has another address outside than inside."""
    settings.object_store.external_endpoint = f"http://localhost:{object_store.port}"
    return settings


@pytest_asyncio.fixture
async def place(
    app: FastAPI, make_lakehouse: MakeLakehouse, add_user: AddUser, sign_in: SignIn
) -> AsyncIterator[Place]:
    """A lakehouse with the database sales, reachable over HTTP."""
    lakehouse = await make_lakehouse("ice", {"editor@acme.eu": "editor", "viewer@acme.eu": "viewer"})
    keys = []
    for person in ("editor@acme.eu", "viewer@acme.eu"):
        await add_user(person)
        client = await sign_in(person, workspace=lakehouse.slug)
        keys.append((await client.post("/auth/keys", json={"name": "outside"})).json()["key"])
    admin = await sign_in(ADMIN, workspace=lakehouse.slug)
    assert (await admin.post("/databases", json={"name": "sales"})).status_code == 201
    async with listening(app) as url:
        yield Place(lakehouse, url, *keys)


def use_everything(catalog: Catalog) -> None:
    """Do with a catalog what PyIceberg can do."""
    catalog.create_namespace("sales.raw")
    assert set(catalog.list_namespaces("sales")) == {("sales", "raw")}
    table = catalog.create_table("sales.orders", ROWS.schema)
    table.append(ROWS)
    table.append(ROWS)
    table.delete("n = 2")
    assert sorted(table.scan().to_arrow()["n"].to_pylist()) == [1, 1, 3, 3]
    with table.update_schema() as change:
        change.add_column("extra", table.schema().find_type("n"))
    assert catalog.load_table("sales.orders").scan(row_filter="n = 3").count() == 2
    catalog.rename_table("sales.orders", "sales.raw.moved")
    assert catalog.list_tables("sales.raw") == [("sales", "raw", "moved")]
    with catalog.create_table_transaction("sales.staged", ROWS.schema) as transaction:
        transaction.append(ROWS)
    assert catalog.load_table("sales.staged").scan().count() == 3
    moved = catalog.load_table("sales.raw.moved")
    again = catalog.register_table("sales.again", moved.metadata_location)
    assert again.scan().count() == 4
    catalog.drop_table("sales.again")
    catalog.purge_table("sales.raw.moved")
    assert not catalog.table_exists("sales.raw.moved")
    catalog.drop_namespace("sales.raw")


async def test_pyiceberg_with_an_api_key(place: Place) -> None:
    await asyncio.to_thread(lambda: use_everything(place.pyiceberg()))


async def test_pyiceberg_with_a_credential(place: Place) -> None:
    catalog = await asyncio.to_thread(place.pyiceberg, credential=f"anybody:{place.editor}")
    assert await asyncio.to_thread(catalog.list_namespaces) == [("sales",)]
    with pytest.raises(Exception, match=r"invalid_client|not valid"):
        await asyncio.to_thread(place.pyiceberg, credential="anybody:icf_00000000_nothing")


def duck(place: Place, token: str) -> duckdb.DuckDBPyConnection:
    """DuckDB, attached to the workspace's catalog with a token and nothing else."""
    folder = Path(duckdb_extension_iceberg.__file__).parents[1]
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    for name in ("httpfs", "avro", "iceberg"):
        (file,) = folder.glob(f"duckdb_extension_{name}/extensions/*/{name}.duckdb_extension")
        connection.execute(f"LOAD '{file}'")
    connection.execute(f"CREATE SECRET ice (TYPE iceberg, TOKEN '{token}')")
    connection.execute(
        f"ATTACH '{place.slug}' AS lake (TYPE iceberg, ENDPOINT '{place.url}/iceberg', SECRET ice,"
        " SUPPORT_NESTED_NAMESPACES true)"
    )
    return connection


async def test_duckdb_with_an_api_key(place: Place) -> None:
    def work() -> None:
        place.pyiceberg().create_table("sales.orders", ROWS.schema).append(ROWS)
        with duck(place, place.editor) as connection:
            assert connection.execute("SELECT sum(n), count(s) FROM lake.sales.orders").fetchall() == [(6, 2)]
            connection.execute("INSERT INTO lake.sales.orders VALUES (4, 'd')")
            connection.execute("CREATE TABLE lake.sales.made AS SELECT 42 AS answer")
            assert connection.execute("SELECT answer FROM lake.sales.made").fetchall() == [(42,)]
        assert place.pyiceberg().load_table("sales.orders").scan().count() == 4

    await asyncio.to_thread(work)


async def test_viewers_read_with_keys_that_only_read(place: Place) -> None:
    def work() -> None:
        table = place.pyiceberg().create_table("sales.orders", ROWS.schema)
        table.append(ROWS)
        viewer = place.pyiceberg(place.viewer)
        seen = viewer.load_table("sales.orders")
        assert seen.io.properties["s3.access-key-id"] == place.lakehouse.members[Access.READ_ONLY].access_key_id
        assert seen.scan().to_arrow().num_rows == 3
        for refused in (
            lambda: viewer.create_namespace("mine"),
            lambda: viewer.drop_table("sales.orders"),
            lambda: viewer.create_table("sales.mine", ROWS.schema),
            lambda: seen.update_schema().add_column("x", seen.schema().find_type("n")).commit(),
            lambda: viewer.rename_table("sales.orders", "sales.other"),
        ):
            with pytest.raises(ForbiddenError, match="editor"):
                refused()
        with pytest.raises(Exception, match=r"(?i)access.?denied|forbidden|403"):
            seen.io.new_output(f"{seen.location()}/data/x").create().write(b"x")
        with duck(place, place.viewer) as connection:
            assert connection.execute("SELECT sum(n) FROM lake.sales.orders").fetchall() == [(6,)]

    await asyncio.to_thread(work)


async def test_what_the_configuration_says(place: Place) -> None:
    async with httpx.AsyncClient(base_url=f"{place.url}/iceberg/v1", trust_env=False) as client:
        headers = {"Authorization": f"Bearer {place.viewer}"}
        for warehouse in (None, place.slug, "polnor", "OLEANDER"):
            query = {"warehouse": warehouse} if warehouse else {}
            config = (await client.get("/config", params=query, headers=headers)).json()
            assert config["overrides"] == {"prefix": place.slug}
            assert "GET /v1/{prefix}/namespaces/{namespace}/tables/{table}" in config["endpoints"]
            assert not any(endpoint.endswith("/credentials") for endpoint in config["endpoints"])
        assert (await client.get("/config", params={"warehouse": "elsewhere"}, headers=headers)).status_code == 404
        refused = await client.get("/config")
        assert (refused.status_code, refused.json()["error"]["type"]) == (401, "NotAuthorizedException")
        wrong = await client.get("/config", headers={"Authorization": "Bearer icf_0_0"})
        assert wrong.status_code == 401
        grant = await client.post("/oauth/tokens", data={"grant_type": "password", "password": "x"})
        assert (grant.status_code, grant.json()["error"]) == (400, "unsupported_grant_type")


async def test_what_opens_the_files_of_a_table(place: Place) -> None:
    await asyncio.to_thread(lambda: place.pyiceberg().create_table("sales.t", ROWS.schema))
    async with place.http(place.editor) as client:
        answer = await client.get("/namespaces/sales/tables/t")
        site, keys = place.lakehouse.site, place.lakehouse.members[Access.READ_WRITE]
        assert answer.json()["config"] == {
            "s3.endpoint": site.endpoint.replace("127.0.0.1", "localhost"),
            "s3.region": "us-east-1",
            "client.region": "us-east-1",
            "s3.path-style-access": "true",
            "s3.access-key-id": keys.access_key_id,
            "s3.secret-access-key": keys.secret_access_key,
        }
        etag = {"If-None-Match": answer.headers["ETag"]}
        again = await client.get("/namespaces/sales/tables/t", headers=etag)
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    async with place.http(place.viewer) as client:
        other = await client.get("/namespaces/sales/tables/t", headers=etag)
        assert (other.status_code, other.headers["ETag"] != etag["If-None-Match"]) == (200, True)


async def test_keys_that_were_replaced_are_handed_out_and_change_the_etag(
    place: Place, app: FastAPI, cluster_with_roles: ControlPlane
) -> None:
    await asyncio.to_thread(lambda: place.pyiceberg().create_table("sales.t", ROWS.schema))
    async with place.http(place.viewer) as client:
        before = await client.get("/namespaces/sales/tables/t")
        entry = json.dumps(MemberKeys("new", "secret").to_json())
        secret = {"stringData": {READER: entry}}
        cluster_with_roles.client.patch(SECRETS, OBJECT_STORE_MEMBERS_SECRET, secret, namespace_of(place.slug))
        app.state.core.secrets.forget(place.slug)
        after = await client.get("/namespaces/sales/tables/t", headers={"If-None-Match": before.headers["ETag"]})
        assert (after.status_code, after.json()["config"]["s3.access-key-id"]) == (200, "new")


async def test_names_are_held_to_what_sql_can_say(place: Place) -> None:
    schema = {"type": "struct", "fields": [{"id": 1, "name": "n", "type": "int", "required": False}]}
    async with place.http(place.editor) as client:
        for namespace in (["polnor"], [place.slug], ["a.b"], ["a", "b", "c"], ["sales", "default"], [], "sales", [1]):
            refused = await client.post("/namespaces", json={"namespace": namespace})
            assert refused.status_code == 400, namespace
            assert set(refused.json()["error"]) == {"message", "type", "code"}
        for name in ("a.b", "a/b", "", None):
            refused = await client.post("/namespaces/sales/tables", json={"name": name, "schema": schema})
            assert refused.status_code == 400, name
        assert (await client.post("/namespaces", content=b"[")).status_code == 400
        half = b'{"name": "a\\ud800", "schema": {"type": "struct", "fields": []}}'
        assert (await client.post("/namespaces/sales/tables", content=half)).status_code == 400
        made = await client.post("/namespaces/sales/tables", json={"name": "t", "schema": schema})
        assert made.status_code == 200, made.text
        rename = {
            "source": {"namespace": ["sales"], "name": "t"},
            "destination": {"namespace": ["sales"], "name": "a.b"},
        }
        assert (await client.post("/tables/rename", json=rename)).status_code == 400


async def test_locations_are_held_to_the_workspaces_part_of_the_store(place: Place) -> None:
    schema = {"type": "struct", "fields": [{"id": 1, "name": "n", "type": "int", "required": False}]}
    async with place.http(place.editor) as client:
        made = await client.post("/namespaces/sales/tables", json={"name": "t", "schema": schema})
        own = made.json()["metadata"]["location"]
        foreign = own.replace(f"/{place.slug}/", "/another/")
        assert own != foreign
        for path, body in (
            ("/namespaces/sales/tables", {"name": "u", "schema": schema, "location": foreign}),
            ("/namespaces/sales/register", {"name": "u", "metadata-location": f"{foreign}/metadata/1.metadata.json"}),
            ("/namespaces/sales/tables/t", {"updates": [{"action": "set-location", "location": foreign}]}),
        ):
            refused = await client.post(path, json=body)
            assert refused.status_code == 400, path
            assert "which is the workspace's part of the object store." in refused.json()["error"]["message"]
        same = {"requirements": [], "updates": [{"action": "set-location", "location": own}]}
        assert (await client.post("/namespaces/sales/tables/t", json=same)).status_code == 200


async def test_a_registered_metadata_file_is_held_to_the_rules_of_commits(place: Place) -> None:
    def prepare() -> dict[str, str]:
        table = place.pyiceberg().create_table("sales.t", ROWS.schema)
        table.append(ROWS)
        content = table.io.new_input(table.metadata_location).open().read()
        metadata = json.loads(content)
        foreign = {**metadata, "location": metadata["location"].replace(f"/{place.slug}/", "/another/")}
        classes = {**metadata, "properties": {"write.location-provider.impl": "com.example.Provider"}}
        written = {
            "own.metadata.json": content,
            "own.gz.metadata.json": gzip.compress(content),
            "foreign.metadata.json": json.dumps(foreign).encode(),
            "classes.gz.metadata.json": gzip.compress(json.dumps(classes).encode()),
            "twice.metadata.json": b'{"location": "x",' + content[1:],
            "broken.metadata.json": content[:-1],
        }
        folder = table.metadata_location.rpartition("/")[0]
        for name, content in written.items():
            with table.io.new_output(f"{folder}/{name}").create() as file:
                file.write(content)
        return {name.partition(".m")[0]: f"{folder}/{name}" for name in (*written, "none.metadata.json")}

    files = await asyncio.to_thread(prepare)
    async with place.http(place.editor) as client:

        async def registered(file: str) -> tuple[int, str]:
            body = {"name": file.replace(".", "_"), "metadata-location": files[file]}
            answer = await client.post("/namespaces/sales/register", json=body)
            return answer.status_code, answer.json().get("error", {}).get("message", "")

        assert await registered("own") == (200, "")
        assert await registered("own.gz") == (200, "")
        for file, part in {
            "foreign": "which is the workspace's part of the object store.",
            "classes.gz": "The property write.location-provider.impl is not supported",
            "twice": "is not valid JSON, or not one that all read alike.",
            "broken": "is not valid JSON, or not one that all read alike.",
            "none": "There is no metadata file at ",
        }.items():
            status, message = await registered(file)
            assert (status, part in message) == (400, True), (file, message)


async def test_only_the_protocol_is_passed_on(place: Place) -> None:
    async with place.http(place.editor) as client:
        for method, path in (
            ("GET", "/../../management/v1/warehouses"),
            ("PUT", "/namespaces"),
            ("GET", "/namespaces/sales/tables/..%2F..%2Fx"),
            ("GET", "/namespaces/sales/secrets"),
            # There is no STS.
            ("GET", "/namespaces/sales/tables/t/credentials"),
            ("PATCH", "/namespaces/sales"),
        ):
            assert (await client.request(method, path)).status_code in (404, 405), path
        missing = await client.get("/namespaces/none/tables")
        assert (missing.status_code, missing.json()["error"]["code"]) == (404, 404)
        assert (await client.head("/namespaces/sales")).status_code in (200, 204)
        assert (await client.head("/namespaces/none")).status_code == 404


async def test_head_answers_wherever_get_does(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = await asyncio.to_thread(place.pyiceberg)
    await asyncio.to_thread(catalog.create_table, "sales.t", ROWS.schema)
    # The protocol has none of its own for these.
    listings = ("/namespaces", "/namespaces/sales/tables", "/namespaces/sales/views", "/namespaces?parent=sales")
    others = ("/namespaces/none/tables", "/namespaces/sales/tables/t/credentials", "/namespaces/a.b/tables", "/secrets")
    async with place.http(place.viewer) as client:
        for path in (*listings, *others):
            get, head = await client.get(path), await client.head(path)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert get.is_success is (path in listings), path
            assert head.headers["content-type"] == get.headers["content-type"]
            if path in listings:
                assert head.headers["content-length"] == get.headers["content-length"]
        # These it has: whether the table is there, and no keys of it.
        for name, status in (("t", {200, 204}), ("none", {404})):
            head = await client.head(f"/namespaces/sales/tables/{name}")
            assert head.status_code in status
            assert (head.content, head.headers.get("etag")) == (b"", None)
        # A listing that is streamed is not read, nor is its connection kept.
        monkeypatch.setattr(service, "STREAMED_BYTES", 1)
        for _ in range(150):
            assert (await client.head("/namespaces")).status_code == 200
        assert (await client.get("/namespaces")).json()["namespaces"] == [["sales"]]


async def test_another_workspace_does_not_exist(place: Place, make_lakehouse: MakeLakehouse) -> None:
    other = await make_lakehouse("other")

    def work() -> None:
        with pytest.raises(Exception, match=r"(?i)no warehouse|not ?found"):
            place.pyiceberg(warehouse=other.slug).list_namespaces()
        with pytest.raises(UnauthorizedError):
            place.pyiceberg("icf_00000000_wrong").list_namespaces()
        with pytest.raises(NoSuchTableError):
            place.pyiceberg().load_table("sales.none")

    await asyncio.to_thread(work)
    async with httpx.AsyncClient(base_url=f"{place.url}/iceberg/v1/{other.slug}", trust_env=False) as client:
        answer = await client.get("/namespaces", headers={"Authorization": f"Bearer {place.editor}"})
    assert answer.status_code == 404


@pytest.mark.parametrize("scope", [None, "catalog"])
async def test_what_a_run_reads_and_writes_is_its_lineage(
    app: FastAPI,
    place: Place,
    run_token_key: RunTokenKey,
    cluster_with_roles: ControlPlane,
    clients: MakeClient,
    scope: str | None,
) -> None:
    def prepare() -> int:
        table = place.pyiceberg().create_table("sales.source", ROWS.schema)
        table.append(ROWS)
        snapshot = table.current_snapshot()
        assert snapshot is not None
        return snapshot.snapshot_id

    seen = await asyncio.to_thread(prepare)
    run, token = await start_run(app, place, run_token_key, cluster_with_roles, scope)

    def work() -> int:
        catalog = place.pyiceberg(token)
        rows = catalog.load_table("sales.source").scan().to_arrow()
        target = catalog.create_table("sales.target", rows.schema)
        assert target.io.properties["s3.endpoint"] == place.lakehouse.site.endpoint
        target.append(rows)
        snapshot = target.current_snapshot()
        assert snapshot is not None
        return snapshot.snapshot_id

    made = await asyncio.to_thread(work)
    lineage = (await (await clients(place.editor)).get(f"/runs/{run.public_id}/lineage")).json()
    assert f"{place.slug}.sales.source" in lineage["read"]
    assert lineage["written"] == [f"{place.slug}.sales.target"]
    assert {"table": f"{place.slug}.sales.source", "snapshot_id": seen} in lineage["read_snapshots"]
    assert lineage["written_snapshots"] == [{"table": f"{place.slug}.sales.target", "snapshot_id": made}]
    up = await upstream(await clients(place.editor), place, "target")
    assert up == {"source": {"inferred": scope is None, "gone": False, "run_ids": [run.public_id]}}


async def test_tasks_that_build_on_each_other(
    app: FastAPI, place: Place, run_token_key: RunTokenKey, cluster_with_roles: ControlPlane, clients: MakeClient
) -> None:
    """PyIceberg with the token of each task: only what a task loaded before it wrote is a source, by its identity."""

    def prepare() -> None:
        for name in ("zones", "a", "b", "c", "late"):
            place.pyiceberg().create_table(f"sales.{name}", ROWS.schema)

    await asyncio.to_thread(prepare)
    run, _ = await start_run(app, place, run_token_key, cluster_with_roles)
    issued = datetime.now(UTC)

    def token(task: str, attempt: int = 0) -> str:
        claims = RunClaims(place.slug, "nightly", run.metadata.uid, "editor", task=task, attempt=attempt)
        return signed(claims.to_json(issued, timedelta(hours=1)), run_token_key.private)

    def work() -> None:
        for source, target in (("zones", "a"), ("a", "b"), ("b", "c")):
            catalog = place.pyiceberg(token(target))
            catalog.load_table(f"sales.{source}")
            catalog.load_table(f"sales.{target}").append(ROWS)
            catalog.load_table("sales.late")
        place.pyiceberg(token("again", 0)).load_table("sales.a")
        place.pyiceberg(token("again", 1)).load_table("sales.late").append(ROWS)
        catalog = place.pyiceberg()
        catalog.rename_table("sales.zones", "sales.districts")
        catalog.drop_table("sales.b")
        catalog.create_table("sales.b", ROWS.schema)

    await asyncio.to_thread(work)
    client = await clients(place.editor)
    found = {name: await upstream(client, place, name) for name in ("districts", "a", "b", "c", "late")}
    assert {name: set(up) for name, up in found.items()} == {
        "districts": set(),
        "a": {"districts"},
        "b": set(),
        "c": {"b"},
        "late": set(),
    }
    assert found["a"]["districts"] == {"inferred": True, "gone": False, "run_ids": [run.public_id]}
    assert found["c"]["b"]["gone"] is True
    assert (await client.get("/databases/sales/tables/zones/lineage")).status_code == 404
    graph = (await client.get("/lineage/graph", params={"table": "sales.c", "direction": "upstream"})).json()
    names = {node["id"]: node["table"].removeprefix(f"{place.slug}.sales.") for node in graph["nodes"]}
    assert list(names.values()) == ["c", "b", "a", "districts"]
    edges = [(names[edge["from"]], names[edge["to"]], edge["inferred"], edge["runs"]) for edge in graph["edges"]]
    each = (True, [run.public_id])
    assert edges == [("b", "c", *each), ("a", "b", *each), ("districts", "a", *each)]
    assert [node["gone"] for node in graph["nodes"]] == [False, True, False, False]
    for wrong, status in (("sales.nope", 404), ("nope", 400), ("a.b.c.d", 400)):
        answer = await client.get("/lineage/graph", params={"table": wrong})
        assert (answer.status_code, set(answer.json())) == (status, {"error"}), wrong
    assert (await client.delete("/databases/sales/tables/c")).status_code == 204
    gone = (await client.get("/databases/sales/tables/c/lineage")).json()
    assert (gone["gone"], [each["table"] for each in gone["upstream"]]) == (True, [f"{place.slug}.sales.b"])


async def upstream(client: httpx.AsyncClient, place: Place, table: str) -> dict[str, dict[str, Any]]:
    """Return what is upstream of a table of sales, by name."""
    answer = await client.get(f"/databases/sales/tables/{table}/lineage")
    assert answer.status_code == 200, answer.text
    return {
        each["table"].removeprefix(f"{place.slug}.sales."): {key: each[key] for key in ("inferred", "gone", "run_ids")}
        for each in answer.json()["upstream"]
    }


async def start_run(
    app: FastAPI, place: Place, key: RunTokenKey, control_plane: ControlPlane, scope: str | None = None
) -> tuple[Run, str]:
    """Make a run in the workspace, and the token that the operator would give it; of a sandbox, with its scope."""
    namespace = f"icefield-{place.slug}"
    manifest: dict[str, Any] = {
        "apiVersion": "icefield.dev/v1alpha1",
        "kind": "Run",
        "metadata": {"name": "nightly", "namespace": namespace},
        "spec": {"polars": {"script": "result = None"}} if scope else {"command": "true"},
    }
    run = Run.model_validate(control_plane.client.create(manifest))
    await app.state.core.cluster.runs.find(namespace, run.metadata.name)
    claims = RunClaims(
        place.slug, run.metadata.name, run.metadata.uid, "editor", is_catalog_only=scope == CATALOG_SCOPE
    )
    return run, signed(claims.to_json(datetime.now(UTC), timedelta(hours=1)), key.private)
