"""How long the graph around a table takes, when it has ten thousand edges, in the database and as JSON.

Peer: one SELECT of the same edges, in the same run. The database must be empty: lineage tables are made and dropped.
`python -m benchmarks.lineage_graph postgresql+psycopg://…`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta
from statistics import median
from typing import NamedTuple

from rich.console import Console
from rich.table import Table
from sqlalchemy import insert, select

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import Base, complete_metadata, now
from icefield_apiserver.features.lineage.graph import MAX_EDGES, Direction, GraphNode
from icefield_apiserver.features.lineage.graph_store import LineageGraphStore
from icefield_apiserver.features.lineage.models import LineageEdge, LineageTable
from icefield_apiserver.features.lineage.schemas import graph_json

BAR_SECONDS = 0.3
WORKSPACE, OTHER = str(uuid.uuid4()), str(uuid.uuid4())
LEVELS, SOURCES = 5, 4
TABLES = MAX_EDGES // SOURCES
"""Each table is made of so many of the level above it."""


def uuid_of(level: int, number: int) -> str:
    """Return the identity of a table."""
    return str(uuid.uuid5(uuid.UUID(WORKSPACE), f"{level}/{number}"))


def edges_of(workspace: str) -> list[dict[str, object]]:
    """Return rows of ten thousand edges: one table of many, and each of these of some of a level above."""
    wide = TABLES // LEVELS
    pairs = [(uuid_of(1, number), uuid_of(0, 0)) for number in range(wide)]
    for level in range(1, LEVELS + 1):
        pairs += [
            (uuid_of(level + 1, (number * SOURCES + source) % wide), uuid_of(level, number))
            for number in range(wide)
            for source in range(SOURCES)
        ]
    moment = now()
    return [
        {
            "workspace_uid": workspace,
            "source_uuid": source,
            "target_uuid": target,
            "inferred": False,
            "last_at": moment - timedelta(seconds=number),
            "last_run_uid": str(uuid.uuid4()),
            "last_statement_id": f"stmt_{number:032x}",
        }
        for number, (source, target) in enumerate(pairs[:MAX_EDGES])
    ]


async def fill(db: Database) -> None:
    """Make the tables of lineage, with the edges of two workspaces."""
    tables = [table for table in complete_metadata().sorted_tables if table.name.startswith("lineage")]
    async with db.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all, tables)
        await connection.run_sync(Base.metadata.create_all, tables)
    async with db.session() as session:
        for workspace in (WORKSPACE, OTHER):
            edges = edges_of(workspace)
            await session.execute(insert(LineageEdge), edges)
            uuids = sorted({str(edge[end]) for edge in edges for end in ("source_uuid", "target_uuid")})
            table = {"workspace_uid": workspace, "is_view": False, "is_name_only": False, "seen_at": now()}
            rows = [{**table, "uuid": each, "name": f"acme.s.t{number}"} for number, each in enumerate(uuids)]
            await session.execute(insert(LineageTable), rows)


class Took(NamedTuple):
    """How long something took, and how long this process worked for it, in seconds."""

    wall: float
    cpu: float


async def seconds(work: Callable[[], Awaitable[int]]) -> Took:
    """Return how long something takes that must return the number of all edges."""
    began, worked = time.perf_counter(), time.process_time()
    found = await work()
    took = Took(time.perf_counter() - began, time.process_time() - worked)
    if found != MAX_EDGES:
        raise ValueError(f"{found} edges instead of {MAX_EDGES}")
    return took


async def measure(url: str, rounds: int) -> tuple[list[Took], list[Took]]:
    """Return the seconds of the graph, and of the SELECT, in turns."""
    graphs: list[Took] = []
    selects: list[Took] = []
    async with Database.open(url) as db:
        await fill(db)
        start = GraphNode(uuid_of(0, 0), "acme.s.start", False, False)

        async def graph() -> int:
            found = await LineageGraphStore(db).around(WORKSPACE, start, [start.uuid], Direction.UPSTREAM, 20)
            graph_json(found, 20, Direction.UPSTREAM)
            return len(found.edges)

        async def plain_select() -> int:
            async with db.session() as session:
                query = select(LineageEdge.__table__).where(LineageEdge.workspace_uid == WORKSPACE)
                return len((await session.execute(query)).all())

        await graph()
        gc.freeze()  # as the server does once it has started
        await plain_select()
        for _ in range(rounds):
            graphs.append(await seconds(graph))
            selects.append(await seconds(plain_select))
    return graphs, selects


def main() -> None:
    """Measure and print one table."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("url")
    arguments.add_argument("--rounds", type=int, default=20)
    given = arguments.parse_args()
    graphs, selects = asyncio.run(measure(given.url, given.rounds))
    table = Table(title=f"{MAX_EDGES} edges, median of {given.rounds}; bar {BAR_SECONDS * 1000:.0f} ms")
    for column in ("", "median, ms", "slowest, ms", "of that CPU of this process, ms"):
        table.add_column(column, justify="right")
    for name, taken in (("the graph", graphs), ("a SELECT of its edges", selects)):
        walls, cpus = [each.wall * 1000 for each in taken], [each.cpu * 1000 for each in taken]
        table.add_row(name, f"{median(walls):.0f}", f"{max(walls):.0f}", f"{median(cpus):.0f}")
    Console().print(table)
    ratio = median(each.wall for each in graphs) / median(each.wall for each in selects)
    cpu_ratio = median(each.cpu for each in graphs) / median(each.cpu for each in selects)
    Console().print(f"Ratio: {ratio:.1f}, of the CPU {cpu_ratio:.1f}")


if __name__ == "__main__":
    main()
