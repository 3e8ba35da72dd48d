"""What Icefield adds to bare pods: to the start of one task, and to a chain of ten.

Both sides of each pair run one after the other, interleaved, on the same cluster with an identical pod spec, and what
counts is the ratio: `eval "$(icefield env)"; python -m benchmarks.run_overhead`.
"""

from __future__ import annotations

import argparse
import time
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.platform_under_test import Platform

PRINT_TIME = "date +%s%N"
CHAIN_LENGTH = 10


def start_through_icefield(platform: Platform, job_id: str) -> float:
    """Return the seconds from sending POST run to the time the task prints."""
    sent = time.time_ns()
    run = platform.wait_for_run(platform.start_run(job_id))
    return (int(platform.log_of(run["status"]["tasks"][0]["attempts"][0]["podName"])) - sent) / 1e9


def start_bare(platform: Platform, spec: dict[str, Any]) -> float:
    """Return the seconds from sending `create pod` to the time its process prints."""
    sent = time.time_ns()
    pod = platform.create_pod(spec, PRINT_TIME)
    platform.wait_for_pod(pod)
    printed = int(platform.log_of(pod))
    platform.delete_pod(pod)
    return (printed - sent) / 1e9


def chain_through_icefield(platform: Platform, job_id: str) -> float:
    """Return the seconds from sending POST run until a watching client sees the chain's end."""
    sent = time.monotonic()
    platform.wait_for_run(platform.start_run(job_id))
    return time.monotonic() - sent


def chain_bare(platform: Platform, spec: dict[str, Any]) -> float:
    """Return the seconds a script takes that watches each bare pod end and creates the next."""
    sent = time.monotonic()
    pods = []
    for _ in range(CHAIN_LENGTH):
        pods.append(platform.create_pod(spec, "true"))
        platform.wait_for_pod(pods[-1])
    took = time.monotonic() - sent
    for pod in pods:
        platform.delete_pod(pod)
    return took


def measure_start(platform: Platform, rounds: int) -> list[tuple[float, float]]:
    """Return the seconds to the start of a task, through Icefield and bare, one pair a round after one to warm up."""
    job_id = platform.create_job([{"key": "noop", "command": PRINT_TIME}])
    with platform.pod_spec() as spec:
        pairs = [(start_through_icefield(platform, job_id), start_bare(platform, spec)) for _ in range(rounds + 1)]
    return pairs[1:]


def measure_chain(platform: Platform, rounds: int) -> list[tuple[float, float]]:
    """Return the seconds a chain takes, through Icefield and bare, one pair a round."""
    job_id = platform.create_job(
        [{"key": f"t{n}", "command": "true", "depends_on": [f"t{n - 1}"] if n else []} for n in range(CHAIN_LENGTH)]
    )
    with platform.pod_spec() as spec:
        return [(chain_through_icefield(platform, job_id), chain_bare(platform, spec)) for _ in range(rounds)]


def main() -> None:
    """Measure both and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--start-rounds", type=int, default=20)
    arguments.add_argument("--chain-rounds", type=int, default=5)
    chosen = arguments.parse_args()
    platform = Platform()
    table = Table(title="Overhead of a run against bare pods (medians)")
    for column in ("measure", "n", "Icefield s", "bare s", "ratio", "bar"):
        table.add_column(column)
    for name, bar, pairs in (
        ("POST run to process start", 1.25, measure_start(platform, chosen.start_rounds)),
        (f"chain of {CHAIN_LENGTH}, POST to end seen", 1.15, measure_chain(platform, chosen.chain_rounds)),
    ):
        ours, bare = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        table.add_row(name, str(len(pairs)), f"{ours:.3f}", f"{bare:.3f}", f"{ours / bare:.3f}", f"<= {bar}")
    Console().print(table)


if __name__ == "__main__":
    main()
