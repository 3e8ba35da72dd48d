"""The engines say of people's mistakes what mistakes.json has (tests/unit/sql), from which their sentences are made."""

from __future__ import annotations

import os
from typing import Any

import pytest
from pyiceberg.catalog import Catalog

import icefield_sql as sql
from tests.unit.sql import mistakes
from tests.unit.sql.catalog import MemoryCatalog

from .conftest import SLUG
from .pod import Pod

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def reader(pod: Pod, catalog: Catalog) -> MemoryCatalog:
    """The tables of the statements, as they are in the catalog."""
    for name, columns in mistakes.TABLES.items():
        listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
        pod.write(f"CREATE TABLE {name} ({listed}) USING iceberg")
        pod.write(f"INSERT INTO {name} VALUES {mistakes.ROWS[name]}")
    pod.write(f"CREATE VIEW sales.big_orders AS {mistakes.VIEW.replace('FROM ', f'FROM {SLUG}.')}")
    locations: dict[str, tuple[str, int]] = {}
    for name in mistakes.TABLES:
        table = catalog.load_table(name)
        snapshot = table.current_snapshot()
        assert snapshot
        locations[name] = (table.metadata_location, snapshot.snapshot_id)
    return mistakes.catalog(locations)


async def test_what_the_engines_say(pod: Pod, reader: MemoryCatalog) -> None:
    """One test: the statements share tables, and none changes them. UPDATE_GOLDEN=1 writes what was found."""
    entries, wrong = mistakes.mistakes(), []
    for entry in entries:
        if "engines" not in entry:
            continue
        found = {engine: await _answer(pod, reader, entry["sql"], engine) for engine in entry["engines"]}
        said = {engine: mistakes.explained(entry["sql"], answer) for engine, answer in found.items()}
        if said != entry["says"]:
            wrong.append((entry["sql"], said, entry["says"]))
        entry |= {"engines": found, "says": said}
    if os.environ.get("UPDATE_GOLDEN"):
        mistakes.record(entries)
    assert not wrong


async def _answer(pod: Pod, reader: MemoryCatalog, text: str, engine: str) -> dict[str, Any]:
    """Return what an engine says of a statement, as if the workspace had the name of the recorded one."""
    plan = await mistakes.planned(text, reader, SLUG, engine)
    assert isinstance(plan, sql.Compiled), plan
    state = pod.run(plan.sql, engine=plan.engine.value, is_write=plan.is_write)
    assert state["status"] == "failed", text
    answer = {"code": state["error"]["code"], "message": state["error"]["message"]}
    if engine == "spark":
        answer["text"] = plan.sql
    return {key: value.replace(SLUG, mistakes.CATALOG) for key, value in answer.items()}
