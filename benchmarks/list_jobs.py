"""How long a page of jobs takes when a workspace has thousands of them.

Floor: GET /healthz of the same server over the same connection, in turn with the list:
`eval "$(icefield env)"; python -m benchmarks.list_jobs`.
"""

from __future__ import annotations

import argparse
import secrets
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from benchmarks.platform_under_test import GROUP, NAMESPACE, VERSION, Platform
from benchmarks.sql_under_test import percentile

P50_BAR_MS = 5.0
PAGE = "/jobs?limit=50"


def create_jobs(platform: Platform, count: int) -> str:
    """Create jobs of two tasks through Kubernetes, wait until REST lists them, and return the value of their label."""
    batch = f"bench-{secrets.token_hex(4)}"
    tasks = [{"key": "extract", "command": "true"}, {"key": "load", "command": "true", "dependsOn": ["extract"]}]

    def create(number: int) -> None:
        body: dict[str, Any] = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Job",
            "metadata": {"name": f"{batch}-{number:05}", "labels": {"benchmark": batch}},
            "spec": {"tasks": tasks},
        }
        platform.custom.create_namespaced_custom_object(GROUP, VERSION, NAMESPACE, "jobs", body)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(create, range(count)))
    last = f"{batch}-{count - 1:05}"
    while not platform.rest.get("/jobs", params={"name": last}).raise_for_status().json()["data"]:
        time.sleep(0.1)
    return batch


def delete_jobs(platform: Platform, batch: str) -> None:
    """Delete the jobs of a benchmark."""
    platform.custom.delete_collection_namespaced_custom_object(
        GROUP, VERSION, NAMESPACE, "jobs", label_selector=f"benchmark={batch}"
    )


def milliseconds(rest: httpx.Client, path: str) -> float:
    """Return how long one GET takes; it must succeed."""
    started = time.perf_counter()
    rest.get(path).raise_for_status()
    return (time.perf_counter() - started) * 1000


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--jobs", type=int, default=5000)
    arguments.add_argument("--rounds", type=int, default=300)
    given = arguments.parse_args()
    platform = Platform()
    health = str(platform.rest.base_url).removesuffix("/api/v1/") + "/healthz"
    batch = create_jobs(platform, given.jobs)
    try:
        assert len(platform.rest.get(PAGE).json()["data"]) == 50
        pairs = [
            (milliseconds(platform.rest, PAGE), milliseconds(platform.rest, health)) for _ in range(given.rounds + 10)
        ][10:]
    finally:
        delete_jobs(platform, batch)
    shown = Table(title=f"GET {PAGE} of {given.jobs} jobs, milliseconds (n = {given.rounds})")
    for heading in ("measure", "list", "healthz", "ratio", "bar"):
        shown.add_column(heading, justify="right")
    for name, share in (("p50", 0.5), ("p95", 0.95)):
        listed, floor = (percentile([pair[side] for pair in pairs], share) for side in (0, 1))
        bar = "" if name != "p50" else ("met" if listed <= P50_BAR_MS else f"missed: {P50_BAR_MS} ms")
        shown.add_row(name, f"{listed:.1f}", f"{floor:.1f}", f"{listed / floor:.1f}", bar)
    Console().print(shown)


if __name__ == "__main__":
    main()
