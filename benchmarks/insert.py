"""A small INSERT through the API against the same INSERT sent straight to Spark Connect in the same pod.

Each side has a table of its own, and they take turns: `eval "$(icefield env)"; python -m benchmarks.insert`.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median

from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from benchmarks.platform_under_test import NAMESPACE
from benchmarks.sql_under_test import WORKSPACE, SqlPlatform, percentile

SPARK_CONNECT_PORT = 15002
BAR = 1.15


def pod_of(warehouse: str) -> str:
    """Return the name of the pod that takes the warehouse's statements."""
    arguments = [
        "--namespace",
        NAMESPACE,
        "get",
        "warehouse.icefield.dev",
        warehouse,
        "-o",
        "jsonpath={.status.podName}",
    ]
    return subprocess.run(["kubectl", *arguments], check=True, capture_output=True, text=True).stdout


@contextmanager
def bare_spark(pod: str) -> Iterator[SparkSession]:
    """Connect to the Spark that the warehouse's own gateway talks to."""
    forward = subprocess.Popen(
        ["kubectl", "--namespace", NAMESPACE, "port-forward", f"pod/{pod}", f":{SPARK_CONNECT_PORT}"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert forward.stdout is not None
        port = forward.stdout.readline().split(" -> ")[0].rpartition(":")[2]
        session = SparkSession.builder.remote(f"sc://127.0.0.1:{port}").getOrCreate()
        yield session
        session.stop()
    finally:
        forward.terminate()
        forward.wait(10)


def run_bare(spark: SparkSession, query: str) -> None:
    """Run a statement and wait for its end."""
    spark.sql(query).collect()


def seconds(call: Callable[[], object]) -> float:
    """Return how long a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def measure(rounds: int) -> list[tuple[float, float]]:
    """Return the seconds through the API and bare, one pair a round after three to warm up."""
    platform = SqlPlatform()
    platform.warm_up()
    database = platform.create_database()
    for table in ("ours", "bare"):
        platform.execute(f"CREATE TABLE {database}.{table} (id BIGINT, name STRING)")
    pairs = []
    with bare_spark(pod_of(platform.warehouse)) as spark:
        for n in range(rounds + 3):
            through_api = f"INSERT INTO {database}.ours VALUES ({n}, 'row')"
            bare = f"INSERT INTO {WORKSPACE}.{database}.bare VALUES ({n}, 'row')"
            ours = seconds(partial(platform.execute, through_api))
            pairs.append((ours, seconds(partial(run_bare, spark, bare))))
    for table in ("ours", "bare"):
        assert platform.execute(f"SELECT count(*) FROM {database}.{table}")["rows"] == [[rounds + 3]]
    return pairs[3:]


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=30)
    pairs = measure(arguments.parse_args().rounds)
    table = Table(title=f"INSERT of one row, seconds (n = {len(pairs)})")
    for column in ("measure", "POST /sql/execute", "bare Spark Connect", "ratio", "bar"):
        table.add_column(column)
    ours, bare = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    table.add_row("p50", f"{ours:.3f}", f"{bare:.3f}", f"{ours / bare:.3f}", f"<= {BAR}")
    ours, bare = (percentile([pair[side] for pair in pairs], 0.95) for side in (0, 1))
    table.add_row("p95", f"{ours:.3f}", f"{bare:.3f}", f"{ours / bare:.3f}", "")
    Console().print(table)


if __name__ == "__main__":
    main()
