"""Fixtures that several layers of tests share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator

import pytest

from tests.catalog import RunningCatalog, running_catalog
from tests.controlplane import ControlPlane, running_control_plane
from tests.object_store import RunningObjectStore, running_object_store
from tests.platform import Platform, running_platform
from tests.postgres import running_postgres
from tests.statements import Sql, create_database, save_warehouse


@pytest.fixture(scope="session")
def control_plane() -> Iterator[ControlPlane]:
    """A real kube-apiserver with etcd and the controller manager; see tests/controlplane.py."""
    with running_control_plane() as plane:
        yield plane


@pytest.fixture(scope="session")
def object_store() -> Iterator[RunningObjectStore]:
    """A real S3 server, versitygw; see tests/object_store.py."""
    with running_object_store() as store:
        yield store


@pytest.fixture(scope="session")
def embedded_catalog(object_store: RunningObjectStore) -> Iterator[RunningCatalog]:
    """The real embedded catalog server over the object store; see tests/catalog.py."""
    with running_catalog(object_store) as catalog:
        yield catalog


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real Postgres, as a SQLAlchemy URL; the test is skipped where it cannot run."""
    with running_postgres() as url:
        yield url


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """A whole cluster with Icefield in it; see tests/platform.py."""
    with running_platform() as running:
        yield running


@pytest.fixture(scope="session")
def sql(platform: Platform) -> Sql:
    """Statements on a warehouse that all whole-cluster tests share, ready to read and to write."""
    rest = platform.client()
    shared = Sql(rest, save_warehouse(rest, "shared", size="cpu.2", auto_stop="never"))
    shared.wait_for_warehouse("running", spark=True)
    return shared


@pytest.fixture
def database(sql: Sql) -> str:
    """The name of an empty database of the workspace."""
    return create_database(sql.rest, f"db_{secrets.token_hex(3)}")
