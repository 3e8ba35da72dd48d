"""The real embedded catalog server for tests, over the real object store.

As a fixture (session-scoped, in tests/conftest.py), for tests marked `integration`:

    @pytest.mark.integration
    def test_something(embedded_catalog: RunningCatalog) -> None:
        embedded_catalog.ensure("acme")
        catalog = load_catalog("acme", **embedded_catalog.pyiceberg("acme"))

All workers of a run share it: give each test a workspace of its own. As a context manager, for a server that a test
stops and starts again: `with running_catalog(store) as catalog: catalog.stop(); catalog.start()`.
"""

from __future__ import annotations

import secrets
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import boto3
import httpx

from icefield_cluster import jars, processes
from icefield_cluster.paths import CHECKOUT
from icefield_crds import object_store
from tests.object_store import REGION, RunningObjectStore
from tests.shared import WORKER

BUCKET = f"icefield-{WORKER}"
"""Each worker has a bucket of its own: who may open what in it is one policy for all of its workspaces."""
# One for all calls: a client for each would read the certificate authorities each time. Servers are restarted,
# so no connection is kept.
_HTTP = httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))
OPTIONS = CHECKOUT / "engines" / "embedded_catalog" / "jvm.options"


@dataclass(frozen=True)
class Site:
    """One workspace in the catalog: where its tables lie and what opens them.

    Here the keys are the store's root: that a workspace's own open only its prefix is the operator's, and tested there.
    """

    slug: str
    endpoint: str
    access_key_id: str
    secret_access_key: str = field(repr=False)
    bucket: str = BUCKET

    @property
    def prefix(self) -> str:
        """URL of everything that is the workspace's, without a slash at its end."""
        return f"s3://{self.bucket}/{object_store.workspace_prefix(self.slug)}"

    @property
    def pyiceberg(self) -> dict[str, str]:
        """The properties with which PyIceberg opens the tables."""
        return {
            "s3.endpoint": self.endpoint,
            "s3.region": REGION,
            "s3.access-key-id": self.access_key_id,
            "s3.secret-access-key": self.secret_access_key,
            "s3.path-style-access": "true",
        }

    @property
    def environment(self) -> dict[str, str]:
        """What the Secret icefield-object-store of the workspace's namespace holds."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_REGION": REGION,
            "ICEFIELD_BUCKET": self.bucket,
            "ICEFIELD_PREFIX": object_store.workspace_prefix(self.slug),
        }


@dataclass
class RunningCatalog:
    """The catalog server on the loopback device, and its admin token."""

    folder: Path
    port: int
    store: RunningObjectStore
    admin_token: str = field(default="admin-token-of-the-tests", repr=False)
    database_url: str = ""
    database_environment: dict[str, str] = field(default_factory=dict, repr=False)
    seed: str = field(default_factory=lambda: secrets.token_hex(8), repr=False)
    _tokens: dict[str, str] = field(default_factory=dict, repr=False)
    _process: processes.Process | None = None

    @property
    def management_uri(self) -> str:
        """Base of its management API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def uri(self) -> str:
        """Base of the Iceberg REST protocol, as clients want it."""
        return f"{self.management_uri}/catalog"

    def token_of(self, slug: str) -> str:
        """The token of a workspace's catalog, the same in all workers until one forgets it."""
        return self._tokens.get(slug, f"token-of-{slug}-{self.seed}")

    def pyiceberg(self, slug: str) -> dict[str, str]:
        """The properties with which PyIceberg opens a workspace's catalog and its tables."""
        access = {"type": "rest", "uri": self.uri, "warehouse": slug, "token": self.token_of(slug)}
        return {**access, **self._site(slug).pyiceberg}

    def forget_token(self, slug: str) -> None:
        """Take another token for a workspace from now on, in this process; the server learns of it by `ensure`."""
        self._tokens[slug] = f"token-of-{slug}-{secrets.token_hex(8)}"

    def environment(self, slug: str) -> dict[str, str]:
        """What the Secret icefield-catalog of the workspace's namespace holds."""
        return {
            "ICEFIELD_CATALOG_URI": self.uri,
            "ICEFIELD_CATALOG_WAREHOUSE": slug,
            "ICEFIELD_CATALOG_TOKEN": self.token_of(slug),
        }

    def ensure(self, slug: str) -> Site:
        """Make a workspace's bucket and catalog; again, it changes nothing."""
        site = self._site(slug)
        _ensure_bucket(site.endpoint, site.access_key_id, site.secret_access_key)
        self.manage("PUT", slug, self.specification(site)).raise_for_status()
        return site

    def specification(self, site: Site) -> dict[str, str]:
        """The body that makes or updates a workspace's catalog."""
        return {
            "token": self.token_of(site.slug),
            "bucket": site.bucket,
            "key-prefix": object_store.tables_prefix(site.slug),
            "endpoint": site.endpoint,
            "region": REGION,
            "access-key-id": site.access_key_id,
            "secret-access-key": site.secret_access_key,
        }

    def manage(self, method: str, slug: str, body: object = None, *, token: str | None = None) -> httpx.Response:
        """Call the management API, with the admin token unless another is given."""
        url = f"{self.management_uri}/management/v1/warehouses/{slug}"
        headers = {"Authorization": f"Bearer {self.admin_token if token is None else token}"}
        return _HTTP.request(method, url, json=body, headers=headers, timeout=30)

    def call(self, method: str, path: str, slug: str, body: object = None, **headers: str) -> httpx.Response:
        """Call the Iceberg REST protocol as a workspace; the path begins behind /v1/."""
        headers = {"Authorization": f"Bearer {self.token_of(slug)}", **headers}
        return _HTTP.request(method, f"{self.uri}/v1/{path}", json=body, headers=headers, timeout=60)

    def start(self) -> None:
        """Start it and wait until it is ready."""
        log = self.folder / "catalog.log"
        classes, libraries = jars.compile_sources("catalog", log), jars.ensure("catalog", log)
        argv: list[str | Path] = ["java", f"@{OPTIONS}", "-cp", f"{classes}:{libraries}/*", "dev.icefield.catalog.Main"]
        env = {
            "ICEFIELD_CATALOG_BIND": f"127.0.0.1:{self.port}",
            "ICEFIELD_CATALOG_DATABASE_URL": self.database_url or f"jdbc:sqlite:{self.folder / 'catalog.db'}",
            "ICEFIELD_CATALOG_ADMIN_TOKEN": self.admin_token,
            "ICEFIELD_CATALOG_ENCRYPTION_KEY": "encryption-key-of-the-tests",
            **self.database_environment,
        }
        self._process = processes.spawn("catalog", argv, log=log, env=env)
        give_up = time.monotonic() + 60
        while not self.is_healthy():
            if time.monotonic() > give_up:
                raise TimeoutError(log.read_text())
            time.sleep(0.05)

    def stop(self, grace: float = 2) -> None:
        """End it; what it stored stays.

        Args:
            grace: seconds it has before it is killed.
        """
        if self._process:
            processes.stop_pids([self._process.pid], grace=grace)
            self._process = None

    def _site(self, slug: str) -> Site:
        return Site(slug, self.store.url, self.store.access_key_id, self.store.secret_access_key)

    def is_healthy(self) -> bool:
        """Whether it answers and reaches its database."""
        try:
            return _HTTP.get(f"{self.management_uri}/healthz", timeout=5).is_success
        except httpx.HTTPError:
            return False


@cache
def _ensure_bucket(endpoint: str, access_key_id: str, secret_access_key: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=access_key_id,
        aws_secret_access_key=secret_access_key,
    )
    if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
        client.create_bucket(Bucket=BUCKET)


def start_catalog(
    folder: Path,
    store: RunningObjectStore,
    *,
    database_url: str = "",
    database_environment: Mapping[str, str] | None = None,
) -> RunningCatalog:
    """Start a catalog server on a free port.

    Args:
        folder: an empty folder for all of its files.
        store: where tables go.
        database_url: JDBC URL of its database; a SQLite file of its own when empty.
        database_environment: variables with that database's user name and password.
    """
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    access = dict(database_environment or {})
    catalog = RunningCatalog(folder, port, store, database_url=database_url, database_environment=access)
    try:
        catalog.start()
    except BaseException:
        catalog.stop(grace=0)
        raise
    return catalog


@contextmanager
def running_catalog(
    store: RunningObjectStore, *, database_url: str = "", database_environment: Mapping[str, str] | None = None
) -> Iterator[RunningCatalog]:
    """Start a catalog server, and end it afterwards; the arguments are those of `start_catalog`."""
    folder = Path(tempfile.mkdtemp(prefix="icefield-catalog-"))
    try:
        catalog = start_catalog(folder, store, database_url=database_url, database_environment=database_environment)
        try:
            yield catalog
        finally:
            catalog.stop(grace=2)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
