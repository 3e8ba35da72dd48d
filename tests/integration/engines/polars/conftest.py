"""Sandboxes over one workspace, and its catalog as PyIceberg sees it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog, load_catalog

from tests.catalog import RunningCatalog
from tests.shared import WORKER

from .sandbox import Sandbox

SLUG = f"polars{WORKER}"
FLOWERS = pa.table(
    {
        "species": ["setosa", "setosa", "virginica", "virginica", "versicolor"],
        "sepal_length": [5.1, 4.9, 6.3, 5.8, 7.0],
    }
)


@pytest.fixture(scope="session")
def lake(embedded_catalog: RunningCatalog) -> Catalog:
    """The workspace's catalog, with the table default.flowers."""
    embedded_catalog.ensure(SLUG)
    catalog = load_catalog(SLUG, **embedded_catalog.pyiceberg(SLUG))
    catalog.create_namespace_if_not_exists("default")
    catalog.create_table("default.flowers", FLOWERS.schema).append(FLOWERS)
    return catalog


@pytest.fixture
def sandboxes(
    embedded_catalog: RunningCatalog, lake: Catalog, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[..., Sandbox]]:
    """Makes sandboxes, not yet started; whatever of them runs at the end is killed."""
    made: list[Sandbox] = []

    def make(**settings: str) -> Sandbox:
        folder = tmp_path_factory.mktemp("sandbox")
        made.append(Sandbox(folder, embedded_catalog, embedded_catalog.ensure(SLUG), settings))
        return made[-1]

    yield make
    for sandbox in made:
        sandbox.stop()


@pytest.fixture
def sandbox(sandboxes: Callable[..., Sandbox]) -> Sandbox:
    """One sandbox, not yet started."""
    return sandboxes()
