"""The published dbt adapter, unmodified: a project with seeds, views, tables, an incremental model and tests."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests import locked_environment
from tests.statements import Sql

from icefield_cluster.paths import CHECKOUT

pytestmark = pytest.mark.conformance

PROJECT = CHECKOUT / "examples" / "dbt"
NEW_PAYMENT = "(16, 5, 3.33, TIMESTAMP '2024-06-06 10:00:00', FALSE)"
RELATIONS = {
    "country_totals",
    "customer_totals",
    "customers",
    "customers_snapshot",
    "last_payments",
    "payment_events",
    "payments",
    "stg_customers",
    "stg_payments",
}


@pytest.fixture
def schema() -> str:
    """The name of a database that dbt creates."""
    return f"dbt_{secrets.token_hex(3)}"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the example."""
    ignored = shutil.ignore_patterns(".venv", "target", "logs")
    return Path(shutil.copytree(PROJECT, tmp_path / "shop", ignore=ignored))


@pytest.fixture
def dbt(platform: Any, sql: Sql, schema: str, project: Path) -> Callable[..., Path]:
    """Runs dbt in the copy; returns the folder of its artifacts."""
    python = locked_environment.ensure("dbt") / "bin" / "python"
    settings = {
        "POLNOR_API_URL": platform.api_url,
        "POLNOR_TOKEN": platform.api_key,
        "POLNOR_WAREHOUSE_ID": sql.warehouse,
        "REQUESTS_CA_BUNDLE": str(platform.ca_bundle),
        "SHOP_SCHEMA": schema,
    }

    def run(*arguments: str) -> Path:
        argv = [str(python), "dbt_polnor.py", "--no-use-colors", *arguments]
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


def test_a_project_builds_and_builds_again(dbt: Callable[..., Path], sql: Sql, schema: str) -> None:
    built = statuses(dbt("build"))
    assert set(built.values()) == {"success", "pass"}
    assert built.keys() >= RELATIONS
    assert set(statuses(dbt("build")).values()) == {"success", "pass"}

    tables = sql.rest.get(f"/databases/{schema}/tables").raise_for_status().json()["data"]
    assert {table["name"] for table in tables} >= RELATIONS
    assert sql.rows(f"SELECT customer_name, total FROM {schema}.customer_totals ORDER BY customer_id") == [
        ["Ada", "25.00"],
        ["Grace", "0.00"],
        ["Édith", "7.25"],
        ["O'Neil", "0.99"],
        ["Kuznetsova, Olga", "0.00"],
    ]
    assert ["unknown", 1, "0.00"] in sql.rows(f"SELECT * FROM {schema}.country_totals")

    catalog = json.loads((dbt("docs", "generate") / "catalog.json").read_text())
    payments = catalog["nodes"]["seed.shop.payments"]["columns"]
    assert {name: column["type"] for name, column in payments.items()} == {
        "id": "LONG",
        "customer_id": "LONG",
        "amount": "DECIMAL(10,2)",
        "paid_at": "TIMESTAMP",
        "is_refund": "BOOLEAN",
    }

    sql.rows(f"INSERT INTO {schema}.payments VALUES {NEW_PAYMENT}")
    dbt("run", "--select", "payment_events")
    assert sql.rows(f"SELECT payment_id FROM {schema}.payment_events ORDER BY 1 DESC LIMIT 2") == [[16], [15]]
    dbt("run", "--select", "payment_events", "--full-refresh")
    assert sql.value(f"SELECT count(*) FROM {schema}.payment_events") == 7


def test_what_changes_is_merged_added_and_kept_in_snapshots(
    dbt: Callable[..., Path], project: Path, sql: Sql, schema: str
) -> None:
    dbt("build")
    customers, model = project / "seeds" / "customers.csv", project / "models" / "marts" / "last_payments.sql"
    customers.write_text(customers.read_text().replace("2,Grace,US", "2,Grace,FR"))
    added = "max(amount) as largest, 'x' as note, max(paid_at) as seen_at"
    model.write_text(model.read_text().replace("max(paid_at) as paid_at", f"max(paid_at) as paid_at, {added}"))
    sql.rows(f"INSERT INTO {schema}.payments VALUES (16, 1, 3.33, TIMESTAMP '2024-06-06 10:00:00', FALSE)")
    dbt("run", "--select", "last_payments")
    dbt("build", "--select", "customers", "customers_snapshot")

    assert sql.rows(f"SELECT customer_id, day(paid_at), largest, note FROM {schema}.last_payments ORDER BY 1") == [
        [1, 6, 3.33, "x"],
        [2, 4, None, None],
        [3, 3, None, None],
        [4, 5, 0.99, "x"],
    ]
    history = f"SELECT country, dbt_valid_to IS NULL FROM {schema}.customers_snapshot WHERE id = 2 ORDER BY 2"
    assert sql.rows(history) == [["US", False], ["FR", True]]
    tables = sql.rest.get(f"/databases/{schema}/tables").raise_for_status().json()["data"]
    assert not [table["name"] for table in tables if "dbt" in table["name"]]
