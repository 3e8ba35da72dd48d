"""Grants hold wherever tables are reached: REST, SQL, queries, lineage, results, and engines at /iceberg."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pyarrow as pa
import pytest
import pytest_asyncio
from fastapi import FastAPI
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import ForbiddenError, NoSuchNamespaceError, NoSuchTableError

from icefield_crds import Run
from icefield_crds.names import PERSON_ANNOTATION, namespace_of
from icefield_crds.wire.run_token import RunClaims
from tests.api.conftest import ADMIN, AddUser, MakeClient, RunTokenKey, SignIn
from tests.api.lakehouse import Lakehouse
from tests.api.test_polnor_sdk import listening
from tests.api.test_run_tokens import signed
from tests.controlplane import ControlPlane
from tests.eventually import eventually

from .site import RunningGateway, run

pytestmark = pytest.mark.integration

PEOPLE = {"owner": "editor", "writer": "editor", "reader": "editor", "nobody": "editor", "viewing": "viewer"}
"""Who has which role; the names say what the grants give them on sales.orders."""
GRANTS = [
    {"user": "owner@acme.eu", "database": "sales", "privileges": ["OWN"]},
    {"user": "writer@acme.eu", "database": "sales", "table": "orders", "privileges": ["INSERT"]},
    {"user": "reader@acme.eu", "database": "sales", "table": "orders", "privileges": ["SELECT"]},
    {"user": "viewing@acme.eu", "database": "sales", "privileges": ["OWN"]},
]
ROWS = pa.table({"id": pa.array([10], pa.int64()), "name": ["n10"]})


@dataclass(frozen=True)
class Site:
    """A workspace with sales.orders, sales.secret and open.data, and clients of people in it."""

    slug: str
    url: str
    clients: Mapping[str, httpx.AsyncClient]
    keys: Mapping[str, str]

    async def pyiceberg(self, token: str) -> Catalog:
        """PyIceberg with a token; it asks for its configuration at once."""
        properties = {"type": "rest", "uri": f"{self.url}/iceberg", "warehouse": self.slug, "token": token}
        return await asyncio.to_thread(load_catalog, "t", **properties)


@pytest_asyncio.fixture
async def site(
    app: FastAPI,
    client: httpx.AsyncClient,
    gateway: RunningGateway,
    lakehouse: Lakehouse,
    outside: Catalog,
    orders: pa.Table,
    add_user: AddUser,
    sign_in: SignIn,
) -> AsyncIterator[Site]:
    for name in ("sales.secret", "open.data"):
        outside.create_namespace_if_not_exists(name.partition(".")[0])
        outside.create_table(name, orders.schema).append(orders)
    clients, keys = {"admin": client}, {}
    for name, role in PEOPLE.items():
        person = f"{name}@acme.eu"
        await add_user(person)
        member = await client.put(f"/workspaces/{lakehouse.slug}/members/{person}", json={"role": role})
        assert member.status_code == 200, member.text
    granted = await client.put(f"/workspaces/{lakehouse.slug}/grants", json={"grants": GRANTS})
    assert granted.status_code == 200, granted.text
    for name in PEOPLE:
        clients[name] = await sign_in(f"{name}@acme.eu", workspace=lakehouse.slug)
        clients[name].timeout = httpx.Timeout(60)

        async def has_entered(client: httpx.AsyncClient = clients[name]) -> bool:
            return (await client.get("/auth/me")).status_code == 200

        await eventually(has_entered)
        keys[name] = (await clients[name].post("/auth/keys", json={"name": "outside"})).json()["key"]
    async with listening(app) as url:
        yield Site(lakehouse.slug, url, clients, keys)


async def statuses(site: Site, method: str, path: str, body: object = None) -> dict[str, int]:
    """Return the status that each person's call has."""
    answers = {name: await client.request(method, path, json=body) for name, client in site.clients.items()}
    return {name: answer.status_code for name, answer in answers.items()}


def expected(**others: int) -> dict[str, int]:
    """Return the statuses of all, 200 where no other is given."""
    return dict.fromkeys(("admin", *PEOPLE), 200) | others


READS = (
    "/databases/sales/tables/orders",
    "/databases/sales/tables/orders/schema",
    "/databases/sales/tables/orders/snapshots",
    "/databases/sales/tables/orders/lineage",
    "/catalogs/{slug}/namespaces/sales/tables/orders",
    "/catalogs/{slug}/namespaces/sales/tables/orders/size",
    "/databases/sales",
    "/databases/sales/schemas",
    "/databases/sales/tables",
    "/databases/sales/views",
    "/databases/sales/volumes",
    "/catalogs/{slug}/namespaces/sales/tables",
)


async def test_rest(site: Site) -> None:
    for path in READS:
        assert await statuses(site, "GET", path.format(slug=site.slug)) == expected(nobody=404), path
    hidden = expected(nobody=404, writer=404, reader=404)
    assert await statuses(site, "GET", "/databases/sales/tables/secret") == hidden
    assert await statuses(site, "GET", "/databases/open/tables/data") == expected()
    seeing = {name: client for name, client in site.clients.items() if name != "nobody"}
    listed = {name: await names(client, "/databases/sales/tables") for name, client in seeing.items()}
    assert listed["owner"] == listed["admin"] == ["orders", "secret"]
    assert listed["reader"] == listed["writer"] == ["orders"]
    assert await names(site.clients["nobody"], "/databases") == ["open"]
    assert await names(site.clients["reader"], "/databases") == ["open", "sales"]
    create = {"name": "more", "columns": [{"name": "id", "type": "long"}]}
    made = await site.clients["reader"].post("/databases/sales/tables", json=create)
    assert (made.status_code, made.json()["error"]) == (403, "This needs the privilege OWN on database sales.")
    for name, status in (("nobody", 404), ("reader", 403), ("writer", 403), ("viewing", 403), ("owner", 201)):
        assert (await site.clients[name].post("/databases/sales/tables", json=create)).status_code == status, name
    for name, status in (("nobody", 404), ("reader", 404), ("viewing", 403), ("owner", 204)):
        assert (await site.clients[name].delete("/databases/sales/tables/more")).status_code == status, name
    assert (await site.clients["writer"].delete("/databases/sales/tables/orders")).status_code == 403
    assert (await site.clients["reader"].delete("/databases/sales")).status_code == 403
    assert (await site.clients["nobody"].delete("/databases/sales")).status_code == 404


async def names(client: httpx.AsyncClient, path: str) -> list[str]:
    return [each["name"] for each in (await client.get(path)).json()["data"]]


READING_SECRET = (
    "SELECT count(*) FROM sales.secret",
    "SELECT (SELECT max(id) FROM sales.secret) AS a FROM open.data",
    "WITH s AS (SELECT * FROM sales.secret) SELECT * FROM s",
    "SELECT count(*) FROM sales.secret FOR VERSION AS OF 1",
    "SELECT * FROM sales.secret.snapshots",
    "SELECT * FROM sales.secret.branch_main",
    "DESCRIBE sales.secret",
    "DESCRIBE HISTORY sales.secret",
    "SHOW CREATE TABLE sales.secret",
    "SHOW COLUMNS IN sales.secret",
    "EXPLAIN SELECT * FROM sales.secret",
    "SELECT * FROM open.secretly",
    "INSERT INTO open.data SELECT * FROM sales.secret",
)


async def test_sql_reads_what_the_catalog_shows(site: Site) -> None:
    await make_view(site, "secretly", "SELECT * FROM sales.secret")
    for query in READING_SECRET:
        for name in ("reader", "nobody"):
            executed = await run(site.clients[name], query)
            assert executed["status"] == "failed", (name, query)
            sentence = executed["error_message"]
            assert "There is no" in sentence or "which does not exist" in sentence, (name, query, executed)
            assert "secretly" in query or "n1" not in str(executed), executed
    for query in READING_SECRET[:3]:
        assert (await run(site.clients["owner"], query))["status"] == "succeeded", query


async def make_view(site: Site, name: str, query: str) -> None:
    """Make a view in database open, as its owner."""
    view = {
        "name": name,
        "schema": {"type": "struct", "schema-id": 0, "fields": []},
        "properties": {},
        "view-version": {
            "version-id": 1,
            "timestamp-ms": 1,
            "schema-id": 0,
            "summary": {},
            "default-namespace": ["open"],
            "representations": [{"type": "sql", "dialect": "spark", "sql": query}],
        },
    }
    headers = {"Authorization": f"Bearer {site.keys['owner']}"}
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"{site.url}/iceberg/v1/{site.slug}/namespaces/open/views"
        assert (await client.post(url, json=view, headers=headers)).status_code == 200


async def test_sql_lists_what_the_caller_may_see(site: Site) -> None:
    async def rows(name: str, query: str) -> list[Any]:
        return (await run(site.clients[name], query))["rows"]

    assert [row[-1] for row in await rows("nobody", "SHOW DATABASES")] == ["open"]
    assert [row[1] for row in await rows("reader", "SHOW TABLES IN sales")] == ["orders"]
    assert await rows("nobody", "SHOW TABLES IN sales") == []
    assert [row[1] for row in await rows("owner", "SHOW TABLES IN sales")] == ["orders", "secret"]


async def test_a_read_that_was_repeated_by_one_is_hidden_from_another(site: Site) -> None:
    query = "SELECT count(*) FROM sales.secret"
    for _ in range(3):
        assert (await run(site.clients["owner"], query))["rows"] == [[10]]
    for _ in range(3):
        assert (await run(site.clients["reader"], query))["status"] == "failed"
    assert (await run(site.clients["owner"], query))["rows"] == [[10]]


async def test_sql_writes_need_a_privilege(site: Site) -> None:
    async def status(name: str, query: str) -> int:
        body = {"query": query, "warehouse_id": "main", "wait_timeout": "0s"}
        answer = await site.clients[name].post("/sql/execute", json=body)
        if answer.status_code == 202:  # its Spark would never come
            await site.clients[name].post(f"/sql/statements/{answer.json()['statement_id']}/cancel")
        return answer.status_code

    insert, delete = "INSERT INTO sales.orders VALUES (1, 'a')", "DELETE FROM sales.orders WHERE id = 99"
    assert [await status(name, insert) for name in ("nobody", "reader", "viewing", "writer")] == [404, 403, 403, 202]
    assert [await status(name, delete) for name in ("nobody", "reader", "viewing", "writer")] == [404, 403, 403, 403]
    # The same through the router of queries.
    query = {"query": delete}
    assert (await site.clients["writer"].post("/query", json=query)).status_code == 403
    into = {"query": "SELECT * FROM open.data", "destination": "sales.orders", "explain": False}
    assert (await site.clients["reader"].post("/query", json=into)).status_code == 403
    hidden = await site.clients["reader"].post("/query", json={"query": "SELECT * FROM sales.secret"})
    assert "sales.secret" in hidden.text
    assert "n10" not in hidden.text


async def test_statements_and_their_rows_are_their_callers(site: Site) -> None:
    executed = await run(site.clients["owner"], "SELECT * FROM sales.secret")
    path = f"/sql/statements/{executed['statement_id']}"
    for below in ("", "/results", "/arrow"):
        assert (await site.clients["reader"].get(path + below)).status_code == 404
        assert (await site.clients["owner"].get(path + below)).status_code == 200
        assert (await site.clients["admin"].get(path + below)).status_code == 200
    own = await run(site.clients["reader"], "SELECT 1 AS a")
    listed = (await site.clients["reader"].get("/sql/statements")).json()["data"]
    assert [each["id"] for each in listed] == [own["statement_id"]]
    assert (await site.clients["reader"].get("/sql/statements?person=owner@acme.eu")).status_code == 403


async def test_grants_that_are_taken_away_hold_no_longer(site: Site) -> None:
    assert (await site.clients["admin"].put(f"/workspaces/{site.slug}/grants", json={"grants": GRANTS[:1]})).is_success

    async def is_hidden() -> bool:
        return (await site.clients["reader"].get("/databases/sales/tables/orders")).status_code == 404

    await eventually(is_hidden)
    assert (await site.clients["admin"].put(f"/workspaces/{site.slug}/grants", json={"grants": []})).is_success
    await eventually(lambda: _is_shown(site))


async def _is_shown(site: Site) -> bool:
    return (await site.clients["nobody"].get("/databases/sales/tables/secret")).status_code == 200


async def test_grants_that_cannot_be_are_refused(site: Site) -> None:
    for grant, sentence in (
        ({"database": "sales", "privileges": ["SELECT"]}, "A grant is for a user or for a group."),
        ({"database": "sales", "user": "a@b.eu", "group": "g", "privileges": ["SELECT"]}, "for a user or for a group"),
        ({"database": "sales", "user": "a@b.eu", "privileges": []}, "Field grants[0].privileges"),
        ({"database": "sales", "user": "a@b.eu", "privileges": ["MODIFY"]}, "Field grants[0].privileges[0]"),
        ({"database": "sales", "user": "writr@acme.eu", "privileges": ["SELECT"]}, "did you mean writer@acme.eu?"),
        ({"database": "sales", "group": "analysts", "privileges": ["SELECT"]}, "There is no group analysts"),
    ):
        answer = await site.clients["admin"].put(f"/workspaces/{site.slug}/grants", json={"grants": [grant]})
        assert answer.status_code == 400, answer.text
        assert sentence in answer.json()["error"]


async def test_groups(site: Site) -> None:
    body = {
        "groups": [{"name": "analysts", "members": ["nobody@acme.eu"]}],
        "grants": [*GRANTS, {"database": "sales", "group": "analysts", "privileges": ["SELECT"]}],
    }
    path = f"/workspaces/{site.slug}/grants"
    assert (await site.clients["admin"].put(path, json=body)).status_code == 200
    await eventually(lambda: _is_shown(site))
    assert (await site.clients["admin"].get(path)).json()["groups"] == body["groups"]
    assert (await site.clients["admin"].put(path, json={"grants": GRANTS})).json()["groups"] == body["groups"]


async def test_volumes_have_the_grants_of_their_database(site: Site) -> None:
    create = {"name": "raw"}
    for name, status in (("nobody", 404), ("reader", 403), ("writer", 403), ("owner", 201)):
        assert (await site.clients[name].post("/databases/sales/volumes", json=create)).status_code == status, name
    for name, status in (("nobody", 404), ("reader", 404), ("writer", 404), ("viewing", 403), ("owner", 201)):
        file = {"file": ("a.csv", b"id\n1\n")}
        sent = await site.clients[name].post("/databases/sales/volumes/raw/files", files=file)
        assert sent.status_code == status, (name, sent.text)
    hidden = expected(nobody=404, reader=404, writer=404)
    for below in ("", "/files", "/files/download?path=a.csv"):
        assert await statuses(site, "GET", f"/databases/sales/volumes/raw{below}") == hidden, below
    assert await names(site.clients["reader"], "/databases/sales/volumes") == []
    assert await names(site.clients["owner"], "/databases/sales/volumes") == ["raw"]
    query = "SELECT id FROM read_csv('volumes/sales/raw/a.csv')"
    body = {"query": query, "warehouse_id": "main"}
    assert await statuses(site, "POST", "/sql/execute", body) == expected(nobody=404, reader=403, writer=403)
    assert (await run(site.clients["owner"], query))["rows"] == [[1]]
    preview = {"path": "volumes/sales/raw/a.csv"}
    for name, status in (("nobody", 404), ("reader", 403), ("owner", 200)):
        answer = await site.clients[name].post("/databases/open/tables/data/load/preview", json=preview)
        assert answer.status_code == status, (name, answer.text)
        answer = await site.clients[name].post("/databases/open/tables/loaded/load", json={**preview, "create": True})
        assert answer.status_code == status, (name, answer.text)
    assert (await site.clients["reader"].delete("/databases/sales/volumes/raw?force=true")).status_code == 404
    assert (await site.clients["owner"].delete("/databases/sales/volumes/raw?force=true")).status_code == 204


async def test_maintenance_needs_own(site: Site) -> None:
    body = {"schedule": "0 3 * * *"}
    refused = expected(nobody=404, reader=403, writer=403, viewing=403)
    assert await statuses(site, "PUT", "/databases/sales/tables/orders/maintenance", body) == refused
    assert await statuses(site, "PUT", "/databases/sales/maintenance", body) == refused
    for path in ("/databases/sales/tables/orders/maintenance", "/databases/sales/maintenance"):
        deleted = {name: (await site.clients[name].delete(path)).status_code for name in ("nobody", "reader", "owner")}
        assert deleted == {"nobody": 404, "reader": 403, "owner": 204}, path
    start = {"operations": ["expire_snapshots"]}
    for name, status in (("nobody", 404), ("reader", 403), ("writer", 403), ("owner", 201)):
        answer = await site.clients[name].post("/databases/sales/tables/orders/maintenance", json=start)
        assert answer.status_code == status, (name, answer.text)


async def test_grants_in_sql(site: Site) -> None:
    async def failure(name: str, query: str) -> tuple[int, str]:
        body = {"query": query, "warehouse_id": "main"}
        answer = await site.clients[name].post("/sql/execute", json=body)
        return answer.status_code, answer.json().get("error", "")

    async def shown(name: str, query: str) -> list[list[str]]:
        rows: list[list[str]] = (await run(site.clients[name], query))["rows"]
        return sorted(rows)

    grant, revoke = "GRANT SELECT ON TABLE sales.secret TO `reader@acme.eu`", "FROM `reader@acme.eu`"
    for name, status in (("nobody", 404), ("reader", 404), ("viewing", 403), ("owner", 200), ("admin", 200)):
        assert (await failure(name, grant))[0] == status, name
    assert await failure("writer", "GRANT SELECT ON TABLE sales.orders TO `nobody@acme.eu`") == (
        403,
        "Admins of the workspace and who has OWN grant on table sales.orders.",
    )
    assert (await failure("nobody", "GRANT OWN ON DATABASE open TO `nobody@acme.eu`"))[0] == 403
    await eventually(lambda: _has_rows(site, "reader", "SELECT count(*) FROM sales.secret"))
    of_reader = [["reader@acme.eu", "SELECT", "TABLE", "sales.secret"]]
    assert await shown("reader", "SHOW GRANTS ON TABLE sales.secret") == of_reader
    assert await shown("owner", "SHOW GRANTS ON TABLE sales.secret") == [
        ["owner@acme.eu", "OWN", "DATABASE", "sales"],
        *of_reader,
        ["viewing@acme.eu", "OWN", "DATABASE", "sales"],
    ]
    assert await shown("admin", "SHOW GRANTS `owner@acme.eu` ON DATABASE sales") == [
        ["owner@acme.eu", "OWN", "DATABASE", "sales"]
    ]
    assert (await failure("owner", f"REVOKE SELECT ON TABLE sales.secret {revoke}"))[0] == 200
    assert (await site.clients["reader"].get("/databases/sales/tables/secret")).status_code == 404
    for query, sentence in (
        (
            f"REVOKE SELECT ON TABLE sales.secret {revoke}",
            "reader@acme.eu has no grant of SELECT on table",
        ),
        ("GRANT SELECT ON TABLE sales.orders TO `redaer@acme.eu`", "did you mean reader@acme.eu?"),
        ("GRANT SELECT ON TABLE sales.orders TO analysts", "There is no group analysts in this workspace."),
        ("GRANT SELCT ON TABLE sales.orders TO analysts", "There is no privilege SELCT; did you mean SELECT?"),
    ):
        status, error = await failure("admin", query)
        assert (status, sentence in error) == (400, True), (query, error)
    assert await failure("admin", "GRANT SELECT ON TABLE sales.ordrs TO `reader@acme.eu`") == (
        404,
        "There is no table sales.ordrs.",
    )


async def _has_rows(site: Site, name: str, query: str) -> bool:
    return (await run(site.clients[name], query))["status"] == "succeeded"


async def test_only_admins_grant(site: Site) -> None:
    path = f"/workspaces/{site.slug}/grants"
    assert await statuses(site, "PUT", path, {"grants": GRANTS}) == expected(**dict.fromkeys(PEOPLE, 403))
    assert await statuses(site, "GET", path) == expected(**dict.fromkeys(PEOPLE, 403))


async def test_pyiceberg(site: Site) -> None:
    await asyncio.to_thread(_pyiceberg_of_reader, await site.pyiceberg(site.keys["reader"]))
    await asyncio.to_thread(_pyiceberg_of_writer, await site.pyiceberg(site.keys["writer"]))
    await asyncio.to_thread(_pyiceberg_of_nobody, await site.pyiceberg(site.keys["nobody"]))
    await asyncio.to_thread(_pyiceberg_of_owner, await site.pyiceberg(site.keys["owner"]))


def _pyiceberg_of_reader(catalog: Catalog) -> None:
    assert sorted(catalog.list_namespaces()) == [("open",), ("sales",)]
    assert catalog.list_tables("sales") == [("sales", "orders")]
    table = catalog.load_table("sales.orders")
    assert table.scan().count() == 10
    with pytest.raises(NoSuchTableError):
        catalog.load_table("sales.secret")
    for change in (
        lambda: table.append(ROWS),
        lambda: catalog.drop_table("sales.orders"),
        lambda: catalog.create_table("sales.more", ROWS.schema),
        lambda: catalog.rename_table("sales.orders", "open.orders"),
    ):
        with pytest.raises((ForbiddenError, PermissionError, OSError)):
            change()
    catalog.create_table("open.mine", ROWS.schema).append(ROWS)
    with pytest.raises((ForbiddenError, PermissionError)):
        catalog.rename_table("open.mine", "sales.mine")


def _pyiceberg_of_writer(catalog: Catalog) -> None:
    table = catalog.load_table("sales.orders")
    table.append(ROWS)
    assert table.scan().count() == 11
    with pytest.raises(ForbiddenError):
        table.delete("id = 10")
    with pytest.raises(ForbiddenError), table.update_schema() as change:
        change.add_column("extra", table.schema().find_type("id"))


def _pyiceberg_of_owner(catalog: Catalog) -> None:
    table = catalog.load_table("sales.orders")
    table.overwrite(ROWS)
    assert table.scan().count() == 1


def _pyiceberg_of_nobody(catalog: Catalog) -> None:
    assert catalog.list_namespaces() == [("open",)]
    with pytest.raises((NoSuchTableError, NoSuchNamespaceError)):
        catalog.load_table("sales.orders")
    with pytest.raises(NoSuchNamespaceError):
        catalog.list_tables("sales")


async def test_a_run_has_the_grants_of_who_started_it(
    app: FastAPI, site: Site, clients: MakeClient, cluster_with_roles: ControlPlane, run_token_key: RunTokenKey
) -> None:
    async def token_of(name: str) -> str:
        made = (await site.clients[name].post("/runs", json={"name": f"of-{name}", "command": "true"})).json()
        found = next(
            each
            for each in cluster_with_roles.client.list(("icefield.dev/v1alpha1", "runs"), namespace_of(site.slug))
            if Run.model_validate(each).public_id == made["id"]
        )
        started = Run.model_validate(found)
        assert started.metadata.annotations[PERSON_ANNOTATION] == (ADMIN if name == "admin" else f"{name}@acme.eu")
        claims = RunClaims(site.slug, started.metadata.name, started.metadata.uid, "editor")
        return signed(claims.to_json(datetime.now(UTC), timedelta(hours=1)), run_token_key.private)

    for name, path, status in (
        ("reader", "/databases/sales/tables/orders", 200),
        ("reader", "/databases/sales/tables/secret", 404),
        ("nobody", "/databases/sales/tables/orders", 404),
        ("owner", "/databases/sales/tables/secret", 200),
        ("admin", "/databases/sales/tables/secret", 200),
    ):
        client = await clients(await token_of(name))
        assert (await client.get(path)).status_code == status, (name, path)
    reader = await site.pyiceberg(await token_of("reader"))
    with pytest.raises(NoSuchTableError):
        await asyncio.to_thread(reader.load_table, "sales.secret")


async def test_nobody_starts_a_run_in_another_ones_name(site: Site, cluster_with_roles: ControlPlane) -> None:
    user = ("--as", f"icefield:{site.slug}:editor")

    def apply(person: str) -> str:
        manifest = {
            "apiVersion": "icefield.dev/v1alpha1",
            "kind": "Run",
            "metadata": {
                "name": "forged",
                "namespace": namespace_of(site.slug),
                "annotations": {PERSON_ANNOTATION: person},
            },
            "spec": {"command": "true"},
        }
        try:
            return cluster_with_roles.kubectl(*user, "create", "-f", "-", stdin=json.dumps(manifest))
        except Exception as error:
            return str(error)

    await eventually(lambda: _contains(apply("owner@acme.eu"), "names who creates it"))
    assert "created" in apply(f"icefield:{site.slug}:editor")
    patch = json.dumps({"metadata": {"annotations": {PERSON_ANNOTATION: "owner@acme.eu"}}})
    with pytest.raises(Exception, match="does not change"):
        cluster_with_roles.kubectl(
            *user, "patch", "run.icefield.dev/forged", "-n", namespace_of(site.slug), "--type=merge", "-p", patch
        )


async def _contains(text: str, words: str) -> bool:
    return words in text
