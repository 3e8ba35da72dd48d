"""Run the rounds and print one table."""

from __future__ import annotations

import argparse
import asyncio
import os
from collections.abc import Iterable
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.sql_under_test import percentile
from icefield_kube.client import KubeClient, Manifest

from . import chains
from .chains import Burst
from .fake_nodes import HELD_TASK
from .site import APISERVER, NAMESPACE, OPERATOR, Site, running_site

CHAIN = [{"key": "first", "command": "true"}, {"key": "second", "command": "true", "depends_on": ["first"]}]
HELD = [{"key": HELD_TASK, "command": "sleep infinity"}, {"key": "after", "command": "true", "depends_on": [HELD_TASK]}]


async def task_pod_spec(site: Site, kubernetes: KubeClient, job: str) -> Manifest:
    """Return the spec of a task's pod, as it was before a node ran it."""
    await chains.chain_through_icefield(site, kubernetes, 1, job)
    pods = (await kubernetes.call("GET", f"/api/v1/namespaces/{NAMESPACE}/pods", query={"limit": "1"}))["items"]
    spec: Manifest = pods[0]["spec"]
    for key in ("nodeName", "tolerations", "priority"):
        spec.pop(key, None)
    await chains.clear(kubernetes)
    return spec


async def measure(site: Site, counts: Iterable[int], rounds: int, held: int) -> Table:
    """Return the table of all rounds."""
    os.environ["KUBECONFIG"] = str(site.control_plane.kubeconfig)
    kubernetes = await KubeClient.connect(120)
    table = Table(title="Runs of two tasks submitted at once (24 clients), against a script that chains bare pods")
    for heading in (
        "runs", "bare s", "Icefield s", "ratio", "runs/s", "operator CPU ms/run", "API CPU ms/run", "calls/run",
        "POST p50/p99 ms", "GET run p99 ms", "GET runs p99 ms",
    ):  # fmt: skip
        table.add_column(heading, justify="right")
    try:
        job = await chains.make_job(site, CHAIN)
        spec = await task_pod_spec(site, kubernetes, job)
        for count in counts:
            pairs = []
            for _ in range(rounds):
                bare = await chains.chain_bare(site, kubernetes, count, spec)
                await chains.clear(kubernetes)
                burst = await chains.chain_through_icefield(site, kubernetes, count, job)
                await chains.clear(kubernetes)
                pairs.append((bare, burst))
                _report("CPU ms of a bare chain", count, bare.cpu, 1000)
                _report("CPU ms of a run", count, burst.cpu, 1000)
                _report("calls of a run", count, burst.calls, 1)
            table.add_row(*_row(count, pairs))
        if held:
            each = await chains.memory_of_live_runs(site, kubernetes, held, await chains.make_job(site, HELD))
            table.caption = f"{held} runs that live: {each / 1000:.0f} kB of operator memory each"
    finally:
        await kubernetes.close()
    return table


def _report(title: str, count: int, measured: dict[str, float], unit: int) -> None:
    """Print the parts of what was measured of that many runs, the largest first."""
    each = sorted(((value * unit / count, name) for name, value in measured.items()), reverse=True)
    print(f"{title}:", ", ".join(f"{name} {value:.2f}" for value, name in each if value >= 0.01), flush=True)


def _row(count: int, pairs: list[tuple[Burst, Burst]]) -> list[str]:
    bursts = [burst for _, burst in pairs]
    bare, ours = median(bare.seconds for bare, _ in pairs), median(burst.seconds for burst in bursts)
    posts, reads, lists = (
        [took * 1000 for burst in bursts for took in getattr(burst, name)] for name in ("posts", "reads", "lists")
    )
    return [
        str(count),
        f"{bare:.1f}",
        f"{ours:.1f}",
        f"{median(burst.seconds / bare.seconds for bare, burst in pairs):.2f}",
        f"{count / ours:.1f}",
        f"{median(burst.cpu[OPERATOR] / count for burst in bursts) * 1000:.1f}",
        f"{median(burst.cpu[APISERVER] / count for burst in bursts) * 1000:.1f}",
        f"{median(calls_of(burst) for burst in bursts):.1f}",
        f"{percentile(posts, 0.5):.0f}/{percentile(posts, 0.99):.0f}",
        f"{percentile(reads, 0.99):.0f}",
        f"{percentile(lists, 0.99):.0f}",
    ]


def calls_of(burst: Burst) -> float:
    """Return the calls to Kubernetes of one run; reading a log is none, as it is one stream to the kubelet."""
    return sum(value for name, value in burst.calls.items() if not name.endswith("/log")) / burst.count


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.scale")
    arguments.add_argument("--runs", type=int, nargs="+", default=[500, 2000])
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--nodes", type=int, default=20)
    arguments.add_argument("--held", type=int, default=1000, help="runs that live, to measure the memory of")
    chosen = arguments.parse_args()
    with running_site(chosen.nodes) as site:
        table = asyncio.run(measure(site, chosen.runs, chosen.rounds, chosen.held))
    Console(width=180).print(table)


if __name__ == "__main__":
    main()
