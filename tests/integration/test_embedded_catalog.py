"""The embedded catalog server: the real one, over a real object store, with the clients that people use."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import duckdb
import httpx
import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NamespaceNotEmptyError

from tests.catalog import RunningCatalog, Site, running_catalog
from tests.object_store import REGION, RunningObjectStore

pytestmark = pytest.mark.integration

ROWS = pa.table({"id": [1, 2, 3], "name": ["a", "b", "c"]})
SCHEMA = {
    "type": "struct",
    "schema-id": 0,
    "fields": [{"id": 1, "name": "id", "required": False, "type": "long"}],
}


def opened(catalog: RunningCatalog, slug: str) -> Catalog:
    """Make a workspace's catalog with the namespace `sales`, and open it."""
    catalog.ensure(slug)
    client = load_catalog(slug, **catalog.pyiceberg(slug))
    client.create_namespace_if_not_exists("sales")
    return client


def view(name: str, sql: str, **more: object) -> dict[str, object]:
    """The request that makes a view."""
    version = {
        "version-id": 1,
        "timestamp-ms": 1,
        "schema-id": 0,
        "summary": {},
        "default-namespace": ["sales"],
        "representations": [{"type": "sql", "sql": sql, "dialect": "spark"}],
    }
    return {"name": name, "schema": SCHEMA, "view-version": version, "properties": {}, **more}


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and type of an error, after a look at its shape."""
    error = answer.json()["error"]
    assert error["code"] == answer.status_code
    assert "\n" not in error["message"] and "\tat " not in error["message"]
    return answer.status_code, error["type"]


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def catalog(
    request: pytest.FixtureRequest, object_store: RunningObjectStore, embedded_catalog: RunningCatalog
) -> Iterator[RunningCatalog]:
    """The server over each database that it can have."""
    if request.param == "sqlite":
        yield embedded_catalog
        return
    url = urlsplit(request.getfixturevalue("postgres_url"))
    with running_catalog(
        object_store,
        database_url=f"jdbc:postgresql://{url.hostname}:{url.port}{url.path}?currentSchema=catalog",
        database_environment={"ICEFIELD_CATALOG_DATABASE_USERNAME": url.username or ""},
    ) as running:
        yield running


def test_a_token_opens_its_own_catalog_and_no_other(embedded_catalog: RunningCatalog) -> None:
    embedded_catalog.ensure("tokens-ada")
    embedded_catalog.ensure("tokens-bob")
    ada, bob = (f"Bearer {embedded_catalog.token_of(f'tokens-{name}')}" for name in ("ada", "bob"))
    assert embedded_catalog.call("GET", "config?warehouse=tokens-ada", "tokens-ada").is_success
    for path in ("config?warehouse=tokens-ada", "tokens-ada/namespaces", "nobody/namespaces"):
        for header in (bob, "Bearer wrong", "Bearer", "Basic eDp5", ""):
            answer = embedded_catalog.call("GET", path, "tokens-ada", Authorization=header)
            assert error_of(answer) == (401, "NotAuthorizedException")
    assert embedded_catalog.call("GET", "tokens-ada/namespaces", "x", Authorization=ada).json() == {"namespaces": []}
    for token in (embedded_catalog.token_of("tokens-ada"), embedded_catalog.admin_token[:-1]):
        assert embedded_catalog.manage("DELETE", "tokens-ada", token=token).status_code == 401
    # A new token takes the place of the old one, at once.
    body = embedded_catalog.specification(embedded_catalog.ensure("tokens-ada"))
    embedded_catalog.manage("PUT", "tokens-ada", {**body, "token": "another-token-of-ada"}).raise_for_status()
    assert embedded_catalog.call("GET", "tokens-ada/namespaces", "x", Authorization=ada).status_code == 401
    embedded_catalog.ensure("tokens-ada")


def test_what_a_warehouse_needs_is_said(embedded_catalog: RunningCatalog) -> None:
    body = embedded_catalog.specification(embedded_catalog.ensure("needs"))
    for name in body:
        lacking = {key: value for key, value in body.items() if key != name}
        answer = embedded_catalog.manage("PUT", "needs", lacking)
        assert error_of(answer)[0] == 400
        assert name in answer.json()["error"]["message"]
    assert error_of(embedded_catalog.manage("PUT", "Not_A_Slug", body))[0] == 400
    assert error_of(embedded_catalog.manage("PUT", "needs", ["x"]))[0] == 400


def test_tables_in_nested_namespaces(catalog: RunningCatalog) -> None:
    client = opened(catalog, "nested")
    client.create_namespace(("sales", "raw"))
    assert client.list_namespaces("sales") == [("sales", "raw")]
    table = client.create_table(("sales", "raw", "orders"), schema=ROWS.schema)
    table.append(ROWS)
    assert client.load_table(("sales", "raw", "orders")).scan().to_arrow().equals(ROWS)
    assert client.list_tables(("sales", "raw")) == [("sales", "raw", "orders")]
    client.rename_table(("sales", "raw", "orders"), ("sales", "orders"))
    assert not client.table_exists(("sales", "raw", "orders"))
    client.create_table(("sales", "raw", "more"), schema=ROWS.schema)
    with pytest.raises(NamespaceNotEmptyError):
        client.drop_namespace("sales")
    client.purge_table(("sales", "raw", "more"))
    client.drop_table(("sales", "orders"))
    client.drop_namespace(("sales", "raw"))
    client.drop_namespace("sales")
    assert client.list_namespaces() == []


def test_duckdb_reads_and_writes_nested_namespaces(catalog: RunningCatalog) -> None:
    client = opened(catalog, "ducks")
    client.create_namespace(("sales", "raw"))
    client.create_table(("sales", "raw", "orders"), schema=ROWS.schema).append(ROWS)
    site = catalog.ensure("ducks")
    connection = duckdb.connect(config={"autoinstall_known_extensions": False, "autoload_known_extensions": False})
    for name in ("httpfs", "avro", "iceberg"):
        package = Path(str(import_module(f"duckdb_extension_{name}").__file__)).parent
        (extension,) = package.glob(f"extensions/*/{name}.duckdb_extension")
        connection.load_extension(str(extension))
    connection.execute(
        f"CREATE SECRET s3 (TYPE s3, KEY_ID '{site.access_key_id}', SECRET '{site.secret_access_key}', "
        f"URL_STYLE 'path', ENDPOINT '{site.endpoint.removeprefix('http://')}', REGION '{REGION}', USE_SSL false)"
    )
    connection.execute(f"CREATE SECRET ice (TYPE iceberg, TOKEN '{catalog.token_of('ducks')}')")
    connection.execute(
        f"ATTACH 'ducks' AS c (TYPE iceberg, ENDPOINT '{catalog.uri}', SECRET ice, SUPPORT_NESTED_NAMESPACES true, "
        "ACCESS_DELEGATION_MODE 'none')"
    )
    connection.execute("""INSERT INTO c."sales.raw".orders VALUES (4, 'd')""")
    assert connection.execute("""SELECT count(*), max(name) FROM c."sales.raw".orders""").fetchone() == (4, "d")
    assert client.load_table(("sales", "raw", "orders")).scan().to_arrow().num_rows == 4


def test_a_new_table_shares_no_location_with_a_renamed_one(catalog: RunningCatalog) -> None:
    catalog.ensure("renamed")
    client = load_catalog("renamed", **catalog.pyiceberg("renamed"))
    client.create_namespace("sales")
    schema = pa.schema([("id", pa.int64())])
    first = client.create_table("sales.orders", schema).location()
    client.rename_table("sales.orders", "sales.earlier")
    second = client.create_table("sales.orders", schema).location()
    assert client.load_table("sales.earlier").location() == first
    assert not second.startswith(f"{first}/")
    assert not first.startswith(f"{second}/")
    assert first != second


def test_racing_appends_lose_nothing(catalog: RunningCatalog) -> None:
    opened(catalog, "races").create_table("sales.orders", schema=ROWS.schema)

    def append(number: int) -> int:
        client = load_catalog("races", **catalog.pyiceberg("races"))
        row = pa.table({"id": [number], "name": [str(number)]})
        for attempt in range(50):
            try:
                client.load_table("sales.orders").append(row)
            except CommitFailedException:
                continue
            return attempt
        raise AssertionError("never got through")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(append, range(24)))
    table = load_catalog("races", **catalog.pyiceberg("races")).load_table("sales.orders")
    assert sorted(table.scan().to_arrow()["id"].to_pylist()) == list(range(24))
    assert len(table.snapshots()) == 24


def test_an_unchanged_table_is_not_sent_again(catalog: RunningCatalog) -> None:
    client = opened(catalog, "etags")
    table = client.create_table("sales.orders", schema=ROWS.schema)
    path = "etags/namespaces/sales/tables/orders"
    first = catalog.call("GET", path, "etags")
    etag = first.headers["etag"]
    assert catalog.call("GET", path, "etags").content == first.content
    for header in (etag, f'"other", {etag}', f"W/{etag}"):
        again = catalog.call("GET", path, "etags", **{"If-None-Match": header})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert catalog.call("GET", f"{path}?snapshots=refs", "etags", **{"If-None-Match": etag}).status_code == 200
    table.append(ROWS)
    changed = catalog.call("GET", path, "etags", **{"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    assert len(changed.json()["metadata"]["snapshots"]) == 1
    assert changed.json()["config"]["s3.endpoint"] == catalog.store.url
    assert not any("secret" in key or "access-key" in key for key in changed.json()["config"])


def test_views(catalog: RunningCatalog) -> None:
    opened(catalog, "views")
    views = "views/namespaces/sales/views"
    made = catalog.call("POST", views, "views", view("top", "SELECT 1 AS id"))
    assert made.status_code == 200, made.text
    assert catalog.call("GET", views, "views").json()["identifiers"] == [{"namespace": ["sales"], "name": "top"}]
    assert catalog.call("HEAD", f"{views}/top", "views").status_code == 204
    assert catalog.call("HEAD", f"{views}/none", "views").status_code == 404
    loaded = catalog.call("GET", f"{views}/top", "views").json()
    assert loaded["metadata"]["versions"][0]["representations"][0]["sql"] == "SELECT 1 AS id"
    assert error_of(catalog.call("POST", views, "views", view("top", "SELECT 2")))[0] == 409
    table = {"name": "top", "schema": SCHEMA}
    assert error_of(catalog.call("POST", "views/namespaces/sales/tables", "views", table))[0] == 409
    assert error_of(catalog.call("DELETE", "views/namespaces/sales", "views"))[0] == 409
    assert catalog.call("DELETE", f"{views}/top", "views").status_code == 204


def properties_of(catalog: RunningCatalog, slug: str, table: str) -> dict[str, str]:
    """The properties of a table of `sales`."""
    loaded = catalog.call("GET", f"{slug}/namespaces/sales/tables/{table}", slug).json()
    return dict(loaded["metadata"].get("properties", {}))


def change(name: str, value: str, *requirements: dict[str, Any]) -> dict[str, object]:
    """One table's part of a transaction: it sets the property `p`."""
    return {
        "identifier": {"namespace": ["sales"], "name": name},
        "requirements": list(requirements),
        "updates": [{"action": "set-properties", "updates": {"p": value}}],
    }


def test_a_transaction_changes_every_table_or_none(catalog: RunningCatalog) -> None:
    client = opened(catalog, "both")
    for name in ("a", "b"):
        client.create_table(f"sales.{name}", schema=ROWS.schema)
    commit = "both/transactions/commit"
    done = catalog.call("POST", commit, "both", {"table-changes": [change("a", "1"), change("b", "1")]})
    assert done.status_code == 204, done.text
    never = {"type": "assert-table-uuid", "uuid": "00000000-0000-4000-8000-000000000000"}
    refused = catalog.call("POST", commit, "both", {"table-changes": [change("a", "2"), change("b", "2", never)]})
    assert error_of(refused) == (409, "CommitFailedException")
    missing = catalog.call("POST", commit, "both", {"table-changes": [change("a", "2"), change("none", "2")]})
    assert error_of(missing)[0] == 404
    twice = catalog.call("POST", commit, "both", {"table-changes": [change("a", "2"), change("a", "3")]})
    assert error_of(twice)[0] == 400
    assert [properties_of(catalog, "both", name)["p"] for name in ("a", "b")] == ["1", "1"]


def test_racing_transactions_never_mix(catalog: RunningCatalog) -> None:
    client = opened(catalog, "mixes")
    for name in ("a", "b"):
        client.create_table(f"sales.{name}", schema=ROWS.schema)

    def write(number: int) -> int:
        order = ["a", "b"] if number % 2 else ["b", "a"]
        body = {"table-changes": [change(name, str(number)) for name in order]}
        return catalog.call("POST", "mixes/transactions/commit", "mixes", body).status_code

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(write, range(24)))
    assert set(answers) <= {204, 409}
    assert 204 in answers
    first, second = (properties_of(catalog, "mixes", name)["p"] for name in ("a", "b"))
    assert first == second


def test_restarts_and_kills_keep_everything(object_store: RunningObjectStore) -> None:
    with running_catalog(object_store) as catalog:
        client = opened(catalog, "stays")
        client.create_table("sales.orders", schema=ROWS.schema).append(ROWS)
        etag = catalog.call("GET", "stays/namespaces/sales/tables/orders", "stays").headers["etag"]
        stored = b"".join(path.read_bytes() for path in catalog.folder.glob("catalog.db*"))
        assert object_store.secret_access_key.encode() not in stored
        assert catalog.token_of("stays").encode() not in stored
        for grace in (20.0, 0.0):
            catalog.stop(grace)
            catalog.start()
            again = load_catalog("stays", **catalog.pyiceberg("stays")).load_table("sales.orders")
            assert again.scan().to_arrow().num_rows == 3
            answer = catalog.call("GET", "stays/namespaces/sales/tables/orders", "stays", **{"If-None-Match": etag})
            assert answer.status_code == 304
        log = (catalog.folder / "catalog.log").read_text()
        assert object_store.secret_access_key not in log
        assert catalog.token_of("stays") not in log


def test_a_deleted_warehouse_is_gone_and_can_be_made_anew(catalog: RunningCatalog) -> None:
    client = opened(catalog, "goes")
    opened(catalog, "remains").create_table("sales.orders", schema=ROWS.schema)
    client.create_table("sales.orders", schema=ROWS.schema)
    for _ in range(2):
        assert catalog.manage("DELETE", "goes").status_code == 204
    assert catalog.call("GET", "goes/namespaces", "goes").status_code == 401
    catalog.ensure("goes")
    assert catalog.call("GET", "goes/namespaces", "goes").json() == {"namespaces": []}
    assert catalog.call("HEAD", "remains/namespaces/sales/tables/orders", "remains").status_code == 204


FOREIGN = [
    "s3://icefield/workspaces/other/tables/x",
    "s3://icefield/workspaces/guarded-too/x",
    "s3://icefield/workspaces/guarded/../other/x",
    "s3://elsewhere/workspaces/guarded/x",
    "s3a://icefield/workspaces/guarded/x",
    "file:///etc",
    "/etc/passwd",
    "https://example.com/x",
]


@pytest.fixture(scope="module")
def guarded(embedded_catalog: RunningCatalog) -> tuple[RunningCatalog, Site]:
    """A workspace with a table and a view that must stay where they are."""
    client = opened(embedded_catalog, "guarded")
    client.create_table_if_not_exists("sales.orders", schema=ROWS.schema)
    made = embedded_catalog.call("POST", "guarded/namespaces/sales/views", "guarded", view("v", "SELECT 1"))
    assert made.is_success, made.text
    return embedded_catalog, embedded_catalog.ensure("guarded")


@pytest.mark.parametrize("location", FOREIGN)
def test_locations_outside_of_the_workspace_are_refused(guarded: tuple[RunningCatalog, Site], location: str) -> None:
    catalog, _ = guarded
    sales = "guarded/namespaces/sales"
    table = {"name": "x", "schema": SCHEMA}
    requests: list[tuple[str, object]] = [
        (f"{sales}/tables", {**table, "location": location}),
        (f"{sales}/tables", {**table, "location": location, "stage-create": True}),
        (f"{sales}/register", {"name": "x", "metadata-location": f"{location}/00000-x.metadata.json"}),
        (f"{sales}/views", view("x", "SELECT 1", location=location)),
        ("guarded/namespaces", {"namespace": ["x"], "properties": {"location": location}}),
        (f"{sales}/properties", {"removals": [], "updates": {"location": location}}),
    ]
    paths = ("write.data.path", "write.metadata.path", "write.object-storage.path", "write.folder-storage.path")
    for properties in ({path: location} for path in paths):
        requests.append((f"{sales}/tables", {**table, "properties": properties}))
        requests.append((f"{sales}/views", view("x", "SELECT 1", properties=properties)))
    statistics = {
        "snapshot-id": 1,
        "statistics-path": location,
        "file-size-in-bytes": 1,
        "file-footer-size-in-bytes": 1,
        "blob-metadata": [],
    }
    snapshot = {"snapshot-id": 1, "timestamp-ms": 1, "summary": {"operation": "append"}, "manifest-list": location}
    updates: list[dict[str, Any]] = [
        {"action": "set-location", "location": location},
        {"action": "set-properties", "updates": dict.fromkeys(paths, location)},
        {"action": "add-snapshot", "snapshot": snapshot},
        {"action": "set-statistics", "snapshot-id": 1, "statistics": statistics},
    ]
    for update in updates:
        commit: dict[str, Any] = {"requirements": [], "updates": [update]}
        named = {"identifier": {"namespace": ["sales"], "name": "orders"}, **commit}
        requests += [(f"{sales}/tables/orders", commit), ("guarded/transactions/commit", {"table-changes": [named]})]
    requests += [(f"{sales}/views/v", {"requirements": [], "updates": [update]}) for update in updates[:2]]
    for path, body in requests:
        answer = catalog.call("POST", path, "guarded", body)
        assert error_of(answer)[0] == 400, (path, body, answer.text)
        assert "outside of the workspace" in answer.json()["error"]["message"], (path, body, answer.text)
    assert catalog.call("GET", f"{sales}/tables", "guarded").json()["identifiers"] == [
        {"namespace": ["sales"], "name": "orders"}
    ]


def test_a_registered_file_may_not_point_outside(guarded: tuple[RunningCatalog, Site]) -> None:
    catalog, site = guarded
    client = load_catalog("guarded", **catalog.pyiceberg("guarded"))
    table = client.load_table("sales.orders")
    text = table.io.new_input(table.metadata_location).open().read().decode()
    moved = f"{site.prefix}/tables/moved.metadata.json"
    with table.io.new_output(moved).create(overwrite=True) as file:
        file.write(text.replace(table.location(), "s3://icefield/workspaces/other/x").encode())
    register = "guarded/namespaces/sales/register"
    refused = catalog.call("POST", register, "guarded", {"name": "x", "metadata-location": moved})
    assert error_of(refused)[0] == 400
    missing = {"name": "x", "metadata-location": f"{site.prefix}/tables/none.metadata.json"}
    assert "no metadata file" in catalog.call("POST", register, "guarded", missing).json()["error"]["message"]
    fine = {"name": "again", "metadata-location": table.metadata_location}
    assert catalog.call("POST", register, "guarded", fine).status_code == 200
    client.drop_table("sales.again")


@pytest.mark.parametrize("name", ["a.b", "..", "a/b", "", " ", "a\u0000b", "x" * 300])
def test_names_that_nothing_may_have(guarded: tuple[RunningCatalog, Site], name: str) -> None:
    catalog, _ = guarded
    bodies: list[tuple[str, object]] = [
        ("guarded/namespaces", {"namespace": [name]}),
        ("guarded/namespaces", {"namespace": ["sales", name]}),
        ("guarded/namespaces/sales/tables", {"name": name, "schema": SCHEMA}),
        ("guarded/namespaces/sales/views", view(name, "SELECT 1")),
        (
            "guarded/tables/rename",
            {
                "source": {"namespace": ["sales"], "name": "orders"},
                "destination": {"namespace": ["sales"], "name": name},
            },
        ),
    ]
    for path, body in bodies:
        assert error_of(catalog.call("POST", path, "guarded", body))[0] == 400, (path, body)


def test_what_is_not_there_or_not_served(guarded: tuple[RunningCatalog, Site]) -> None:
    catalog, _ = guarded
    answers = {
        ("GET", "guarded/namespaces/none"): 404,
        ("GET", "guarded/namespaces/none/tables"): 404,
        ("GET", "guarded/namespaces/sales/tables/none"): 404,
        ("DELETE", "guarded/namespaces/sales/tables/none"): 404,
        ("GET", "guarded/nothing"): 404,
        ("PATCH", "guarded/namespaces"): 405,
        ("POST", "guarded/namespaces"): 400,
        ("GET", "config"): 400,
        ("GET", "guarded/namespaces?pageSize=x"): 400,
    }
    for (method, path), status in answers.items():
        assert error_of(catalog.call(method, path, "guarded"))[0] == status, path
    assert error_of(catalog.call("POST", "guarded/namespaces", "guarded", {"namespace": ["no", "parent"]}))[0] == 404
    table = {"name": "x", "schema": SCHEMA}
    assert error_of(catalog.call("POST", "guarded/namespaces/none/tables", "guarded", table))[0] == 404
    huge = {"namespace": ["x"], "properties": {"p": "x" * (9 << 20)}}
    assert error_of(catalog.call("POST", "guarded/namespaces", "guarded", huge))[0] == 413


def test_a_store_that_is_away_is_no_missing_table(object_store: RunningObjectStore) -> None:
    with running_catalog(object_store) as catalog:
        opened(catalog, "away").create_table("sales.orders", schema=ROWS.schema)
        body = catalog.specification(catalog.ensure("away"))
        path = "away/namespaces/sales/tables/orders"
        for changed, status in (({"endpoint": "http://127.0.0.1:1"}, 503), ({"secret-access-key": "wrong"}, 403)):
            catalog.manage("PUT", "away", {**body, **changed}).raise_for_status()
            # Or it would remember the file.
            catalog.stop()
            catalog.start()
            assert error_of(catalog.call("GET", path, "away"))[0] == status
            commit = {"requirements": [], "updates": [{"action": "set-properties", "updates": {"p": "1"}}]}
            # Not 503, which clients send again: they must not commit twice.
            assert error_of(catalog.call("POST", path, "away", commit))[0] in {500, status} - {503}
        catalog.manage("PUT", "away", body).raise_for_status()
        assert catalog.call("GET", path, "away").status_code == 200
