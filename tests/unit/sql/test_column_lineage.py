"""Which columns are made of which: one line for each column that is written, and `*` for what decides about rows."""

from __future__ import annotations

import pytest

import icefield_sql as sql
from icefield_sql import Column, Names, Table, View
from icefield_sql.analysis import column_lineage as columns
from icefield_sql.analysis.column_lineage import column_lineage

from .catalog import MemoryCatalog

NAMES = Names("acme", frozenset(), ("d",))


def table(*names: str) -> Table:
    return Table("x", 1, columns=tuple(Column(name, "bigint") for name in names))


OBJECTS: dict[str, Table | View] = {
    "d.t": table("a", "b", "c"),
    "d.u": table("a", "k", "v", "arr"),
    "d.x": table("p", "q"),
    "d.v": View("SELECT a, b FROM t", "spark", ("d",), "acme", (Column("a", "bigint"), Column("b", "bigint"))),
}


async def found(text: str) -> dict[str, str] | None:
    """Return what a statement's columns are made of, as text."""
    catalog = MemoryCatalog(OBJECTS)
    lineage = column_lineage(await sql.resolve(sql.parse(text, NAMES), catalog))
    if lineage is None:
        return None
    shown = {name: _shown(uses) for name, uses in lineage.fields}
    return {**shown, "*": _shown(lineage.deciding)} if lineage.deciding else shown


def _shown(uses: columns.Uses) -> str:
    return " ".join(sorted(f"{use.table.name}.{use.column}:{use.subtype}" for use in uses))


CASES: list[tuple[str, dict[str, str] | None]] = [
    (
        "CREATE TABLE n AS SELECT a, b + c AS s FROM t",
        {"a": "t.a:IDENTITY", "s": "t.b:TRANSFORMATION t.c:TRANSFORMATION"},
    ),
    (
        "INSERT INTO x SELECT a, sum(b) FROM t GROUP BY a",
        {"p": "t.a:IDENTITY", "q": "t.b:AGGREGATION", "*": "t.a:GROUP_BY"},
    ),
    ("INSERT INTO x (q, p) SELECT a, b FROM t", {"q": "t.a:IDENTITY", "p": "t.b:IDENTITY"}),
    (
        "INSERT OVERWRITE x SELECT a, 1 FROM t WHERE c > 0 ORDER BY b",
        {"p": "t.a:IDENTITY", "q": "", "*": "t.b:SORT t.c:FILTER"},
    ),
    ("CREATE TABLE n AS SELECT * FROM t", {"a": "t.a:IDENTITY", "b": "t.b:IDENTITY", "c": "t.c:IDENTITY"}),
    (
        "CREATE TABLE n AS SELECT t.*, u.v FROM t JOIN u ON t.a = u.a",
        {
            **{"a": "t.a:IDENTITY", "b": "t.b:IDENTITY", "c": "t.c:IDENTITY", "v": "u.v:IDENTITY"},
            "*": "t.a:JOIN u.a:JOIN",
        },
    ),
    (
        "CREATE TABLE n AS SELECT * FROM x JOIN (SELECT a AS p, v FROM u) y USING (p)",
        {"p": "u.a:IDENTITY x.p:IDENTITY", "q": "x.q:IDENTITY", "v": "u.v:IDENTITY", "*": "u.a:JOIN x.p:JOIN"},
    ),
    (
        "CREATE TABLE n AS WITH w AS (SELECT a, sum(b) AS s FROM t WHERE c = 1 GROUP BY a) SELECT a, s * 2 AS d FROM w",
        {"a": "t.a:IDENTITY", "d": "t.b:AGGREGATION", "*": "t.a:GROUP_BY t.c:FILTER"},
    ),
    (
        "CREATE TABLE n AS SELECT CASE WHEN k > 1 THEN v ELSE 0 END AS r FROM u",
        {"r": "u.k:CONDITIONAL u.v:IDENTITY"},
    ),
    (
        "CREATE TABLE n AS SELECT row_number() OVER (PARTITION BY a ORDER BY b) AS r, sum(c) OVER (ORDER BY a) s "
        "FROM t",
        {"r": "t.a:WINDOW t.b:WINDOW", "s": "t.a:WINDOW t.c:AGGREGATION"},
    ),
    ("CREATE TABLE n AS SELECT a FROM t UNION ALL SELECT k FROM u", {"a": "t.a:IDENTITY u.k:IDENTITY"}),
    (
        "CREATE TABLE n AS SELECT a, (SELECT max(v) FROM u WHERE u.a = t.a) AS m FROM t",
        {"a": "t.a:IDENTITY", "m": "t.a:FILTER u.a:FILTER u.v:AGGREGATION"},
    ),
    (
        "CREATE TABLE n AS SELECT a FROM t WHERE a IN (SELECT k FROM u)",
        {"a": "t.a:IDENTITY", "*": "t.a:FILTER u.k:FILTER"},
    ),
    (
        "CREATE TABLE n AS SELECT k, item FROM u LATERAL VIEW explode(arr) e AS item",
        {"k": "u.k:IDENTITY", "item": "u.arr:TRANSFORMATION"},
    ),
    ("CREATE VIEW n AS SELECT a AS z FROM v", {"z": "v.a:IDENTITY"}),
    ("UPDATE x SET p = q + 1 WHERE q > 0", {"p": "x.q:TRANSFORMATION", "*": "x.q:FILTER"}),
    ("DELETE FROM x WHERE p IN (SELECT a FROM t)", {"*": "t.a:FILTER x.p:FILTER"}),
    (
        "MERGE INTO x USING t ON x.p = t.a WHEN MATCHED AND t.c > 0 THEN UPDATE SET q = t.b "
        "WHEN NOT MATCHED THEN INSERT (p, q) VALUES (t.a, t.c)",
        {"q": "t.b:IDENTITY t.c:IDENTITY", "p": "t.a:IDENTITY", "*": "t.a:JOIN t.c:CONDITIONAL x.p:JOIN"},
    ),
    (
        "CREATE TABLE n AS (SELECT a AS z FROM t) UNION (SELECT v FROM u WHERE k = 1)",
        {"z": "t.a:IDENTITY u.v:IDENTITY", "*": "u.k:FILTER"},
    ),
    ("INSERT INTO x VALUES (1, 2)", None),
    ("DROP TABLE x", None),
]


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
async def test_columns(text: str, expected: dict[str, str] | None) -> None:
    assert await found(text) == expected


async def test_what_takes_too_long_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "SECONDS", 0.0)
    text = "CREATE TABLE n AS SELECT " + ", ".join(f"a + {number} AS c{number}" for number in range(300)) + " FROM t"
    assert await found(text) is None
    monkeypatch.undo()
    assert await found(text) is not None


async def test_what_is_too_long_or_too_wide_has_none() -> None:
    wide = ", ".join(f"a + {number} AS c{number}" for number in range(columns.MAX_USES + 1))
    assert await found(f"CREATE TABLE n AS SELECT {wide[: columns.MAX_TEXT]} AS z FROM t") is None
    nested = "(" * 40 + "a" + ")" * 40
    assert await found(f"CREATE TABLE n AS SELECT {nested} AS z FROM t") == {"z": "t.a:IDENTITY"}
