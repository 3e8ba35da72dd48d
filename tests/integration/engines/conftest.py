"""One pod for all tests of the session, and its catalog as PyIceberg sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog, load_catalog

from tests.catalog import RunningCatalog
from tests.shared import WORKER

from .pod import Pod

SLUG = f"engines{WORKER}"
NAMESPACE = "sales"


@pytest.fixture(scope="session")
def catalog(embedded_catalog: RunningCatalog) -> Catalog:
    """The workspace's catalog, with a namespace."""
    embedded_catalog.ensure(SLUG)
    catalog = load_catalog(SLUG, **embedded_catalog.pyiceberg(SLUG))
    catalog.create_namespace_if_not_exists(NAMESPACE)
    return catalog


@pytest.fixture(scope="session")
def pods(
    embedded_catalog: RunningCatalog, catalog: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Pod]]:
    """Makes pods over the workspace, not yet started; whatever of them runs at the end is killed."""
    made: list[Pod] = []

    def make(**gateway: str) -> Pod:
        folder: Path = tmp_path_factory.mktemp("pod")
        made.append(Pod(folder, embedded_catalog, embedded_catalog.ensure(SLUG), **gateway))
        return made[-1]

    yield make
    for pod in made:
        pod.stop()


@pytest.fixture(scope="session")
def duckdb_pod(pods: Callable[..., Pod]) -> Pod:
    """A gateway of its own, small, without Spark beside."""
    pod = pods(ICEFIELD_SPARK="false", ICEFIELD_MEMORY_LIMIT_BYTES=str(1024 * 1024 * 1024), ICEFIELD_CPU_LIMIT="2")
    pod.start(spark=False)
    return pod


@pytest.fixture(scope="session")
def pod(pods: Callable[..., Pod]) -> Pod:
    """A gateway with Spark beside; the one Spark of the session."""
    pod = pods()
    pod.start(spark=True)
    return pod
