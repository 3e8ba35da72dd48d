"""What a maintenance run executes, as a process of its own, with the published client and real Spark."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from fastapi import FastAPI
from pyiceberg.catalog import Catalog

from icefield_crds.execution import File
from icefield_crds.maintenance.execution import execution_of, procedures_of
from icefield_crds.maintenance.model import Operations
from tests.api.lakehouse import Lakehouse
from tests.api.test_polnor_sdk import listening
from tests.integration.engines.pod import Pod

pytestmark = pytest.mark.integration

FILES = 4
OPERATIONS = Operations.model_validate(
    {
        "compaction": {"minInputFiles": 2},
        "manifestRewrite": {},
        "snapshotExpiration": {"maxSnapshotAgeHours": 1, "minSnapshotsToKeep": 1},
        "orphanFileRemoval": {"olderThanHours": 24},
    }
)
EVERY_MAINTENANCE = ["rewrite_data_files", "rewrite_manifests", "expire_snapshots", "remove_orphan_files"]


async def maintain(folder: Path, url: str, client: httpx.AsyncClient, slug: str, table: str | None) -> tuple[int, str]:
    """Run the program for a table of sales, or all; return its exit code and its output."""
    fields = execution_of("sales", table, procedures_of(OPERATIONS))
    files: list[File] = fields["files"]
    for file in files:
        (folder / file.path).write_text(file.content)
    warehouse = (await client.get("/sql/warehouses/main")).json()["id"]
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "POLNOR_API_URL": url,
        "POLNOR_TOKEN": client.headers["Authorization"].removeprefix("Bearer "),
        "POLNOR_WORKSPACE_SLUG": slug,
        "POLNOR_WAREHOUSE_ID": warehouse,
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "maintain.py",
        cwd=folder,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode or 0, output.decode()


def results_of(output: str) -> dict[tuple[str, str], Any]:
    """Return the reports of the procedures by table and procedure."""
    lines = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return {(line["table"], line["procedure"]): line.get("result", line.get("error")) for line in lines}


async def test_tables_are_maintained_and_one_that_fails_stops_no_other(
    app: FastAPI,
    client: httpx.AsyncClient,
    lakehouse: Lakehouse,
    pod: Pod,
    orders: pa.Table,
    outside: Catalog,
    tmp_path: Path,
) -> None:
    table = outside.load_table("sales.orders")
    for _ in range(FILES - 1):
        table.append(orders)
    outside.create_table("sales.items", orders.schema).append(orders)
    declared = await client.put("/databases/sales/maintenance", json={"schedule": "@daily"})
    assert declared.status_code == 200, declared.text
    async with listening(app) as url:
        code, output = await maintain(tmp_path, url, client, lakehouse.slug, None)
        assert code == 0, output
        assert "2 of 2 tables are maintained" in output
        results = results_of(output)
        assert list(results) == [(f"sales.{name}", each) for name in ("items", "orders") for each in EVERY_MAINTENANCE]
        assert results["sales.orders", "rewrite_data_files"]["rewritten_data_files_count"] == FILES
        assert results["sales.items", "rewrite_data_files"]["rewritten_data_files_count"] == 0
        after = outside.load_table("sales.orders")
        assert len(list(after.scan().plan_files())) == 1
        assert after.scan().to_arrow().num_rows == FILES * orders.num_rows
        code, output = await maintain(tmp_path, url, client, lakehouse.slug, "gone")
    assert code == 1, output
    assert output.splitlines()[-1].startswith("1 of 1 tables failed, first sales.gone: rewrite_data_files:"), output
