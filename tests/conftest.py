"""Fixtures that several layers of tests share."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests import schedule, shared, timing
from tests.catalog import RunningCatalog, start_catalog
from tests.controlplane import REPOSITORY, ControlPlane, start_control_plane
from tests.object_store import RunningObjectStore, start_object_store
from tests.platform import Platform, start_platform
from tests.postgres import start_postgres
from tests.statements import Sql, create_database, save_warehouse
from tests.workloads import Workloads


def pytest_configure(config: pytest.Config) -> None:
    """Measure every run (tests/timing.py), and let its workers share services (tests/shared.py)."""
    timing.register(config)
    if not hasattr(config, "workerinput"):
        shared.open_run()
        config.add_cleanup(shared.close_run)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files of the run; see tests/schedule.py."""
    files = dict.fromkeys(map(_file_of, items))
    position = {path: number for number, path in enumerate(schedule.ordered(list(files)))}
    items.sort(key=lambda item: position[_file_of(item)])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> schedule.Scheduling:
    """Keep files together that want the whole cluster alone; see tests/schedule.py."""
    return schedule.Scheduling(config, log)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Begin to bring the whole cluster up when a test of the run wants it."""
    wanted = any("platform" in getattr(item, "fixturenames", ()) for item in session.items)
    if wanted and not session.config.option.collectonly:
        shared.shared("platform", start_platform)


@pytest.fixture(scope="session")
def control_plane() -> ControlPlane:
    """A real kube-apiserver with etcd and the controller manager, and our custom resources: tests/controlplane.py."""

    def start(folder: Path) -> ControlPlane:
        plane = start_control_plane(folder)
        plane.apply_crds()
        plane.kubectl("apply", "--server-side", "-k", str(REPOSITORY / "manifests/base/access"))
        return plane

    return shared.shared("control-plane", start)


@pytest.fixture(scope="module")
def impersonator() -> Iterator[None]:
    """The right to write the ClusterRole of the impersonator, which the control plane has one of."""
    with shared.Use.of("impersonator") as use, use.alone():
        yield


@pytest.fixture(scope="session")
def object_store() -> RunningObjectStore:
    """A real S3 server, versitygw; see tests/object_store.py."""
    return shared.shared("object-store", start_object_store)


@pytest.fixture(scope="session")
def embedded_catalog(object_store: RunningObjectStore) -> RunningCatalog:
    """The real embedded catalog server over the object store; see tests/catalog.py."""
    return shared.shared("catalog", lambda folder: start_catalog(folder, object_store))


@pytest.fixture(scope="session")
def postgres_url() -> str:
    """A real Postgres, as a SQLAlchemy URL; the test is skipped where it cannot run."""
    return shared.shared("postgres", start_postgres).url


@pytest.fixture(scope="session")
def platform() -> Platform:
    """A whole cluster with Icefield in it; see tests/platform.py."""
    return shared.shared("platform", start_platform).wait()


@pytest.fixture(scope="module", autouse=True)
def platform_use(request: pytest.FixtureRequest) -> Iterator[None]:
    """The right to use the whole cluster beside other workers, as long as a module's tests run; or alone."""
    path = request.node.nodeid
    if not path.startswith((*schedule.WHOLE_CLUSTER, *schedule.EXCLUSIVE)):
        yield
        return
    is_exclusive = path.startswith(schedule.EXCLUSIVE)
    with shared.Use.of("platform") as use, use.alone() if is_exclusive else nullcontext():
        yield


def _file_of(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


@pytest.fixture(scope="session")
def sql(platform: Platform) -> Sql:
    """Statements on a warehouse that all whole-cluster tests share, ready to read and to write."""
    rest = platform.client()
    with shared.Use.of("platform"):
        found = Sql(rest, save_warehouse(rest, "shared", size="cpu.2", auto_stop="never"))
        found.wait_for_warehouse("running", spark=True, timeout=240)
    return found


@pytest.fixture(scope="module")
def workloads(platform: Platform) -> Workloads:
    """Polars workloads in the platform's own workspace."""
    return Workloads(platform)


@pytest.fixture
def database(sql: Sql) -> str:
    """The name of an empty database of the workspace."""
    return create_database(sql.rest, f"db_{secrets.token_hex(3)}")
