"""What the pages make, so that each begins on a platform that has none of it, also on one that is kept between runs."""

from __future__ import annotations

import subprocess
from typing import Any

import httpx

NAMESPACE = "icefield-demo"
JOBS = (
    "dbt-shop",
    "etl",
    "fails",
    "hello",
    "hello-pipeline",
    "humanized",
    "locked",
    "maintain-sales-30d5473c",
    "maintain-sales-orders-74609b97",
    "nightly",
    "nightly-report",
    "smoke",
    "with-secret",
)
TABLES = ("flights.late", "flights.by_month", "flights.delays_by_route", "flights.worst_days")
DATABASES = ("sales", "trips", "city", "smoke", "shop", "week")
VARIABLES = ("DB_HOST",)
PEOPLE = ("ada@acme.eu", "bob@acme.eu", "vera@acme.eu")
OBJECTS = (
    "warehouses.icefield.dev/analytics",
    "warehouses.icefield.dev/main",
    "warehouses.icefield.dev/smoke",
    "clusterrolebindings/prometheus-icefield",
    "secrets/warehouse-db",
    "workspaces.icefield.dev/acme",
)


def remove(platform: Any) -> None:
    """Delete what the pages make, of whatever is there."""
    with platform.client() as rest:
        for path in _paths(rest):
            _delete(rest, path)
    with platform.administrator() as administrator:
        for address in PEOPLE:
            _delete(administrator, f"/workspaces/{platform.workspace}/members/{address}")
            _delete(administrator, f"/users/{address}")
    program = (str(platform.kubectl), "--kubeconfig", str(platform.kubeconfig))
    command = (*program, "--namespace", NAMESPACE, "delete", *OBJECTS, "--ignore-not-found", "--timeout=120s")
    subprocess.run(command, check=True, capture_output=True, timeout=130)


def _paths(rest: httpx.Client) -> list[str]:
    tables = [table.split(".") for table in TABLES]
    paths = [f"/jobs/{job}" for job in JOBS]
    paths += [f"/databases/{database}/tables/{name}" for database, name in tables]
    for database in DATABASES:
        paths += [f"/databases/{database}/{path}" for path in _contents(rest, database)] + [f"/databases/{database}"]
    return paths + [f"/environment-variables/{name}" for name in VARIABLES]


def _contents(rest: httpx.Client, database: str) -> list[str]:
    if rest.get(f"/databases/{database}").status_code == httpx.codes.NOT_FOUND:
        return []
    return [
        f"{kind}/{found['name']}{query}"
        for kind, query in (("views", ""), ("tables", ""), ("volumes", "?force=true"))
        for found in rest.get(f"/databases/{database}/{kind}").raise_for_status().json()["data"]
    ]


def _delete(rest: httpx.Client, path: str) -> None:
    answer = rest.delete(path)
    assert answer.is_success or answer.status_code == httpx.codes.NOT_FOUND, (path, answer.text)
