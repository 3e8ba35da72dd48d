"""The catalogs of workspaces: made, handed over, kept up to date and removed, with the real stores behind them."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
import pytest
from botocore.exceptions import BotoCoreError, ClientError
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import RESTError

from icefield_crds import CatalogProvider, ConditionType
from icefield_crds.names import OBJECT_STORE_MEMBERS_SECRET, SYSTEM_NAMESPACE
from icefield_crds.wire.member_keys import READER, WRITER, MemberKeys
from icefield_operator.catalog.access import CatalogConfig
from icefield_operator.objectstore import member_users
from icefield_operator.objectstore.config import Provider
from icefield_operator.objectstore.versitygw import VersityAdmin
from tests.catalog import RunningCatalog, running_catalog
from tests.controlplane import ControlPlane
from tests.eventually import eventually
from tests.integration.own_cache import is_own, own_slug
from tests.kubernetes_client import WORKSPACES
from tests.lakekeeper.documents import FOLDER
from tests.lakekeeper.server import StandIn, done_and_cut_off
from tests.lakekeeper.state import Json
from tests.object_store import RunningObjectStore

from .workspace_site import Site, config_of, running_operator

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("impersonator")]

ONE_ROW = pa.table({"id": [3]})
Sites = Callable[..., AbstractAsyncContextManager[Site]]


@pytest.fixture
def plane(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> ControlPlane:
    """The control plane, without the Workspaces that earlier tests left: an operator would give each a catalog."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig))
    client = control_plane.client
    for name in filter(is_own, client.names(WORKSPACES)):
        client.patch(WORKSPACES, name, {"metadata": {"finalizers": None}})
        client.delete(WORKSPACES, name)
    return control_plane


@pytest.fixture
def sites(plane: ControlPlane, object_store: RunningObjectStore, own_ca: Path) -> Sites:
    """A maker of a running operator; used again in the same test it is the same operator, started again."""
    slug, config = own_slug(), config_of(object_store)

    @asynccontextmanager
    async def make(catalog: CatalogConfig) -> AsyncIterator[Site]:
        async with running_operator(config, own_ca, catalog=catalog) as (cluster, store, users):
            yield Site(cluster, plane, store, users, slug)

    return make


@pytest.fixture
def lakekeeper() -> Iterator[StandIn]:
    """A Lakekeeper that tries storage out with a real S3 client; nothing was asked of it against its documents."""
    if not FOLDER.is_dir():
        pytest.skip(f"Lakekeeper's OpenAPI documents are not in {FOLDER}")
    with StandIn(probe=_try_storage).running() as running:
        yield running
    assert running.violations == []


def _try_storage(profile: Json, credential: Json) -> str | None:
    """Write, read, list and delete below the prefix, as Lakekeeper does before it takes a warehouse."""
    client = boto3.client(
        "s3",
        endpoint_url=profile["endpoint"],
        region_name=profile["region"],
        aws_access_key_id=credential.get("access-key-id", "none"),
        aws_secret_access_key=credential.get("secret-access-key", "none"),
    )
    key = f"{profile['key-prefix']}/{uuid.uuid4()}/test"
    try:
        client.put_object(Bucket=profile["bucket"], Key=key, Body=b"x")
        client.get_object(Bucket=profile["bucket"], Key=key)
        client.list_objects_v2(Bucket=profile["bucket"], Prefix=f"{profile['key-prefix']}/")
        client.delete_objects(Bucket=profile["bucket"], Delete={"Objects": [{"Key": key}]})
    except (ClientError, BotoCoreError) as error:
        return str(error)
    return None


def embedded(server: RunningCatalog) -> CatalogConfig:
    """Return how the platform is installed with the embedded catalog."""
    return CatalogConfig(CatalogProvider.EMBEDDED, server.uri, server.management_uri, server.admin_token)


def with_lakekeeper(server: StandIn) -> CatalogConfig:
    """Return how the platform is installed with Lakekeeper."""
    return CatalogConfig(CatalogProvider.LAKEKEEPER, server.uri, server.management_uri, "")


async def catalog_of(site: Site, keys: str = "icefield-object-store", **other: str) -> Catalog:
    """Open a workspace's catalog with nothing but what its namespace holds."""
    access, store = await site.environment("icefield-catalog"), await site.environment(keys)
    properties = {
        "type": "rest",
        "uri": access["ICEFIELD_CATALOG_URI"],
        "warehouse": access["ICEFIELD_CATALOG_WAREHOUSE"],
        "token": access["ICEFIELD_CATALOG_TOKEN"],
        "s3.endpoint": store["AWS_ENDPOINT_URL"],
        "s3.region": store["AWS_REGION"],
        "s3.access-key-id": store["AWS_ACCESS_KEY_ID"],
        "s3.secret-access-key": store["AWS_SECRET_ACCESS_KEY"],
    }
    return await asyncio.to_thread(load_catalog, "test", **{**properties, **other})


def make_table(catalog: Catalog) -> None:
    """Make sales.orders with two rows."""
    rows = pa.table({"id": [1, 2]})
    catalog.create_namespace("sales")
    catalog.create_table("sales.orders", schema=rows.schema).append(rows)


def count(catalog: Catalog) -> int:
    """Return how many rows sales.orders has."""
    return len(catalog.load_table("sales.orders").scan().to_arrow())


async def users_of(site: Site) -> list[str]:
    """Return the object store's users of a workspace."""
    admin = VersityAdmin(site.store.config)
    try:
        return sorted(user for user in await admin.users() if site.slug in user)
    finally:
        await admin.aclose()


async def further_pass(site: Site, mark: str) -> None:
    """Have the operator pass over the workspace once more, and wait until it has."""
    await site.cluster.delete("Secret", site.namespace, "icefield-warehouse-token")
    await site.annotate("mark", mark)
    await eventually(lambda: site.cluster.get("Secret", site.namespace, "icefield-warehouse-token"))
    await site.until(ConditionType.READY)


async def test_a_workspace_gets_a_catalog_and_what_opens_it(sites: Sites, embedded_catalog: RunningCatalog) -> None:
    async with sites(embedded(embedded_catalog)) as site:
        await site.apply()
        await site.until(ConditionType.READY)
        catalog = await catalog_of(site)
        await asyncio.to_thread(make_table, catalog)
        assert await asyncio.to_thread(count, catalog) == 2
        (key,) = [key async for key in site.store.keys(f"workspaces/{site.slug}/tables/") if key.endswith(".parquet")]
        assert key.startswith(f"workspaces/{site.slug}/tables/sales/orders-")

        reader = await catalog_of(site, "icefield-object-store-reader")
        assert await asyncio.to_thread(count, reader) == 2
        with pytest.raises((OSError, RESTError)):
            await asyncio.to_thread(reader.load_table("sales.orders").append, pa.table({"id": [3]}))
        assert await asyncio.to_thread(count, catalog) == 2

        token = (await site.environment("icefield-warehouse-token"))["token"]
        assert len(token) >= 40
        with pytest.raises(RESTError):
            await catalog_of(site, token=token)


async def member_keys(site: Site) -> dict[str, MemberKeys]:
    """Return the keys of the object store that members share."""
    entries = await site.environment(OBJECT_STORE_MEMBERS_SECRET)
    return {entry: MemberKeys.from_json(json.loads(keys)) for entry, keys in entries.items()}


def opened_by(catalog: Catalog, keys: MemberKeys) -> Catalog:
    """Return the catalog with other keys for its files."""
    credentials = {"s3.access-key-id": keys.access_key_id, "s3.secret-access-key": keys.secret_access_key}
    return load_catalog("member", **{**catalog.properties, **credentials})


async def test_keys_of_members_end_when_one_of_them_leaves(
    sites: Sites, embedded_catalog: RunningCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(member_users, "REVOCATION", timedelta(seconds=5))
    ada, bob = ({"user": f"{name}@acme.eu", "role": "editor"} for name in ("ada", "bob"))
    async with sites(embedded(embedded_catalog)) as site:
        await site.apply(members=[ada, bob])
        await site.until(ConditionType.READY)
        catalog = await catalog_of(site)
        await asyncio.to_thread(make_table, catalog)
        before = await member_keys(site)
        with pytest.raises((OSError, RESTError)):
            await asyncio.to_thread(opened_by(catalog, before[READER]).load_table("sales.orders").append, ONE_ROW)
        await asyncio.to_thread(opened_by(catalog, before[WRITER]).load_table("sales.orders").append, ONE_ROW)

        await site.apply(members=[ada])
        after = await eventually(lambda: other_keys(site, before))
        for keys in after.values():
            assert await asyncio.to_thread(count, opened_by(catalog, keys)) == 3
        # No change wakes the operator for it.
        for keys in before.values():
            await eventually(partial(is_refused, catalog, keys))
        assert await member_keys(site) == after


async def other_keys(site: Site, before: dict[str, MemberKeys]) -> dict[str, MemberKeys] | None:
    """Return the keys that members share once they are others."""
    found = await member_keys(site)
    return found if found != before else None


async def is_refused(catalog: Catalog, keys: MemberKeys) -> bool:
    """Return whether the object store refuses keys."""
    try:
        await asyncio.to_thread(count, opened_by(catalog, keys))
    except OSError as error:
        return "ACCESS_DENIED" in str(error) or "InvalidAccessKeyId" in str(error)
    return False


async def test_two_workspaces_do_not_see_each_others_tables(sites: Sites, embedded_catalog: RunningCatalog) -> None:
    async with sites(embedded(embedded_catalog)) as site:
        other = Site(site.cluster, site.plane, site.store, site.users, f"{site.slug}x")
        for one in (site, other):
            await one.apply()
            await one.until(ConditionType.READY)
        await asyncio.to_thread(make_table, await catalog_of(site))
        theirs = await catalog_of(other)
        assert await asyncio.to_thread(theirs.list_namespaces) == []
        with pytest.raises(RESTError):
            await catalog_of(other, warehouse=site.slug)
        await other.delete()
        assert await asyncio.to_thread(count, await catalog_of(site)) == 2


async def test_nothing_is_left_of_a_deleted_workspace(sites: Sites, embedded_catalog: RunningCatalog) -> None:
    async with sites(embedded(embedded_catalog)) as site:
        await site.apply()
        await site.until(ConditionType.READY)
        assert len(await users_of(site)) == 4
        before = await site.environment("icefield-catalog")
        await asyncio.to_thread(make_table, await catalog_of(site))
        await site.delete()
        left = [key async for key in site.store.keys("")]
        assert [key for key in left if not key.startswith("deletions/")] == []
        assert len(left) == 1
        assert await users_of(site) == []
        assert site.slug not in (await site.store.policy() or "")
        opened = {"type": "rest", "uri": embedded_catalog.uri, "warehouse": site.slug}
        with pytest.raises(RESTError):
            await asyncio.to_thread(load_catalog, "gone", **opened, token=before["ICEFIELD_CATALOG_TOKEN"])
        # A workspace of the same name starts empty.
        await site.apply()
        await site.until(ConditionType.READY)
        after = await site.environment("icefield-catalog")
        assert after["ICEFIELD_CATALOG_TOKEN"] != before["ICEFIELD_CATALOG_TOKEN"]
        assert await asyncio.to_thread((await catalog_of(site)).list_namespaces) == []


async def test_an_operator_that_dies_again_and_again_makes_nothing_twice(sites: Sites, lakekeeper: StandIn) -> None:
    lakekeeper.once("POST", "/management/v1/warehouse", done_and_cut_off())
    config = with_lakekeeper(lakekeeper)
    for patience in (0.0, 0.3, 0.6, 0.9, 1.2):
        async with sites(config) as site:
            await site.apply()
            await asyncio.sleep(patience)
    async with sites(config) as site:
        await site.until(ConditionType.READY)
        secrets = [await site.environment(name) for name in ("icefield-object-store", "icefield-warehouse-token")]
    async with sites(config) as site:
        await further_pass(site, "restarted")
        assert await site.environment("icefield-object-store") == secrets[0]
        assert len(await users_of(site)) == 4
        (warehouse,) = lakekeeper.state.warehouses.values()
        assert warehouse.name == site.slug
        assert warehouse.credential["secret-access-key"] == secrets[0]["AWS_SECRET_ACCESS_KEY"]


async def test_lakekeeper_is_asked_when_something_changed_and_not_on_every_pass(
    sites: Sites, lakekeeper: StandIn
) -> None:
    async with sites(with_lakekeeper(lakekeeper)) as site:
        await site.apply()
        await site.until(ConditionType.READY)
        access = await site.environment("icefield-catalog")
        assert access == {
            "ICEFIELD_CATALOG_URI": lakekeeper.uri,
            "ICEFIELD_CATALOG_WAREHOUSE": site.slug,
            "ICEFIELD_CATALOG_TOKEN": "",
        }
        asked = len(lakekeeper.requests)
        for number in range(3):
            await further_pass(site, str(number))
        assert len(lakekeeper.requests) == asked

        # While it is away, what was ready stays so.
        lakekeeper.is_away = True
        await further_pass(site, "away")

        # The Secret is restored by asking the catalog again, which has to wait for it.
        async def shows_it() -> bool:
            found = await site.workspace()
            ready = found.status.condition(ConditionType.READY) if found and found.status else None
            return ready is not None and ready.reason == "CatalogUnavailable"

        async def is_waiting() -> bool:
            # Again each time: a pass that read the Secret before it was deleted puts it back.
            await site.cluster.delete("Secret", site.namespace, "icefield-catalog")
            await site.annotate("mark", uuid.uuid4().hex)
            try:
                await eventually(shows_it, patience=10)
            except AssertionError:
                return False
            return True

        await eventually(is_waiting)
        workspace = await site.until(ConditionType.RECONCILING)
        assert workspace.status
        condition = workspace.status.condition(ConditionType.READY)
        assert condition
        assert (condition.reason, "DatabaseError" in condition.message) == ("CatalogUnavailable", True)
        lakekeeper.is_away = False
        await site.annotate("mark", "back")
        await site.until(ConditionType.READY)
        assert await site.environment("icefield-catalog") == access
        (warehouse,) = lakekeeper.state.warehouses.values()
        warehouse.namespaces = {("sales",), ("sales", "raw")}
        await site.delete()
        assert lakekeeper.state.warehouses == {}


async def test_supplied_keys_are_told_to_lakekeeper_whenever_they_change(
    plane: ControlPlane, object_store: RunningObjectStore, lakekeeper: StandIn, own_ca: Path
) -> None:
    lakekeeper.state.probe = lambda profile, credential: None
    config = config_of(object_store, Provider.STATIC)
    async with running_operator(config, own_ca, catalog=with_lakekeeper(lakekeeper)) as (cluster, store, users):
        site = Site(cluster, plane, store, users, own_slug())
        await cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}})
        await supply(site, "keys", accessKeyId="id", secretAccessKey="first")
        await supply(site, "reader", accessKeyId="reads", secretAccessKey="only")
        names = {"credentialsSecret": f"{site.slug}-keys", "readerCredentialsSecret": f"{site.slug}-reader"}
        await site.apply(objectStore=names)
        await site.until(ConditionType.READY)
        (warehouse,) = lakekeeper.state.warehouses.values()
        assert warehouse.credential["secret-access-key"] == "first"
        reader = await site.environment("icefield-object-store-reader")
        assert (reader["AWS_ACCESS_KEY_ID"], reader["AWS_SECRET_ACCESS_KEY"]) == ("reads", "only")

        await supply(site, "keys", accessKeyId="id", secretAccessKey="second")
        await site.annotate("mark", "changed")
        await eventually(lambda: asyncio.sleep(0, warehouse.credential["secret-access-key"] == "second"))

        await site.apply(objectStore={"credentialsSecret": f"{site.slug}-keys"})
        await site.until(ConditionType.READY)
        assert await cluster.get("Secret", site.namespace, "icefield-object-store-reader") is None
        await site.delete()
        assert lakekeeper.state.warehouses == {}


async def test_a_workspace_with_a_catalog_of_somebody_else(sites: Sites, embedded_catalog: RunningCatalog) -> None:
    async with sites(embedded(embedded_catalog)) as site:
        await site.cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": SYSTEM_NAMESPACE}})
        theirs: dict[str, Any] = {"provider": "rest", "uri": "https://theirs.example/iceberg", "warehouse": "lake"}
        theirs["credentialsSecret"] = f"{site.slug}-catalog"
        await site.apply(catalog=theirs)
        workspace = await site.until(ConditionType.STALLED)
        assert workspace.status
        condition = workspace.status.condition(ConditionType.STALLED)
        assert condition
        assert (condition.reason, "no Secret" in condition.message) == ("CatalogUnavailable", True)
        await supply(site, "catalog", token="their-token")
        await site.until(ConditionType.READY)
        assert await site.environment("icefield-catalog") == {
            "ICEFIELD_CATALOG_URI": "https://theirs.example/iceberg",
            "ICEFIELD_CATALOG_WAREHOUSE": "lake",
            "ICEFIELD_CATALOG_TOKEN": "their-token",
        }
        # Back to the platform's own, which is given no token of somebody else.
        await site.apply(catalog={})
        await site.until(ConditionType.READY)
        own = await site.environment("icefield-catalog")
        assert own["ICEFIELD_CATALOG_URI"] == embedded_catalog.uri
        assert own["ICEFIELD_CATALOG_TOKEN"] != "their-token"
        assert await asyncio.to_thread((await catalog_of(site)).list_namespaces) == []


async def test_a_catalog_that_starts_late_is_waited_for(sites: Sites, object_store: RunningObjectStore) -> None:
    with running_catalog(object_store) as server:
        server.stop()
        async with sites(embedded(server)) as site:
            await site.apply()
            workspace = await site.until(ConditionType.RECONCILING)
            assert workspace.status
            condition = workspace.status.condition(ConditionType.READY)
            assert condition
            assert (condition.reason, "not reachable" in condition.message) == ("CatalogUnavailable", True)
            server.start()
            await site.until(ConditionType.READY)
            server.stop()
            await further_pass(site, "away")
            server.start()
            assert await asyncio.to_thread((await catalog_of(site)).list_namespaces) == []


async def supply(site: Site, name: str, **values: str) -> None:
    """Put a Secret for the workspace into icefield-system, or change it, as the platform team does."""
    lines = [f"  {key}: {value}" for key, value in values.items()]
    manifest = [
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        f"  name: {site.slug}-{name}",
        f"  namespace: {SYSTEM_NAMESPACE}",
        "stringData:",
        *lines,
    ]
    await asyncio.to_thread(site.plane.kubectl, "apply", "--server-side", "-f", "-", stdin="\n".join(manifest))
