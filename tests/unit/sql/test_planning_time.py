"""What planning may take: time of a processor, and text that grows with each level."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from importlib import import_module

import pytest

import icefield_sql as sql
from icefield_sql import Column, Engine, Names, SqlError, Table, View
from icefield_sql.analysis import parse as parsing
from icefield_sql.analysis import resolve as resolving
from icefield_sql.lang import planning_time
from icefield_sql.lang.timed import TimedParser

from .catalog import MemoryCatalog

compiling = import_module("icefield_sql.compile")
NAMES = Names("acme", schema=("demo",))
TABLE = Table("t", 1, columns=(Column("id", "bigint"), Column("s", "string")))
CATALOG = MemoryCatalog({"demo.t": TABLE})
LONG = f"SELECT id FROM t WHERE id IN ({', '.join(map(str, range(500)))})"
UNNOTICED_SECONDS = 3.0
"""How long a step may go on, on a busy machine, until it looks at the time."""


async def plan(text: str) -> sql.Compiled:
    return sql.compile(await sql.resolve(sql.parse(text, NAMES), CATALOG))


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
def test_a_text_that_takes_too_long_to_read_is_refused(dialect: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsing, "PARSE_SECONDS", 0.0)
    with pytest.raises(SqlError, match="takes too long to read; make several of it"):
        sql.parse(LONG, NAMES, dialect=dialect)


async def test_what_takes_too_long_to_translate_runs_on_spark(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = await sql.resolve(sql.parse(LONG, NAMES), CATALOG)
    assert sql.compile(resolved).engine is Engine.DUCKDB
    monkeypatch.setattr(compiling, "TRANSLATION_SECONDS", 0.0)
    compiled = sql.compile(resolved)
    assert (compiled.engine, compiled.warnings) == (Engine.SPARK, ("Runs on Spark: its translation takes too long.",))
    with pytest.raises(SqlError, match="its translation takes too long"):
        sql.compile(resolved, "duckdb")


@pytest.mark.parametrize("engine", ["auto", "duckdb", "spark"])
async def test_what_takes_too_long_for_either_engine_is_refused(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = await sql.resolve(sql.parse(LONG, NAMES), CATALOG)
    monkeypatch.setattr(compiling, "COMPILE_SECONDS", 0.0)
    with pytest.raises(sql.TakesTooLong, match="takes too long to read; make several of it"):
        sql.compile(resolved, engine)  # type: ignore[arg-type]


async def test_the_caller_may_allow_less(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is over its time is neither given to Spark nor to the other dialect, but refused as what it is."""
    resolved = await sql.resolve(sql.parse(LONG, NAMES), CATALOG)
    with planning_time.limited_to(-1.0):
        for step in (
            lambda: sql.parse(LONG, NAMES),
            lambda: sql.parse_either(LONG, NAMES, {}),
            lambda: sql.parse_either(LONG, NAMES, {}, prefer_duckdb=True),
            lambda: sql.compile(resolved),
            lambda: sql.compile(resolved, "duckdb"),
        ):
            with pytest.raises(sql.TakesTooLong):
                step()
        in_thread = await asyncio.to_thread(sql.compile, resolved)
    assert in_thread.engine is Engine.DUCKDB


async def test_all_views_of_a_statement_are_read_under_one_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    text = f"SELECT {', '.join(f'id + {n} AS c{n}' for n in range(200))} FROM t"
    views = {f"demo.v{n}": View(text, default_namespace=("demo",)) for n in range(10)}
    catalog = MemoryCatalog({"demo.t": TABLE, **views})
    statement = sql.parse(f"SELECT 1 AS x FROM {', '.join(f'v{n}' for n in range(10))}", NAMES)
    assert sql.compile(await sql.resolve(statement, catalog)).sql
    monkeypatch.setattr(resolving, "VIEWS_SECONDS", 0.02)
    with pytest.raises(SqlError, match=r"The view demo\.v\d+ cannot be read: Its text takes too long to read\."):
        sql.compile(await sql.resolve(statement, catalog))


@pytest.mark.parametrize("looks", range(4))
def test_each_step_of_reading_looks_at_the_time(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first look starts the time; then look the checks of tokens, of parts, of chains, and the search for names."""
    monkeypatch.setattr(parsing, "PARSE_SECONDS", looks + 0.5)
    monkeypatch.setattr(planning_time.time, "thread_time", iter(range(1_000_000)).__next__)
    with pytest.raises(SqlError, match="takes too long to read"):
        sql.parse("SELECT id = 1 AND id = 2 FROM t", NAMES)


@pytest.mark.parametrize("looks", range(3))
async def test_each_step_of_a_translation_looks_at_the_time(looks: int, monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = await sql.resolve(sql.parse("SELECT * FROM t", NAMES), CATALOG)
    assert sql.compile(resolved).engine is Engine.DUCKDB
    monkeypatch.setattr(compiling, "COMPILE_SECONDS", 1_000_000.0)
    monkeypatch.setattr(compiling, "TRANSLATION_SECONDS", looks + 0.5)
    monkeypatch.setattr(planning_time.time, "thread_time", iter(range(1_000_000)).__next__)
    assert sql.compile(resolved).warnings == ("Runs on Spark: its translation takes too long.",)


def test_a_loop_looks_at_the_time_now_and_then() -> None:
    with planning_time.limited_to(0.02), pytest.raises(planning_time.OutOfTimeError):
        for _ in planning_time.checked(iter(int, 1)):
            pass
    assert list(planning_time.checked(range(1000))) == list(range(1000))


def test_the_time_of_a_context_ends_with_it() -> None:
    with planning_time.limited_to(0.0), pytest.raises(planning_time.OutOfTimeError):
        while True:
            planning_time.check()
    planning_time.check()


def test_an_inner_limit_does_not_lift_an_outer_one() -> None:
    with planning_time.limited_to(0.0), planning_time.limited_to(60.0), pytest.raises(planning_time.OutOfTimeError):
        while True:
            planning_time.check()


@pytest.mark.parametrize(
    ("wrap", "levels"),
    [
        *(("CAST(CAST({} AS STRING) AS BIGINT)", levels) for levels in (1, 2, 4, 8, 16)),
        *(("abs(CAST({} AS INT))", levels) for levels in (1, 4, 16)),
        *(("array({0}, {0})", levels) for levels in (1, 4, 10)),
        *(("if(id > 1, {0}, {0})", levels) for levels in (1, 4, 10)),
    ],
)
async def test_a_translation_does_not_grow_without_bound(wrap: str, levels: int) -> None:
    expression = "id"
    for _ in range(levels):
        expression = wrap.format(expression)
    compiled = await plan(f"SELECT {expression} AS x FROM t")
    assert len(compiled.sql) < 1_000_000
    if compiled.engine is Engine.SPARK:
        assert len(compiled.sql) < 2 * len(expression) + 1000


TYPE_WORDS = (
    "int date decimal varchar char timestamp struct float binary bit enum time vector variant array map interval json"
)


@pytest.mark.parametrize("dialect", ["icefield", "duckdb"])
@pytest.mark.parametrize("word", TYPE_WORDS.split())
@pytest.mark.parametrize("text", ["SELECT {} FROM t", "SELECT CAST(id AS {}) FROM t", "SELECT id FROM {}"])
@pytest.mark.parametrize("level", ["{w}({})", "{w}[{}]", "{w}({} + 1) 'a' + 1", "{w}<{}>"])
def test_the_steps_of_the_grammar_do_not_double_with_each_level(
    dialect: str, word: str, text: str, level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call may begin as a type does, and is then read twice."""
    steps: list[int] = []
    advance = TimedParser._advance

    def counted(parser: TimedParser, times: int = 1) -> None:
        steps[-1] += 1
        advance(parser, times)

    monkeypatch.setattr(TimedParser, "_advance", counted)
    for levels in (8, 16):
        steps.append(0)
        inner = "1"
        for _ in range(levels):
            inner = level.replace("{w}", word).replace("{}", inner)
        with suppress(SqlError):
            sql.parse(text.format(inner), NAMES, dialect=dialect)
    assert steps[1] < 5 * steps[0]


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("SELECT decimal(1, 2) '1.5' AS x", "SELECT CAST('1.5' AS DECIMAL(1, 2)) AS x"),
        ("SELECT date('2026-01-01') AS x", "SELECT date('2026-01-01') AS x"),
        ("SELECT DATE '2026-01-01' AS x", "SELECT CAST('2026-01-01' AS DATE) AS x"),
        ("SELECT int(int(int('1'))) AS x", "SELECT int(int(int('1'))) AS x"),
        ("SELECT map(1, 2)[map(0, 1)[0]] AS x", "SELECT map(1, 2)[map(0, 1)[0]] AS x"),
    ],
)
def test_what_may_be_a_type_or_a_call_is_read_as_before(text: str, same: str) -> None:
    tree = sql.parse(text, NAMES).tree
    assert tree is not None
    assert tree.sql("spark", normalize_functions=False) == same


COLUMNS = ", ".join(f"c{n} bigint, PRIMARY KEY (c{n})" for n in range(20_000))
ORDERED = ", ".join(f"count(c{n})" for n in range(3000))
LIMITED = {
    "words": ("SELECT " + "1," * 500_000 + "1", None),
    "semicolons": (";" * 1_000_000, None),
    "comment": ("/*" + "," * 1_000_000 + "*/ SELECT 1", None),
    "escapes": ("SELECT '" + "\\\\a" * 400_000 + "' AS x", None),
    "list": ("SELECT size(?) AS n", [[1] * 400_000]),
    "lists": ("SELECT size(?) AS n", [[[[1] * 10] * 200] * 200]),
    "parameters": ("SELECT " + ", ".join("?" * 50_000), list(range(50_000))),
    "sort order": (f"ALTER TABLE t WRITE ORDERED BY {', '.join(f'c{n}' for n in range(200_000))}", None),
    "sort order in a string": (
        f"CALL acme.system.rewrite_data_files(table => 'demo.t', sort_order => '{'c,' * 200_000}c')",
        None,
    ),
    "primary keys": (f"CREATE TABLE demo.n ({COLUMNS})", None),
    "tables": ("SELECT 1 AS x FROM " + ", ".join(["t"] * 20_000), None),
    "unknown part": (f"SELECT UNIQUE(SELECT {', '.join(['id'] * 30_000)}) FROM t", None),
    "order": (f"SELECT {ORDERED} FROM t ORDER BY {ORDERED}", None),
    "qualified": (
        f"SELECT {', '.join(['a.demo.t.id'] * 3000)} FROM {', '.join(f'demo.t{n}' for n in range(3000))}",
        None,
    ),
    "insert": (f"INSERT INTO t VALUES {', '.join(['(1, NULL)'] * 500_000)}", None),
}


@pytest.mark.parametrize(("text", "params"), LIMITED.values(), ids=LIMITED)
async def test_nothing_takes_much_longer_than_its_limit(text: str, params: list[object] | None) -> None:
    """Each step may take its second, and more until it looks at the time; what never does would take minutes."""
    began = time.thread_time()
    with suppress(SqlError):
        statement = sql.parse(text, NAMES, params=params)
        assert time.thread_time() - began < parsing.PARSE_SECONDS + UNNOTICED_SECONDS
        resolved = await sql.resolve(statement, CATALOG)
        began = time.thread_time()
        sql.compile(resolved)
    assert time.thread_time() - began < parsing.PARSE_SECONDS + UNNOTICED_SECONDS
