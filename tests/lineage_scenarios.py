"""What happens to tables, and the edges that follow: lineage_scenarios.yaml, recorded into a database and read back."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml

from icefield_apiserver.core.db import Database
from icefield_apiserver.core.db.base import Base, complete_metadata, now
from icefield_apiserver.core.kube.indexes import BY_NAME
from icefield_apiserver.core.kube.store import Store
from icefield_apiserver.core.kube.workspaces import WorkspaceDirectory
from icefield_apiserver.features.lineage.neighbours import LineageNeighbour
from icefield_apiserver.features.lineage.recorder import CommittedTable, LineageRecorder
from icefield_apiserver.features.lineage.store import LineageStore
from icefield_apiserver.features.lineage.units import (
    CatalogUnit,
    Dataset,
    ReadDataset,
    StatementAccess,
    unit_id,
    uuid_of_name,
)
from icefield_crds import Workspace

SCENARIOS: list[dict[str, Any]] = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text())
WORKSPACE, RUN = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


@asynccontextmanager
async def recorded(url: str) -> AsyncIterator[tuple[LineageRecorder, LineageStore, Database]]:
    """A recorder for the workspace acme into a database, and what reads that; lineage is all that it has."""
    workspaces: Store[Workspace] = Store(Workspace, BY_NAME)
    made = {"metadata": {"name": "acme", "uid": WORKSPACE, "resourceVersion": "1"}, "spec": {}}
    workspaces.put(Workspace.model_validate(made))
    tables = [table for table in complete_metadata().sorted_tables if table.name.startswith("lineage")]
    async with Database.open(url) as db:
        async with db.engine.begin() as connection:
            await connection.run_sync(Base.metadata.drop_all, tables)
            await connection.run_sync(Base.metadata.create_all, tables)
        yield LineageRecorder(db, WorkspaceDirectory(workspaces)), LineageStore(db), db


class Tables:
    """The tables of a catalog by name, and everything that a scenario does with them."""

    def __init__(self, recorder: LineageRecorder, db: Database) -> None:
        self.recorder, self.db = recorder, db
        self.here: dict[str, Dataset] = {}
        self.statements = 0

    async def happen(self, event: dict[str, Any]) -> None:
        """Have one event happen."""
        verb = next(iter(event))
        await getattr(self, f"_{verb}")(event[verb], event)
        await asyncio.sleep(0.001)  # no two events at one moment

    async def _create(self, name: str, event: dict[str, Any]) -> None:
        view = self._made(name, event)
        if names := event.get("names"):
            await self.recorder.view_defined(WORKSPACE, view, [self.here[each] for each in names], None)

    def _made(self, name: str, event: dict[str, Any]) -> Dataset:
        made = Dataset(str(uuid.uuid4()), f"acme.s.{name}", bool(event.get("view")))
        return self.here.setdefault(name, made)

    async def _sql(self, target: str | None, event: dict[str, Any]) -> None:
        sources = [ReadDataset(self.here[name]) for name in event["reads"]]
        for view, names in event.get("through", {}).items():
            sources += [ReadDataset(self.here[name], f"acme.s.{view}") for name in names]
        targets = () if target is None else (self._made(target, event),)
        await self._end(
            read=tuple((each.dataset.name, 1) for each in sources),
            written=tuple((each.name, 2) for each in targets),
            sources=tuple(sources) if targets else (),
            seen_at=now() - timedelta(milliseconds=1),
            targets=targets,
            changed=frozenset(each.uuid for each in targets if event.get("changes", True)),
        )

    async def _rename(self, old: str, event: dict[str, Any]) -> None:
        before = self.here.pop(old)
        self.here[event["to"]] = after = Dataset(before.uuid, f"acme.s.{event['to']}", before.is_view)
        if event.get("by") == "catalog":
            await self.recorder.table_renamed("acme", before.name, after.name)
        else:
            await self._end(written=((before.name, None),), targets=(after,))

    async def _drop(self, name: str, event: dict[str, Any]) -> None:
        dropped = self.here.pop(name)
        if event.get("by") == "catalog":
            await self.recorder.table_dropped("acme", dropped.name)
        else:
            await self._end(written=((dropped.name, None),), gone=frozenset({dropped.uuid}))

    async def _drop_namespace(self, *_: Any) -> None:
        self.here.clear()
        await self._end(dropped_namespace="acme.s")

    async def _load(self, name: str, event: dict[str, Any]) -> None:
        await self.recorder.table_loaded(unit_of(event["unit"]), self.here[name], 1)

    async def _commit(self, name: str, event: dict[str, Any]) -> None:
        committed = CommittedTable(self.here[name], 2, event.get("rows", True))
        await self.recorder.tables_committed(unit_of(event["unit"]), [committed], now())

    async def _end(self, **access: Any) -> None:
        self.statements += 1
        ended = StatementAccess(f"stmt_{self.statements:032}", WORKSPACE, RUN, **access)
        async with self.db.session() as session:
            for statement in self.recorder.of_statement(ended):
                await session.execute(statement)


def unit_of(text: str) -> CatalogUnit:
    """Return the unit that a scenario calls so."""
    if text == "polars":
        return CatalogUnit(str(uuid.uuid5(uuid.UUID(RUN), text)), "acme", RUN, is_one_workload=True)
    task, attempt = text.split("/")
    return CatalogUnit(unit_id(RUN, task, int(attempt)), "acme", RUN, is_one_workload=False)


def shown(neighbour: LineageNeighbour) -> str:
    """Return a neighbour as the scenarios write it."""
    name = neighbour.table.removeprefix("acme.s.")
    through = "".join(f" via {view.removeprefix('acme.s.')}" for view in neighbour.through)
    return f"{name}{' (inferred)' if neighbour.inferred else ''}{' (gone)' if neighbour.is_gone else ''}{through}"


async def check(scenario: dict[str, Any], url: str) -> None:
    """Have a scenario happen in a database, and compare what is upstream, and downstream, with what it says."""
    async with recorded(url) as (recorder, store, db):
        tables = Tables(recorder, db)
        for event in scenario["events"]:
            await tables.happen(event)
        own: dict[str, set[str]] = {}
        up: dict[str, list[LineageNeighbour]] = {}
        down: dict[str, set[str]] = {}
        for name in scenario["upstream"]:
            current = tables.here.get(name) or await store.last_of_name(WORKSPACE, f"acme.s.{name}")
            assert current is not None, name
            own[name] = {current.uuid, uuid_of_name(WORKSPACE, current.name)}
            up[name] = await store.upstream(WORKSPACE, own[name])
            down[name] = {each.uuid for each in await store.downstream(WORKSPACE, own[name])}
        found = {name: sorted(map(shown, neighbours)) for name, neighbours in up.items()}
        assert found == {name: sorted(names) for name, names in scenario["upstream"].items()}
        for name, neighbours in up.items():
            for source in own:
                is_upstream = any(each.uuid in own[source] for each in neighbours)
                assert bool(down[source] & own[name]) is is_upstream, (source, name)
