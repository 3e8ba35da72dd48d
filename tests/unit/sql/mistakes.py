"""Mistakes that people make in SQL, and what is said of each (mistakes.json).

An entry has the statement and, by engine, the sentence that its author reads; `plan` for what no engine is asked. Of an
engine there is its own message too, as tests/integration/engines/test_mistakes.py finds it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import icefield_sql as sql
from icefield_sql import Column, Compiled, Names, Snapshot, SqlError, Table, UnresolvedName, View

from .catalog import MemoryCatalog

FILE = Path(__file__).parent / "mistakes.json"
CATALOG = "acme"
TABLES = {
    "sales.orders": {
        "id": "bigint",
        "customer": "string",
        "amount": "decimal(10,2)",
        "day": "date",
        "seen": "timestamp",
        "tags": "array<string>",
        "prices": "map<string,double>",
        "point": "struct<x:double,y:double>",
    },
    "sales.customers": {"id": "bigint", "name": "string", "country": "string"},
}
# Messages name the value that failed first, and threads decide which that is: the texts in a column are the same.
ROWS = {
    "sales.orders": """
        (1, 'alice', 9.5, DATE'2024-01-01', TIMESTAMP'2024-01-01 10:00:00', array('a'), map('x', 1.0D),
         named_struct('x', 1D, 'y', 2D)), (2, 'alice', 0.5, NULL, NULL, NULL, NULL, NULL)""",
    "sales.customers": "(1, 'alice', 'at'), (2, 'alice', 'at')",
}
VIEW = "SELECT id, amount FROM sales.orders WHERE amount > 5"
Mistake = dict[str, Any]


def mistakes() -> list[Mistake]:
    """Return what is recorded."""
    recorded: list[Mistake] = json.loads(FILE.read_text("utf-8"))
    return recorded


def record(entries: list[Mistake]) -> None:
    """Write what was found."""
    text = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries)
    FILE.write_text(f"[\n{text}\n]\n", "utf-8")


def catalog(locations: dict[str, tuple[str, int]] | None = None) -> MemoryCatalog:
    """Return a catalog with the tables of the statements.

    Args:
        locations: metadata file and snapshot of each; made up when absent.
    """
    view_columns = (Column("id", "bigint"), Column("amount", "decimal(10,2)"))
    objects: dict[str, Table | View] = {"sales.big_orders": View(VIEW, columns=view_columns)}
    for name, columns in TABLES.items():
        location, snapshot = (locations or {}).get(name, (name, 7_301))
        objects[name] = Table(
            location,
            snapshot,
            (Snapshot(snapshot, 1_704_103_200_000, 0),),
            tuple(Column(column, kind) for column, kind in columns.items()),
            schema_id=0,
        )
    return MemoryCatalog(objects)


async def planned(text: str, reader: MemoryCatalog, slug: str = CATALOG, engine: Any = "auto") -> Compiled | str:
    """Return a statement for its engine, or the sentence by which it is refused."""
    try:
        statement = sql.parse(text, Names(slug, frozenset({"polnor"})))
        return sql.compile(await sql.resolve(statement, reader), engine)
    except (SqlError, UnresolvedName) as refusal:
        return refusal.sentence


def explained(text: str, answer: dict[str, str]) -> str:
    """Return the sentence made of an engine's recorded message."""
    message = sql.EngineMessage(answer["code"], answer["message"])
    return sql.explain(message, sql.WrittenText(text, "icefield", answer.get("text")), CATALOG)
