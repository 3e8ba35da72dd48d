"""TPC-H Q1 and Q6 in a sandbox against Polars in this process, on the same Iceberg table of the same object store.

What counts is the time inside the sandbox, once the workload has started: from reading the table's metadata to the
rows. Both sides run the same script with two threads, in turns. The table is written once, by benchmarks.tpch.
`eval "$(icefield env)"; python -m benchmarks.polars_tpch`.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.polars_under_test import InProcess, PolarsPlatform
from benchmarks.sql_under_test import SqlPlatform
from benchmarks.tpch import load

BAR = 1.2
TOLERANCE = 1e-6
BEGIN = """
from datetime import date
lineitem = scan(params["lineitem"]).with_columns(
    pl.col("l_quantity", "l_extendedprice", "l_discount", "l_tax").cast(pl.Float64)
)
price, discount, tax = pl.col("l_extendedprice"), pl.col("l_discount"), pl.col("l_tax")
"""
Q1 = f"""{BEGIN}
result = (
    lineitem.filter(pl.col("l_shipdate") <= date(1998, 9, 2))
    .group_by("l_returnflag", "l_linestatus")
    .agg(
        pl.sum("l_quantity").alias("sum_qty"),
        price.sum().alias("sum_base_price"),
        (price * (1 - discount)).sum().alias("sum_disc_price"),
        (price * (1 - discount) * (1 + tax)).sum().alias("sum_charge"),
        pl.mean("l_quantity").alias("avg_qty"),
        price.mean().alias("avg_price"),
        discount.mean().alias("avg_disc"),
        pl.len().alias("count_order"),
    )
    .sort("l_returnflag", "l_linestatus")
)
"""
Q6 = f"""{BEGIN}
result = lineitem.filter(
    pl.col("l_shipdate").is_between(date(1994, 1, 1), date(1995, 1, 1), closed="left"),
    discount.is_between(0.05, 0.07),
    pl.col("l_quantity") < 24,
).select((price * discount).sum().alias("revenue"))
"""


def in_sandbox(platform: PolarsPlatform, script: str, table: str) -> tuple[float, list[list[Any]]]:
    """Run a script in a sandbox; return the seconds that it took there, and its rows."""
    response = platform.run_script(script, params={"lineitem": table})
    outcome = platform.run_resource(response["run_id"])["status"]["polars"]
    return outcome["executionMilliseconds"] / 1000, response["results"]["rows"]


def in_process(peer: InProcess, script: str, table: str) -> tuple[float, list[tuple[Any, ...]]]:
    """Run a script in this process; return the seconds that it took, and its rows."""
    started = time.perf_counter()
    rows = peer.run_script(script, {"lineitem": table}).rows()
    return time.perf_counter() - started, rows


def assert_same(name: str, ours: Sequence[Sequence[Any]], theirs: Sequence[Sequence[Any]]) -> None:
    """Compare rows; sums of floats depend on their order in the last digits."""
    assert len(ours) == len(theirs), f"{name}: {len(ours)} rows, not {len(theirs)}"
    for one, other in zip(ours, theirs, strict=True):
        for a, b in zip(one, other, strict=True):
            is_same = math.isclose(a, b, rel_tol=TOLERANCE) if isinstance(b, float) else a == b
            assert is_same, f"{name}: {one} is not {other}"


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--scale", default="1")
    arguments.add_argument("--rounds", type=int, default=7)
    chosen = arguments.parse_args()
    lineitem = f"{load(SqlPlatform(), chosen.scale)}.lineitem"
    platform, peer = PolarsPlatform(), InProcess(lineitem)
    shown = Table(title=f"TPC-H, scale factor {chosen.scale}, seconds (medians of {chosen.rounds}); results compared")
    for column in ("query", "in a sandbox", "in-process Polars", "ratio", "bar"):
        shown.add_column(column)
    for name, script in (("q01", Q1), ("q06", Q6)):
        assert_same(name, in_sandbox(platform, script, lineitem)[1], in_process(peer, script, lineitem)[1])
        pairs = [
            (in_sandbox(platform, script, lineitem)[0], in_process(peer, script, lineitem)[0])
            for _ in range(chosen.rounds)
        ]
        ours, bare = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
        shown.add_row(name, f"{ours:.3f}", f"{bare:.3f}", f"{ours / bare:.2f}", f"<= {BAR}")
    Console().print(shown)


if __name__ == "__main__":
    main()
