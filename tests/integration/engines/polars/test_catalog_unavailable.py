"""A workload while the catalog is unavailable for a moment."""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import load_catalog

from tests.catalog import running_catalog
from tests.object_store import RunningObjectStore

from .sandbox import Sandbox

pytestmark = pytest.mark.integration


def test_a_catalog_that_comes_back(object_store: RunningObjectStore, tmp_path: Path) -> None:
    slug = f"w{secrets.token_hex(4)}"
    with running_catalog(object_store) as catalog:
        sandbox = Sandbox(tmp_path, catalog, catalog.ensure(slug))
        lake = load_catalog(slug, **catalog.pyiceberg(slug))
        lake.create_namespace("sales")
        lake.create_table("sales.t", pa.schema([("a", pa.int64())])).append(pa.table({"a": [1, 2]}))
        sandbox.start()
        catalog.stop()
        try:
            workload = sandbox.workload(script="result = scan('sales.t')", destination="sales.copy")
            assert sandbox.put(workload).status_code == 202
            starting = threading.Timer(1, catalog.start)
            starting.start()
            outcome = sandbox.outcome()
            starting.join()
            assert (outcome["error"], outcome["row_count"]) == (None, 2)
            assert sandbox.output == ""
        finally:
            sandbox.stop()
