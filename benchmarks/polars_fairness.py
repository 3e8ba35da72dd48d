"""Fifty Polars workloads at once, of two workspaces with four warm sandboxes each: do all end, and in a fair order?

One workspace sends all of its Runs before the other does. The lead is how many more of one workspace had ended than of
the other, at the worst moment; with turns taken it is small, served in the order of arrival it is half of them all.
`eval "$(icefield env)"; python -m benchmarks.polars_fairness`.
"""

from __future__ import annotations

import argparse
import secrets
import time
from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from operator import itemgetter
from statistics import median
from typing import Any

from kubernetes.client import ApiException
from rich.console import Console
from rich.table import Table

from benchmarks.platform_under_test import GROUP, VERSION
from benchmarks.polars_under_test import POOL_SECONDS, WORKSPACE, PolarsPlatform

POOL = 4
WORKLOADS = 50
END_SECONDS = 900
SCRIPT = "result = pl.DataFrame({'n': [params['n']]})"
END = ("success", "failed", "cancelled")


def make_workspace(platform: PolarsPlatform) -> str:
    """Create a second workspace, wait until it is ready, and return its name."""
    name = f"bench-{secrets.token_hex(3)}"
    body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "Workspace", "metadata": {"name": name}, "spec": {}}
    platform.custom.create_cluster_custom_object(GROUP, VERSION, "workspaces", body)
    deadline = time.monotonic() + POOL_SECONDS
    while time.monotonic() < deadline:
        found = platform.custom.get_cluster_custom_object(GROUP, VERSION, "workspaces", name)
        conditions = found.get("status", {}).get("conditions", ())
        if any(each["type"] == "Ready" and each["status"] == "True" for each in conditions):
            return name
        time.sleep(0.2)
    raise TimeoutError(f"workspace {name} is not ready after {POOL_SECONDS} s")


def submit(platform: PolarsPlatform, workspace: str, count: int) -> list[str]:
    """Create Runs of a workspace and return their names."""
    names = []
    for n in range(count):
        run = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": "Run",
            "metadata": {"name": f"bench-{secrets.token_hex(4)}"},
            "spec": {"polars": {"script": SCRIPT, "params": {"n": n}}},
        }
        platform.custom.create_namespaced_custom_object(GROUP, VERSION, f"icefield-{workspace}", "runs", run)
        names.append(run["metadata"]["name"])
    return names


def warm_up(platform: PolarsPlatform, workspace: str) -> None:
    """Fill a workspace's pool, which a first workload asks for."""
    platform.patch_workspace({"quotas": {"maxRunningRuns": POOL}}, workspace)
    platform.set_pool(POOL, workspace)
    wait(platform, workspace, submit(platform, workspace, 1))
    platform.wait_for_warm(POOL, f"icefield-{workspace}")


def wait(platform: PolarsPlatform, workspace: str, names: Sequence[str]) -> list[dict[str, Any]]:
    """Wait until Runs have ended, and return them."""
    deadline, wanted = time.monotonic() + END_SECONDS, set(names)
    while time.monotonic() < deadline:
        listed = platform.custom.list_namespaced_custom_object(GROUP, VERSION, f"icefield-{workspace}", "runs")["items"]
        runs = [run for run in listed if run["metadata"]["name"] in wanted]
        if all(run.get("status", {}).get("phase") in END for run in runs):
            return runs
        time.sleep(0.5)
    raise TimeoutError(f"runs of {workspace} have not ended after {END_SECONDS} s")


def largest_lead(ends: Sequence[tuple[str, str]], first: str) -> int:
    """Return by how many ends one workspace was ahead of the other at the worst moment.

    Args:
        ends: (time, workspace) of each end; those of one time count as one moment.
        first: one of the two workspaces.
    """
    lead = worst = 0
    for _, moment in groupby(sorted(ends), key=itemgetter(0)):
        lead += sum(1 if workspace == first else -1 for _, workspace in moment)
        worst = max(worst, abs(lead))
    return worst


def measure(platform: PolarsPlatform, other: str, shown: Table) -> None:
    """Send all workloads, wait for their end, and add a row for each workspace."""
    workspaces = (WORKSPACE, other)
    for workspace in workspaces:
        warm_up(platform, workspace)
    started = time.monotonic()
    names = {workspace: submit(platform, workspace, WORKLOADS // 2) for workspace in workspaces}
    ended = {workspace: wait(platform, workspace, names[workspace]) for workspace in workspaces}
    took = time.monotonic() - started
    ends = [(run["status"]["completionTime"], workspace) for workspace in workspaces for run in ended[workspace]]
    lead = f"{largest_lead(ends, WORKSPACE)} of {WORKLOADS}"
    for place, workspace in enumerate(workspaces):
        runs = ended[workspace]
        good = sum(run["status"]["phase"] == "success" for run in runs)
        waited = median(_waited(run) for run in runs)
        last = (f"{took:.1f}", lead) if place == len(workspaces) - 1 else ("", "")
        name = "first to send" if workspace == WORKSPACE else "second to send"
        shown.add_row(name, str(len(runs)), str(good), f"{waited:.1f}", *last, f"all {len(runs)} succeed")


def _waited(run: dict[str, Any]) -> float:
    created = datetime.fromisoformat(run["metadata"]["creationTimestamp"])
    return (datetime.fromisoformat(run["status"]["completionTime"]) - created).total_seconds()


def main() -> None:
    """Measure and print one table."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    platform = PolarsPlatform()
    before = platform.custom.get_cluster_custom_object(GROUP, VERSION, "workspaces", WORKSPACE)["spec"]
    shown = Table(title=f"{WORKLOADS} workloads at once of two workspaces, pools of {POOL}, seconds")
    for column in ("workspace", "sent", "succeeded", "median POST to end", "all ended after", "largest lead", "bar"):
        shown.add_column(column)
    other = make_workspace(platform)
    try:
        measure(platform, other, shown)
    finally:
        platform.patch_workspace({"quotas": before["quotas"], "sandboxes": before["sandboxes"]})
        try:
            platform.custom.delete_cluster_custom_object(GROUP, VERSION, "workspaces", other)
        except ApiException as error:
            Console(stderr=True).print(f"workspace {other} was not deleted: {error.reason}")
    Console().print(shown)


if __name__ == "__main__":
    main()
