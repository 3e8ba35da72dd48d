"""How long a Polars workload takes to its start without a warm pool, against a bare pod of the same image.

Both print the time when their Python runs: a script in its sandbox, and a bare pod that does nothing else. They take
turns: `eval "$(icefield env)"; python -m benchmarks.polars_cold`.
"""

from __future__ import annotations

import argparse
import secrets
import time
from statistics import median
from typing import Any

from kubernetes import client
from rich.console import Console
from rich.table import Table

from benchmarks.platform_under_test import NAMESPACE
from benchmarks.polars_under_test import PolarsPlatform

BAR_SECONDS = 2.0
NOW = "import time\nresult = pl.DataFrame({'at': [time.time_ns()]})"
ENDLESS = "import time\ntime.sleep(86400)"
PRINT_NOW = "import time; print(time.time_ns())"
POD_SECONDS = 60


def start_workload(platform: PolarsPlatform) -> float:
    """Return the seconds from sending POST to the time its script reads the clock."""
    sent = time.time_ns()
    [[at]] = platform.run_script(NOW)["results"]["rows"]
    return (int(at) - sent) / 1e9


def start_bare(platform: PolarsPlatform, spec: dict[str, Any]) -> float:
    """Return the seconds from sending `create pod` to the time its Python reads the clock."""
    name = f"bench-{secrets.token_hex(4)}"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
    sent = time.time_ns()
    platform.core.create_namespaced_pod(NAMESPACE, pod)
    platform.wait_for_pod(name)
    printed = int(platform.log_of(name))
    platform.delete_pod(name)
    return (printed - sent) / 1e9


def bare_spec(platform: PolarsPlatform) -> dict[str, Any]:
    """Return the spec of a sandbox's pod that prints the time instead."""
    body = {"mode": "script", "script": ENDLESS, "async": True}
    run_id = platform.rest.post("/warehouse/polars", json=body).raise_for_status().json()["run_id"]
    try:
        pod = _pod_of(platform, run_id)
    finally:
        platform.rest.post(f"/runs/{run_id}/cancel").raise_for_status()
    pod.spec.node_name = None
    spec: dict[str, Any] = client.ApiClient().sanitize_for_serialization(pod.spec)
    container = {**spec["containers"][0], "command": ["python", "-c", PRINT_NOW]}
    container.pop("readinessProbe", None)
    return {**spec, "containers": [container]}


def _pod_of(platform: PolarsPlatform, run_id: str) -> Any:
    deadline = time.monotonic() + POD_SECONDS
    selector = f"icefield.dev/run={platform.run_resource(run_id)['metadata']['name']}"
    while time.monotonic() < deadline:
        if found := platform.core.list_namespaced_pod(NAMESPACE, label_selector=selector).items:
            return found[0]
        time.sleep(0.2)
    raise TimeoutError(f"{run_id} has no pod after {POD_SECONDS} s")


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=10)
    rounds = arguments.parse_args().rounds
    platform = PolarsPlatform()
    before = platform.pool_size()
    platform.set_pool(0)
    try:
        spec = bare_spec(platform)
        pairs = [(start_workload(platform), start_bare(platform, spec)) for _ in range(rounds + 1)][1:]
    finally:
        platform.set_pool(before)
    ours, bare = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    shown = Table(title=f"A workload's start without a pool, seconds (medians, n = {rounds})")
    for column in ("measure", "POST to the script", "bare pod", "ratio", "more", "bar"):
        shown.add_column(column)
    more = f"{median(a - b for a, b in pairs):.2f}"
    shown.add_row("cold start", f"{ours:.2f}", f"{bare:.2f}", f"{ours / bare:.2f}", more, f"<= {BAR_SECONDS} more")
    Console().print(shown)


if __name__ == "__main__":
    main()
