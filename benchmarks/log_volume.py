"""Whether logs lose lines, and whether a noisy task delays a quiet one's: `python -m benchmarks.log_volume`.

One task prints numbered lines as fast as it can, another ten lines a second; meanwhile the operator is ended twice and
the object store is away for a minute. Then the archive must have every line once, in order; the command fails when it
has not. Run it in the environment of `eval "$(icefield env)"`; it needs the rights of an administrator of the cluster.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from statistics import median
from typing import Any

import botocore.session
import psutil
from kubernetes import client
from rich.console import Console
from rich.table import Table

from benchmarks.platform_under_test import Platform

SYSTEM = "icefield-system"
SAMPLE_SECONDS = 2.0
NOISY = (
    'python3 -c "import sys\nfor first in range(0, {lines}, 1000):\n'
    "    last = min(first + 1000, {lines})\n"
    "    sys.stdout.write(''.join('line %07d ' % n + 'x' * 60 + chr(10) for n in range(first, last)))\""
)
QUIET = "for n in $(seq {lines}); do echo $n; sleep 0.1; done"


class ObjectStore:
    """The platform's bucket."""

    def __init__(self, core: client.CoreV1Api) -> None:
        """Read the Secret of the platform."""
        secret = core.read_namespaced_secret("icefield-object-store", SYSTEM).data
        values = {key: base64.b64decode(value).decode() for key, value in secret.items()}
        self._bucket = values["bucket"]
        self._s3 = botocore.session.get_session().create_client(
            "s3",
            endpoint_url=values.get("externalEndpoint") or values["endpoint"],
            region_name=values["region"],
            aws_access_key_id=values["accessKeyId"],
            aws_secret_access_key=values["secretAccessKey"],
        )

    def parts(self, prefix: str) -> Iterator[tuple[datetime, list[dict[str, Any]]]]:
        """Yield each part of a log: when it was stored, and its lines."""
        for page in self._s3.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
            for item in page.get("Contents", []):
                if item["Key"].endswith(".jsonl.gz"):
                    body = self._s3.get_object(Bucket=self._bucket, Key=item["Key"])["Body"].read()
                    yield item["LastModified"], [json.loads(line) for line in gzip.decompress(body).splitlines()]

    def marker(self, prefix: str) -> dict[str, Any] | None:
        """Return what says that a log is complete; None while nothing does."""
        try:
            body = self._s3.get_object(Bucket=self._bucket, Key=f"{prefix}/_complete")["Body"].read()
        except Exception:  # the store is away, or the marker is not there yet
            return None
        marker: dict[str, Any] = json.loads(body)
        return marker


class Agent:
    """The log agent's process, where the cluster's node is this machine."""

    def __init__(self) -> None:
        """Start to sample."""
        self.cpu_seconds = 0.0
        self.peak_bytes = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End sampling."""
        self._stop.set()
        self._thread.join()

    def _sample(self) -> None:
        before: dict[int, float] = {}
        while not self._stop.wait(SAMPLE_SECONDS):
            for process in psutil.process_iter(["cmdline"]):
                if "icefield_operator.log_agent" not in (process.info["cmdline"] or ()):
                    continue
                try:
                    times = process.cpu_times()
                    self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)
                except psutil.NoSuchProcess:
                    continue
                used = times.user + times.system
                self.cpu_seconds += used - before.setdefault(process.pid, used)
                before[process.pid] = used


@contextmanager
def disturbances(platform: Platform, away_seconds: float) -> Iterator[None]:
    """End the operator twice, and take the object store away for a while between."""
    apps = client.AppsV1Api()

    def scale(replicas: int) -> None:
        apps.patch_namespaced_stateful_set_scale("icefield-object-store", SYSTEM, {"spec": {"replicas": replicas}})

    def end_operator() -> None:
        selector = "app.kubernetes.io/name=icefield-operator"
        platform.core.delete_collection_namespaced_pod(SYSTEM, label_selector=selector, grace_period_seconds=0)

    def disturb() -> None:
        time.sleep(5)
        end_operator()
        scale(0)
        try:
            time.sleep(away_seconds)
        finally:
            scale(1)
        end_operator()

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def log_prefix(platform: Platform, run_id: str, task: str) -> str:
    """Return where the log of a run's task is archived."""
    name = platform.rest.get(f"/runs/{run_id}").json()["name"]
    run: Any = platform.custom.get_namespaced_custom_object("icefield.dev", "v1alpha1", "icefield-demo", "runs", name)
    return f"logs/demo/{run['metadata']['uid']}/{task}/0"


def wait_for_marker(store: ObjectStore, prefix: str, patience: float) -> dict[str, Any]:
    """Wait until a log is complete."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if marker := store.marker(prefix):
            return marker
        time.sleep(5)
    raise TimeoutError(f"{prefix} was not complete within {patience} s")


def measure(lines: int, away_seconds: float, quiet_lines: int) -> Table:
    """Return the figures.

    Raises:
        RuntimeError: lines are missing, doubled or out of order.
    """
    platform = Platform()
    store = ObjectStore(platform.core)
    tasks = [
        {"key": "noisy", "command": NOISY.format(lines=lines)},
        {"key": "quiet", "command": QUIET.format(lines=quiet_lines)},
    ]
    agent = Agent()
    started = time.monotonic()
    run_id = platform.start_run(platform.create_job(tasks))
    with disturbances(platform, away_seconds):
        time.sleep(2)
        prefixes = {key: log_prefix(platform, run_id, key) for key in ("noisy", "quiet")}
    markers = {key: wait_for_marker(store, prefix, 900) for key, prefix in prefixes.items()}
    took = time.monotonic() - started
    agent.stop()
    found = [line for _, part in store.parts(prefixes["noisy"] + "/") for line in part]
    numbers = [int(line["message"][5:12]) for line in found if not line.get("gap")]
    if numbers != list(range(lines)) or any(marker.get("lost") for marker in markers.values()):
        wrong = next((i for i, n in enumerate(numbers) if n != i), len(numbers))
        raise RuntimeError(f"{len(numbers)} of {lines} lines, the first wrong one at {wrong}; markers {markers}")
    times = [datetime.fromisoformat(line["timestamp"]).timestamp() for line in (found[0], found[-1])]
    delays = sorted(
        stored.timestamp() - datetime.fromisoformat(line["timestamp"]).timestamp()
        for stored, part in store.parts(prefixes["quiet"] + "/")
        for line in part
    )
    table = Table("figure", "value", title=f"{lines:,} lines, all archived once and in order")
    table.add_row("printed at, lines/s", f"{lines / max(times[1] - times[0], 0.001):,.0f}")
    table.add_row("archived after, s from the start", f"{took:.0f}")
    table.add_row("agent: CPU s", f"{agent.cpu_seconds:.1f}")
    table.add_row("agent: peak memory, MiB", f"{agent.peak_bytes / 2**20:.0f}")
    table.add_row("quiet task: lines", str(len(delays)))
    table.add_row("quiet task: delay in the archive, s, p50", f"{median(delays):.1f}")
    table.add_row("quiet task: delay in the archive, s, max", f"{delays[-1]:.1f}")
    return table


def main() -> None:
    """Print one table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--away-seconds", type=float, default=60.0, help="how long the object store is away")
    parser.add_argument("--quiet-lines", type=int, default=600)
    arguments = parser.parse_args()
    try:
        Console().print(measure(arguments.lines, arguments.away_seconds, arguments.quiet_lines))
    except RuntimeError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
