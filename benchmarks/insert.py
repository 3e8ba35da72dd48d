"""A small INSERT through the API against the same INSERT sent straight to Spark Connect in the same pod; a data frame.

Each side has a table of its own, and they take turns; in between, the published client writes data frames:
`eval "$(icefield env)"; python -m benchmarks.insert`.
"""

from __future__ import annotations

import argparse
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from statistics import median

import pandas as pd
import polnor
from pyspark.sql import SparkSession
from rich.console import Console
from rich.table import Table

from benchmarks.platform_under_test import NAMESPACE
from benchmarks.sql_under_test import WORKSPACE, SqlPlatform, percentile

SPARK_CONNECT_PORT = 15002
BAR = 0.3
FRAME_ROWS = 20_000
FRAME_BAR_SECONDS = 3.0
ROUNDS_A_FRAME = 10
"""After so many INSERTs a data frame is written."""


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


def frame() -> pd.DataFrame:
    """Return the rows that the client writes."""
    numbers = range(FRAME_ROWS)
    return pd.DataFrame(
        {
            "id": numbers,
            "name": [f"name {n}" for n in numbers],
            "ratio": [n / 7 for n in numbers],
            "seen_at": pd.date_range("2024-01-01", periods=FRAME_ROWS, freq="min"),
        }
    )


def measure(rounds: int) -> tuple[list[tuple[float, float]], list[float]]:
    """Return the seconds through the API and bare, a pair a round after three to warm up, and those of data frames."""
    platform = SqlPlatform()
    platform.warm_up()
    database = platform.create_database()
    for table in ("ours", "bare"):
        platform.execute(f"CREATE TABLE {database}.{table} (id BIGINT, name STRING)")
    platform.execute(f"CREATE TABLE {database}.frames (id BIGINT, name STRING, ratio DOUBLE, seen_at TIMESTAMP)")
    rows, pairs, frames = frame(), [], []
    write_frame = partial(polnor.write_pandas, rows, f"{database}.frames", warehouse_id=platform.warehouse)
    with bare_spark(pod_of(platform.warehouse)) as spark:
        for n in range(rounds + 3):
            through_api = f"INSERT INTO {database}.ours VALUES ({n}, 'row')"
            bare = f"INSERT INTO {WORKSPACE}.{database}.bare VALUES ({n}, 'row')"
            ours = seconds(partial(platform.execute, through_api))
            pairs.append((ours, seconds(partial(run_bare, spark, bare))))
            if n % ROUNDS_A_FRAME == 0:
                frames.append(seconds(write_frame))
    for table in ("ours", "bare"):
        assert platform.execute(f"SELECT count(*) FROM {database}.{table}")["rows"] == [[rounds + 3]]
    assert platform.execute(f"SELECT count(*) FROM {database}.frames")["rows"] == [[FRAME_ROWS * len(frames)]]
    return pairs[3:], frames


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=30)
    pairs, frames = measure(arguments.parse_args().rounds)
    table = Table(title=f"INSERT of one row, seconds (n = {len(pairs)})")
    for column in ("measure", "POST /sql/execute", "bare Spark Connect", "ratio", "bar"):
        table.add_column(column)
    ours, bare = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    table.add_row("p50", f"{ours:.3f}", f"{bare:.3f}", f"{ours / bare:.3f}", f"<= {BAR}")
    ours, bare = (percentile([pair[side] for pair in pairs], 0.95) for side in (0, 1))
    table.add_row("p95", f"{ours:.3f}", f"{bare:.3f}", f"{ours / bare:.3f}", "")
    Console().print(table)
    Console().print(
        f"write_pandas of {FRAME_ROWS} rows: {median(frames):.2f} s (n = {len(frames)}), bar <= {FRAME_BAR_SECONDS} s"
    )


if __name__ == "__main__":
    main()
