"""The published dbt adapter, unmodified: a project with seeds, views, tables, an incremental model and tests."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.conformance import dbt_environment
from tests.statements import Sql

pytestmark = pytest.mark.conformance

PROJECT = Path(__file__).with_name("dbt_project")
NEW_PAYMENT = "(16, 5, 3.33, TIMESTAMP '2024-06-06 10:00:00', FALSE)"
RELATIONS = {
    "country_totals",
    "customer_totals",
    "customers",
    "payment_events",
    "payments",
    "stg_customers",
    "stg_payments",
}


@pytest.fixture
def dbt(platform: Any, sql: Sql, database: str, tmp_path: Path) -> Callable[..., Path]:
    """Runs dbt in a copy of the project whose schema is an empty database; returns the folder of its artifacts."""
    environment = dbt_environment.ensure()
    project = shutil.copytree(PROJECT, tmp_path / "shop")
    dbt_environment.prepare(project, environment)
    settings = {
        "POLNOR_API_URL": platform.api_url,
        "POLNOR_TOKEN": platform.api_key,
        "POLNOR_WAREHOUSE_ID": sql.warehouse,
        "REQUESTS_CA_BUNDLE": str(platform.ca_bundle),
        "SHOP_SCHEMA": database,
    }

    def run(*arguments: str) -> Path:
        argv = [str(environment / "bin" / "python"), "-c", dbt_environment.PROGRAM, "--no-use-colors", *arguments]
        done = subprocess.run(
            argv,
            cwd=project,
            env={**os.environ, **settings},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return project / "target"

    return run


def statuses(artifacts: Path) -> dict[str, str]:
    """Return how each node of the last build ended, by its short name."""
    results = json.loads((artifacts / "run_results.json").read_text())["results"]
    return {result["unique_id"].split(".")[2]: result["status"] for result in results}


def test_a_project_builds_and_builds_again(dbt: Callable[..., Path], sql: Sql, database: str) -> None:
    built = statuses(dbt("build"))
    assert set(built.values()) == {"success", "pass"}
    assert len(built) == 18
    assert set(statuses(dbt("build")).values()) == {"success", "pass"}

    tables = sql.rest.get(f"/databases/{database}/tables").raise_for_status().json()["data"]
    assert {table["name"] for table in tables} >= RELATIONS
    assert sql.rows(f"SELECT customer_name, total FROM {database}.customer_totals ORDER BY customer_id") == [
        ["Ada", "25.00"],
        ["Grace", "0.00"],
        ["Édith", "7.25"],
        ["O'Neil", "0.99"],
        ["Kuznetsova, Olga", "0.00"],
    ]
    assert ["unknown", 1, "0.00"] in sql.rows(f"SELECT * FROM {database}.country_totals")

    catalog = json.loads((dbt("docs", "generate") / "catalog.json").read_text())
    payments = catalog["nodes"]["seed.shop.payments"]["columns"]
    assert {name: column["type"] for name, column in payments.items()} == {
        "id": "LONG",
        "customer_id": "LONG",
        "amount": "DECIMAL",
        "paid_at": "TIMESTAMPTZ",
        "is_refund": "BOOLEAN",
    }

    sql.rows(f"INSERT INTO {database}.payments VALUES {NEW_PAYMENT}")
    dbt("run", "--select", "payment_events")
    assert sql.rows(f"SELECT payment_id FROM {database}.payment_events ORDER BY 1 DESC LIMIT 2") == [[16], [15]]
    dbt("run", "--select", "payment_events", "--full-refresh")
    assert sql.value(f"SELECT count(*) FROM {database}.payment_events") == 7
