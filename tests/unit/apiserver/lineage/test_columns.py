"""What columns are made of, as it is stored and shown."""

from __future__ import annotations

from pathlib import Path

from tests.lineage_scenarios import WORKSPACE, recorded

from icefield_apiserver.features.lineage.columns import ColumnSet, SourceColumn, merged
from icefield_apiserver.features.lineage.units import Dataset, ReadDataset, StatementAccess

A, B = SourceColumn("t", "a", "IDENTITY"), SourceColumn("t", "b", "FILTER")


def test_json_and_digest() -> None:
    columns = ColumnSet({"x": (A,), "y": ()}, (B,))
    assert ColumnSet.from_json(columns.to_json()) == columns
    assert columns.digest == ColumnSet({"x": (A,), "y": ()}, (B,)).digest != ColumnSet({"x": (B,)}, ()).digest
    assert (A.type, B.type) == ("DIRECT", "INDIRECT")


def test_several_ways_to_write_a_table() -> None:
    both = merged([ColumnSet({"x": (A,)}, ()), ColumnSet({"x": (A, B), "y": (B,)}, (B,))])
    assert (both.fields, both.dataset) == ({"x": (A, B), "y": (B,)}, (B,))


async def test_repeated_statements_are_one_row(tmp_path: Path) -> None:
    table, target = Dataset("t", "acme.s.t"), Dataset("n", "acme.s.n")
    async with recorded(f"sqlite+aiosqlite:///{tmp_path}/lineage.db") as (recorder, store, db):
        for number, columns in enumerate((ColumnSet({"x": (A,)}, ()), ColumnSet({"x": (A,)}, ()), None)):
            access = StatementAccess(
                f"stmt_{number}",
                WORKSPACE,
                None,
                sources=(ReadDataset(table),),
                targets=(target,),
                changed=frozenset({"n"}),
                columns=columns,
            )
            async with db.session() as session:
                for statement in recorder.of_statement(access):
                    await session.execute(statement)
        found, tables = await store.columns(WORKSPACE, "n")
    assert found == ColumnSet({"x": (A,)}, ())
    assert tables == {"t": table}
