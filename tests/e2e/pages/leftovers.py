"""What the pages make, so that each begins on a platform that has none of it."""

from __future__ import annotations

from typing import Any

import httpx

JOBS = ("etl", "hello", "hello-pipeline", "humanized", "locked", "nightly-report", "with-secret")
TABLES = ("flights.late", "flights.by_month", "flights.delays_by_route")


def remove(platform: Any) -> None:
    """Delete what the pages make in the workspace, of whatever is there."""
    with platform.client() as rest:
        for job in JOBS:
            _delete(rest, f"/jobs/{job}")
        for table in TABLES:
            database, name = table.split(".")
            _delete(rest, f"/databases/{database}/tables/{name}")


def _delete(rest: httpx.Client, path: str) -> None:
    answer = rest.delete(path)
    assert answer.is_success or answer.status_code == httpx.codes.NOT_FOUND, (path, answer.text)
