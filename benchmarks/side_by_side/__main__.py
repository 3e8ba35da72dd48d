"""Interleave the contenders and print one table."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from .bare_pods import BarePods, PodsByContainer
from .batch_jobs import BatchJobs
from .cluster import NAMESPACE, Cluster, running_cluster
from .contender import Contender
from .icefield_cold import IcefieldCold
from .icefield_warm import IcefieldWarm
from .prefect_worker.contender import PrefectWorker
from .prefect_worker.environment import PREFECT, PREFECT_KUBERNETES, Environment
from .prefect_worker.processes import Prefect, base_job_template
from .shapes import CHAIN, FAN_OUT, SHAPES, SINGLE, Shape

Seconds = dict[tuple[str, Shape], list[float]]
"""What was measured, by the contender's name and the shape."""
SETTLE_SECONDS = 2.0
"""After everything that the last measurement left is gone."""
POOLS = {2: (SINGLE, CHAIN), 10: (CHAIN,)}
"""Sizes of the warm pool, Icefield's default and as many as the chain needs, and what is measured with each."""
DEFAULTS, QUICK = (10.0, 5.0), (0.5, 0.5)
"""Seconds between two questions of Prefect's worker, and of run_deployment."""


@asynccontextmanager
async def prefect_contenders(cluster: Cluster, folder: Path) -> AsyncIterator[list[Contender]]:
    """Yield Prefect as it is by default, and with short intervals."""
    environment = Environment(folder, cluster.image)
    prefect = Prefect(environment)
    template = base_job_template(cluster.pod_spec(), environment.image, NAMESPACE)
    try:
        await asyncio.to_thread(environment.install)
        async with prefect.server(), prefect.client(template) as client:
            yield [
                PrefectWorker(cluster, prefect, client, "Prefect, default intervals", DEFAULTS, (SINGLE, CHAIN)),
                PrefectWorker(cluster, prefect, client, "Prefect, intervals of 0.5 s", QUICK),
            ]
    finally:
        await asyncio.to_thread(environment.remove_image)


@asynccontextmanager
async def entered(cluster: Cluster, names: Sequence[str]) -> AsyncIterator[list[Contender]]:
    """Yield the contenders whose names contain one of these words, all when there are none."""
    async with AsyncExitStack() as stack:
        found: list[Contender] = [
            BarePods(cluster),
            PodsByContainer(cluster),
            BatchJobs(cluster),
            IcefieldCold(cluster),
        ]
        found += [IcefieldWarm(cluster, pool, shapes) for pool, shapes in POOLS.items()]
        if not names or any("prefect".startswith(name.lower()) for name in names):
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="side-by-side-"))
            found += await stack.enter_async_context(prefect_contenders(cluster, Path(folder)))
        wanted = [each for each in found if not names or any(name.lower() in each.name.lower() for name in names)]
        for each in wanted:
            await stack.enter_async_context(each.running())
        yield wanted


def plan(contenders: Sequence[Contender], rounds: Mapping[Shape, int], slow: int) -> list[tuple[Contender, Shape]]:
    """Return what to measure: the rounds of each pair spread over the whole run, in random order otherwise.

    Args:
        contenders: all.
        rounds: how often each shape is measured.
        slow: how often at most those of Prefect are that take minutes.
    """
    placed = []
    for each in contenders:
        for shape in each.shapes:
            is_slow = isinstance(each, PrefectWorker) and shape is not SINGLE
            count = min(rounds[shape], slow) if is_slow else rounds[shape]
            placed += [((number + random.random()) / count, each, shape) for number in range(count)]  # noqa: S311
    return [(each, shape) for _, each, shape in sorted(placed, key=lambda place: place[0])]


async def measure(contender: Contender, shape: Shape) -> float | None:
    """Return the seconds of one measurement; None when it failed, which is printed."""
    seconds = None
    load = os.getloadavg()[0]
    try:
        await contender.prepare(shape)
        seconds = await contender.run(shape)
    except Exception as error:  # one that fails must not cost the others
        print(f"{contender.name}, {shape.name}: {error!r}", file=sys.stderr, flush=True)
    finally:
        await contender.clear()
    print(
        f"{contender.name}, {shape.name}: {seconds} s, load before {load:.1f}, after {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    await asyncio.sleep(SETTLE_SECONDS)
    return seconds


async def measure_all(rounds: Mapping[Shape, int], slow: int, names: Sequence[str], found: Seconds) -> None:
    """Add to `found` what is measured, so that an interrupted run shows what it has."""
    async with running_cluster() as cluster, entered(cluster, names) as contenders:
        for contender, shape in plan(contenders, rounds, slow):
            if (seconds := await measure(contender, shape)) is not None:
                found[contender.name, shape].append(seconds)


def table_of(found: Seconds) -> Table:
    """Return the medians, from the least to the most, and their ratios to those of bare pods."""
    table = Table(
        title="Submit to end seen: seconds (least-most), ratio of the medians to bare pods",
        caption=f"Prefect {PREFECT}, prefect-kubernetes {PREFECT_KUBERNETES}",
    )
    table.add_column("contender")
    for shape in SHAPES:
        table.add_column(shape.name, justify="right")
    for name in dict.fromkeys(name for name, _ in found):
        cells = []
        for shape in SHAPES:
            values, bare = found.get((name, shape), []), found.get((BarePods.name, shape), [])
            cells.append(_cell(values, bare))
        table.add_row(name, *cells)
    return table


def _cell(values: Sequence[float], bare: Sequence[float]) -> str:
    if not values:
        return "-"
    text = f"{median(values):.2f} ({min(values):.2f}-{max(values):.2f}, n={len(values)})"
    return f"{text}, {median(values) / median(bare):.2f}x" if bare else text


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(prog="python -m benchmarks.side_by_side")
    arguments.add_argument("--single", type=int, default=7, help="rounds of the single task")
    arguments.add_argument("--chain", type=int, default=3, help="rounds of the chain")
    arguments.add_argument("--fan-out", type=int, default=3, help="rounds of the fan-out")
    arguments.add_argument("--prefect", type=int, default=2, help="rounds at most of Prefect's chain and fan-out")
    arguments.add_argument("--only", nargs="+", default=[], help="words in the names of contenders")
    chosen = arguments.parse_args()
    rounds = {SINGLE: chosen.single, CHAIN: chosen.chain, FAN_OUT: chosen.fan_out}
    found: Seconds = defaultdict(list)
    try:
        asyncio.run(measure_all(rounds, chosen.prefect, chosen.only, found))
    finally:
        Console(width=200).print(table_of(found))


if __name__ == "__main__":
    main()
