"""How long no operator acts when the one that leads is killed: `python -m benchmarks.scale.takeover`.

Two operators as shipped (`lease_seconds`), the one that leads is killed with SIGKILL, and a run is created. What counts
is the time from the kill until the run is answered, so the list that the next leader begins with is part of it. Then
another operator is started, which stands by for the next round.
"""

from __future__ import annotations

import argparse
import time
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table
from tests.kubernetes_client import RUNS, KubernetesClient

from icefield_cluster import processes
from icefield_crds.names import API_VERSION

from .site import NAMESPACE, Program, Site, running_site

BAR_SECONDS = 15
TIMEOUT_SECONDS = 120


def is_answered(client: KubernetesClient, name: str) -> bool:
    """Return whether an operator has looked at a run."""
    try:
        return bool(client.get(RUNS, name, NAMESPACE).get("status", {}).get("conditions"))
    except httpx.TransportError:
        return False


def take_over(site: Site, leader: Program, number: int) -> float:
    """Kill the operator that leads, and return the seconds until another has answered a new run."""
    name = f"takeover-{number}"
    start = time.monotonic()
    leader.process.kill()
    leader.process.wait(30)
    run = {"apiVersion": API_VERSION, "kind": "Run", "metadata": {"name": name, "namespace": NAMESPACE}}
    site.kubernetes.create(run | {"spec": {"command": "true"}})
    processes.wait_until(
        "an answer of the next operator", [], lambda: is_answered(site.kubernetes, name), timeout=TIMEOUT_SECONDS
    )
    return time.monotonic() - start


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.scale.takeover", description=__doc__)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    seconds = []
    with running_site(nodes=0) as site:
        leader, standby = site.operator, site.start_operator()
        for number in range(chosen.rounds):
            seconds.append(take_over(site, leader, number))
            leader, standby = standby, site.start_operator()
    table = Table(title="From the kill of the operator that leads until the next one has answered a run")
    for heading in ("n", "least s", "median s", "most s", "bar"):
        table.add_column(heading, justify="right")
    table.add_row(
        str(len(seconds)), f"{min(seconds):.1f}", f"{median(seconds):.1f}", f"{max(seconds):.1f}", f"<= {BAR_SECONDS} s"
    )
    Console().print(table)


if __name__ == "__main__":
    main()
